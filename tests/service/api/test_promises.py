"""What a caller sees of promises, policies, conformal sets and the scope."""

from pathlib import Path
from typing import Any

import pytest

from service.contract.promises import Scope, SetRule
from service.contract.tasks import Task
from tests.service.desk import TICKET, Desk, serving
from tests.service.promised import PRECISION, promised
from tests.tiny_bundle import write_bundle

THRESHOLDS = {
    "category": promised(auto=0.0, suggest=0.0),
    "urgency": promised(auto=1.0, suggest=0.0, by_label={"P0": None}),
    "queue": promised(auto=0.0, suggest=0.0),
}
SETS = {
    "queue": (
        SetRule(
            method="lac",
            coverage=0.9,
            threshold=None,
            by_label={"payments": None, "platform": -1.0},
            tickets=500,
        ),
    )
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a promise for every task, and sets for one."""
    directory = tmp_path_factory.mktemp("promises") / "kept"
    return write_bundle(directory, thresholds=THRESHOLDS, sets=SETS)


def _scoped(directory: Path, threshold: float) -> Path:
    scope = Scope(method="mahalanobis", threshold=threshold, kept=0.99, tickets=500)
    return write_bundle(directory, thresholds=THRESHOLDS, scope=scope)


async def _routed(desk: Desk, **params: str) -> dict[str, Any]:
    reply = await desk.client.post("/route", json=TICKET, params=params)
    assert reply.status_code == 200
    found: dict[str, Any] = reply.json()
    return found


async def test_a_reply_says_which_promise_is_kept(kept: Path) -> None:
    async with serving(kept) as desk:
        found = await _routed(desk)
    category = found["predictions"]["category"]
    assert (category["decision"], category["threshold"], category["promise"]) == ("auto", 0, "kept")
    assert (found["needs_human"], found["scope"]) == (False, None)


async def test_a_reply_says_what_a_policy_did_to_the_promise(kept: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("category: {auto: 1.0}\nurgency: {auto: 0.0, may_loosen: true}\n")
    async with serving(kept, policy=policy) as desk:
        found = (await _routed(desk))["predictions"]
    assert [one["promise"] for one in found.values()] == ["tightened", "loosened", "kept"]
    assert [one["decision"] for one in found.values()] == ["suggest", "auto", "auto"]


async def test_a_set_comes_on_request(kept: Path) -> None:
    async with serving(kept) as desk:
        unasked = await _routed(desk)
        found = await _routed(desk, sets="lac")
        per_label = await _routed(desk, sets="lac", sets_per="label")
        other = await _routed(desk, sets="aps")
    assert {one["set"] for one in unasked["predictions"].values()} == {None}
    given = found["predictions"]["queue"]["set"]
    assert (given["method"], given["coverage"], given["per_label"]) == ("lac", 0.9, False)
    assert given["labels"][0] == found["predictions"]["queue"]["label"]
    assert sorted(given["labels"]) == ["payments", "platform"]
    assert found["predictions"]["category"]["set"] is None
    assert per_label["predictions"]["queue"]["set"] == {
        **given,
        "per_label": True,
        "labels": ["payments"],
    }
    assert other["predictions"]["queue"]["set"] is None


async def test_the_tickets_of_a_batch_get_their_sets_too(kept: Path) -> None:
    async with serving(kept) as desk:
        reply = await desk.client.post(
            "/route/batch", json={"tickets": [TICKET]}, params={"sets": "lac"}
        )
    (item,) = reply.json()["results"]
    assert len(item["reply"]["predictions"]["queue"]["set"]["labels"]) == 2
    assert item["reply"]["predictions"]["category"]["set"] is None
    assert item["reply"]["scope"] is None


@pytest.mark.parametrize(
    ("params", "rule"),
    [
        ({"sets": "raps"}, "sets must be lac or aps, or be left out"),
        ({"sets": ""}, "sets must be lac or aps, or be left out"),
        ({"sets": "lac", "sets_per": "queue"}, "sets_per must be label, or be left out"),
        ({"sets_per": "label"}, "sets_per needs sets"),
    ],
)
@pytest.mark.parametrize("path", ["/route", "/route/batch"])
async def test_a_set_that_there_is_not_is_refused(
    desk: Desk, path: str, params: dict[str, str], rule: str
) -> None:
    reply = await desk.client.post(path, json={"tickets": [TICKET]}, params=params)
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_query")
    assert reply.json()["detail"] == rule


@pytest.mark.parametrize(("threshold", "inside"), [(1e9, True), (-1e9, False)])
async def test_out_of_scope_every_decision_is_a_human_s(
    tmp_path: Path, threshold: float, inside: bool
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("urgency: {auto: 0.0, may_loosen: true}\n")
    async with serving(_scoped(tmp_path / "bundle", threshold), policy=policy) as desk:
        found = await _routed(desk)
        assert f"harbor_out_of_scope_total {float(not inside)}" in desk.metrics
    assert (found["scope"]["threshold"], found["scope"]["inside"]) == (threshold, inside)
    assert isinstance(found["scope"]["score"], float)
    decisions = {one["decision"] for one in found["predictions"].values()}
    assert decisions == ({"auto"} if inside else {"human"})
    assert found["needs_human"] is not inside


async def test_out_of_scope_a_human_is_needed_even_where_no_task_is_primary(tmp_path: Path) -> None:
    tasks = (Task(name="mood", labels=("good", "bad"), role="auxiliary"),)
    scope = Scope(method="mahalanobis", threshold=-1e9, kept=0.99, tickets=500)
    bundle = write_bundle(tmp_path / "bundle", tasks=tasks, scope=scope)
    async with serving(bundle) as desk:
        assert (await _routed(desk))["needs_human"] is True


async def test_the_bundle_shows_its_promises_with_their_evidence(kept: Path) -> None:
    async with serving(kept) as desk:
        found = (await desk.client.get("/bundle")).json()
    variant = found["variant"]
    assert variant["thresholds"]["urgency"]["promise"] == PRECISION.model_dump(mode="json")
    assert variant["sets"]["queue"][0]["tickets"] == 500
    assert variant["scope"] is None
    assert found["rules"]["urgency"] == {
        "choose": "probability",
        "auto": {"P0": None, "P1": 1.0, "P2": 1.0, "P3": 1.0},
        "suggest": 0.0,
        "human": None,
        "promise": "kept",
    }
    assert found["policy"] is None


async def test_the_bundle_shows_its_scope_and_what_a_policy_makes_of_it(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("queue: {choose: expected_cost, costs: {payments: {platform: 9}}, human: 2}")
    async with serving(_scoped(tmp_path / "bundle", 9.5), policy=policy) as desk:
        found = (await desk.client.get("/bundle")).json()
    assert found["variant"]["scope"]["threshold"] == 9.5
    assert found["rules"]["queue"] == {
        "choose": "expected_cost",
        "auto": {"payments": None, "platform": None},
        "suggest": 0.0,
        "human": 2.0,
        "promise": None,
    }
    assert found["policy"].startswith("sha256:")
