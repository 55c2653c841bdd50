"""Agents' final labels over HTTP: kept, matched, corrected, refused."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.feedback import _by_and_by
from service.api.schema import FeedbackBatchReply, FeedbackReply
from service.app import build_app, create_core
from service.ledger.ledger import Ledger
from service.ledger.records import FinalLabel
from service.ledger.scope import FeedbackReceipt
from service.logs import open_log
from service.settings import Settings
from tests.service.desk import TICKET, Desk, serving
from tests.tiny_bundle import DEFAULT_TASKS, write_bundle


@pytest.fixture
async def kept(bundle: Path, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk with a ledger of its own."""
    async with serving(bundle, ledger=f"sqlite:///{tmp_path}/ledger.db") as desk:
        yield desk


async def send(desk: Desk, **given: Any) -> FeedbackReply:
    reply = await desk.client.post("/feedback", json=given)
    assert reply.status_code == 200, reply.text
    return FeedbackReply.model_validate_json(reply.content)


async def outcome(desk: Desk, **given: Any) -> str:
    (label,) = (await send(desk, **given)).labels.values()
    return label.outcome


async def test_a_label_finds_its_ticket_by_either_id(kept: Desk) -> None:
    reply = await kept.client.post("/route", json={**TICKET, "ticket_id": "7"})
    by_ticket = await send(kept, ticket_id="7", labels={"category": "billing", "queue": "payments"})
    assert by_ticket.matched
    assert {name: one.outcome for name, one in by_ticket.labels.items()} == {
        "category": "stored",
        "queue": "stored",
    }
    by_request = await send(kept, request_id=reply.json()["request_id"], labels={"urgency": "P1"})
    assert by_request.matched


async def test_a_label_without_a_decision_is_kept_and_said_to_be_unmatched(kept: Desk) -> None:
    reply = await send(kept, ticket_id="nobody", labels={"category": "billing"})
    assert not reply.matched
    assert reply.labels["category"].outcome == "stored"
    assert 'harbor_feedback_total{outcome="unmatched"} 1.0' in kept.metrics


async def test_the_same_label_twice_is_one_and_another_one_corrects_it(kept: Desk) -> None:
    labels = {"category": "billing"}
    assert await outcome(kept, ticket_id="7", labels=labels) == "stored"
    assert await outcome(kept, ticket_id="7", labels=labels) == "duplicate"
    assert await outcome(kept, ticket_id="7", labels={"category": "account"}) == "corrected"
    assert await outcome(kept, ticket_id="7", labels=labels) == "corrected"
    counts = await kept.core.ledger.read(lambda store: store.feedback_counts())
    assert (counts.received, counts.labelled, counts.corrected) == (3, 1, 1)


async def test_a_label_that_was_decided_earlier_does_not_replace_a_later_one(kept: Desk) -> None:
    late, early = "2026-01-02T10:00:00Z", "2026-01-02T09:00:00Z"
    labels = {"category": "billing"}
    await send(kept, ticket_id="7", labels=labels, labelled_at=late)
    old = await outcome(kept, ticket_id="7", labels={"category": "account"}, labelled_at=early)
    assert old == "superseded"


async def test_a_label_that_the_bundle_has_not_is_kept_and_named_unknown(kept: Desk) -> None:
    reply = await send(kept, ticket_id="7", labels={"category": "Billing", "queue": "payments"})
    assert {name: one.known for name, one in reply.labels.items()} == {
        "category": False,
        "queue": True,
    }


@pytest.mark.parametrize(
    ("given", "where", "rule"),
    [
        ({"labels": {"category": "a"}}, "", "exactly one of ticket_id and request_id"),
        (
            {"ticket_id": "1", "request_id": "2", "labels": {"category": "a"}},
            "",
            "exactly one of ticket_id and request_id",
        ),
        ({"ticket_id": "1", "labels": {}}, "/labels", "at least 1"),
        ({"ticket_id": "1", "labels": {"colour": "a"}}, "/labels", "an unknown task"),
        ({"ticket_id": "1", "labels": {"category": ""}}, "/labels/category", "at least 1"),
        ({"ticket_id": 1, "labels": {"category": "a"}}, "/ticket_id", "valid string"),
        (
            {"ticket_id": "1", "labels": {"category": "a"}, "labelled_at": "2026-01-02T10:00:00"},
            "/labelled_at",
            "timezone",
        ),
        (
            {"ticket_id": "1", "labels": {"category": "a"}, "labelled_at": "2999-01-01T00:00:00Z"},
            "/labelled_at",
            "future",
        ),
        ({"ticket_id": "1", "labels": {"category": "a"}, "lable": 1}, "", "did you mean labels?"),
    ],
)
async def test_feedback_that_breaks_a_rule_is_refused_with_the_rule(
    kept: Desk, given: dict[str, Any], where: str, rule: str
) -> None:
    reply = await kept.client.post("/feedback", json=given)
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_feedback")
    (fault,) = reply.json()["problems"]
    assert fault["where"] == where
    assert rule in fault["rule"]


async def test_in_a_batch_each_item_is_judged_on_its_own(kept: Desk) -> None:
    good = {"ticket_id": "7", "labels": {"category": "billing"}}
    body = {"feedback": [good, {"labels": {"category": "billing"}}, good]}
    reply = await kept.client.post("/feedback/batch", json=body)
    first, second, third = FeedbackBatchReply.model_validate_json(reply.content).results
    assert first.reply is not None
    assert first.reply.labels["category"].outcome == "stored"
    assert second.problem is not None
    assert second.problem.code == "invalid_feedback"
    assert third.reply is not None
    assert third.reply.labels["category"].outcome == "duplicate"


async def test_a_batch_is_bounded(kept: Desk) -> None:
    reply = await kept.client.post("/feedback/batch", json={"feedback": [{}] * 1001})
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_feedback")


async def test_without_a_ledger_nothing_is_kept_and_the_caller_hears_so(desk: Desk) -> None:
    given = {"ticket_id": "7", "labels": {"category": "billing"}}
    reply = await desk.client.post("/feedback", json=given)
    assert (reply.status_code, reply.json()["code"]) == (503, "ledger_unavailable")


async def test_no_log_line_holds_a_label_or_an_id_that_was_sent(kept: Desk) -> None:
    await kept.client.post("/feedback", json={"ticket_id": "s3cret", "labels": {"colour": "x"}})
    await send(kept, ticket_id="s3cret", labels={"category": "s3cret label"})
    assert "s3cret" not in kept.stream.getvalue()


class Swapping(Ledger):
    """A ledger under which the bundle is replaced while labels are being kept."""

    swap: Callable[[], Awaitable[object]]

    async def feedback(self, labels: Sequence[FinalLabel]) -> FeedbackReceipt:
        """Keeps them, and swaps."""
        receipt = await super().feedback(labels)
        await self.swap()
        return receipt


async def test_a_swap_that_takes_a_task_away_does_not_fail_the_labels_under_way(
    bundle: Path, tmp_path: Path
) -> None:
    small = write_bundle(tmp_path / "small", tasks=DEFAULT_TASKS[:1])
    settings = Settings(bundle=bundle, provider="cpu", ledger=f"sqlite:///{tmp_path}/ledger.db")
    core = create_core(settings, open_log(io.StringIO()))
    ledger = Swapping(settings, core.metrics.ledger, core.log)
    ledger.swap = partial(core.bundles.swap, small)
    app = build_app(replace(core, ledger=ledger))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk") as client,
    ):
        given = {"ticket_id": "7", "labels": {"queue": "payments"}}
        reply = await client.post("/feedback", json=given)
        assert reply.json()["labels"] == {"queue": {"outcome": "stored", "known": True}}


async def test_a_large_batch_lets_other_callers_go_on() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(other())
    assert [number async for number in _by_and_by(range(200))] == list(range(200))
    running.cancel()
    assert turns >= 10
