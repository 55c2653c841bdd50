"""Legacies beside the bundle over HTTP: in replies, in `/shadow`, in the report, in the seats."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from service.api.schema import REPLY, Reply
from service.api.seats import SeatReply
from service.errors import ServiceError, ShadowRefused
from service.promotion import Order, Promotion
from service.shadow.config import read_shadow
from service.shadow.documents import ShadowStatus
from service.shadow.findings.document import Report
from service.shadow.reporting import Reporting
from tests.service.desk import TICKET, Desk, serving
from tests.tiny_bundle import DEFAULT_TASKS, WORDS, write_bundle

TOKEN = {"Authorization": "Bearer open sesame"}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A bundle of one task that answers differently."""
    category, _, _ = DEFAULT_TASKS
    return write_bundle(tmp_path / "old", version="old-1", seed=5, tasks=(category,))


@asynccontextmanager
async def shadowing(
    bundle: Path, old: Path, directory: Path, role: str = "incumbent", **changes: Any
) -> AsyncIterator[Desk]:
    """A desk with one bundle in shadow. changes: of the settings."""
    config = directory / "shadow.yaml"
    legacy = {"name": "old", "bundle": str(old), "role": role}
    config.write_text(json.dumps({"legacies": [legacy], "wait_s": 30}))
    given = {"ledger": f"sqlite:///{directory}/ledger.db", "admin_token": "open sesame", **changes}
    async with serving(bundle, shadow=config, **given) as desk:
        yield desk


async def ask(desk: Desk, number: int = 0, **changes: str) -> Reply:
    """One ticket's reply, after the legacy's answer to it."""
    ticket = {"subject": f"invoice {number}", "body": "please refund", **changes}
    reply = await desk.client.post("/route?shadow=wait", json=ticket)
    assert reply.status_code == 200, reply.text
    return REPLY.validate_json(reply.content)


async def test_without_a_legacy_a_reply_s_shadow_is_null_and_there_is_no_status(desk: Desk) -> None:
    reply = await desk.client.post("/route", json=TICKET)
    assert reply.json()["shadow"] is None
    for method, path in (("GET", "/shadow"), ("GET", "/shadow/report")):
        refused = await desk.client.request(method, path)
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown_legacy")


async def test_every_reply_carries_the_running_disagreement(
    bundle: Path, old: Path, tmp_path: Path
) -> None:
    async with shadowing(bundle, old, tmp_path) as desk:
        differing = 0
        for number in range(5):
            reply = await ask(desk, number)
            assert reply.shadow is not None
            answer = reply.shadow["old"]["category"].answer
            assert answer is not None
            assert answer.outcome == "compared"
            assert answer.agrees == (answer.label == reply.predictions["category"].label)
            differing += not answer.agrees
        plain = (await desk.client.post("/route", json=TICKET)).json()["shadow"]
        assert set(plain) == {"old"}
        assert set(plain["old"]) == {"category"}
        assert set(plain["old"]["category"]) == {"disagreement"}
        found = plain["old"]["category"]["disagreement"]
        assert (found["n"], found["rate"]) == (5, differing / 5)
        assert found["low"] <= found["rate"] <= found["high"]


async def test_the_legacy_s_own_bundle_gives_the_very_same_answer(
    bundle: Path, old: Path, tmp_path: Path
) -> None:
    async with shadowing(bundle, old, tmp_path) as desk:
        reply = await ask(desk)
    async with serving(old) as alone:
        ticket = {"subject": "invoice 0", "body": "please refund"}
        direct = (await alone.client.post("/route", json=ticket)).json()["predictions"]["category"]
    assert reply.shadow is not None
    answer = reply.shadow["old"]["category"].answer
    assert answer is not None
    assert answer.label == direct["label"]
    assert answer.confidence == pytest.approx(direct["confidence"], abs=1e-5)


async def test_a_batch_is_compared_too(bundle: Path, old: Path, tmp_path: Path) -> None:
    async with shadowing(bundle, old, tmp_path) as desk:
        body = {"tickets": [TICKET, {"subject": ""}, TICKET]}
        reply = await desk.client.post("/route/batch?shadow=wait", json=body)
        shadows = [item.get("reply", {}).get("shadow") for item in reply.json()["results"]]
        assert shadows[1] is None
        for one in (shadows[0], shadows[2]):
            assert one["old"]["category"]["answer"]["outcome"] == "compared"


async def test_the_standing_survives_a_restart(bundle: Path, old: Path, tmp_path: Path) -> None:
    async with shadowing(bundle, old, tmp_path) as desk:
        for number in range(4):
            before = await ask(desk, number)
        await desk.core.ledger.flush()
    async with shadowing(bundle, old, tmp_path) as desk:
        after = await desk.client.post("/route", json=TICKET)
    assert before.shadow is not None
    wanted = before.shadow["old"]["category"].disagreement
    assert after.json()["shadow"]["old"]["category"]["disagreement"] == asdict(wanted)


async def test_the_status_accounts_for_every_ticket(
    bundle: Path, old: Path, tmp_path: Path
) -> None:
    async with shadowing(bundle, old, tmp_path) as desk:
        for number in range(3):
            await ask(desk, number)
        reply = await desk.client.get("/shadow")
        status = ShadowStatus.model_validate_json(reply.content)
        task = status.legacies["old"].tasks["category"]
        assert (task.offered, task.compared, task.pending) == (3, 3, 0)
        assert (status.legacies["old"].kind, status.legacies["old"].role) == ("bundle", "incumbent")
        assert 'harbor_shadow_compared_total{legacy="old",task="category"} 3.0' in desk.metrics


async def test_the_report_is_json_or_a_page(bundle: Path, old: Path, tmp_path: Path) -> None:
    async with shadowing(bundle, old, tmp_path) as desk:
        for number in range(3):
            await ask(desk, number, ticket_id=str(number))
        await desk.client.post("/feedback", json={"ticket_id": "1", "labels": {"category": "x"}})
        reply = await desk.client.get("/shadow/report")
        report = Report.model_validate_json(reply.content)
        assert report.overall.verdict == "keep"
        assert report.plan.registered_at is not None
        (task,) = report.tasks
        assert task.task == "category"
        page = await desk.client.get("/shadow/report?format=html")
        assert page.headers["content-type"].startswith("text/html")
        assert page.text.startswith("<!doctype html>")
        browser = await desk.client.get("/shadow/report", headers={"Accept": "text/html,*/*"})
        assert browser.text.startswith("<!doctype html>")
        wrong = await desk.client.get("/shadow/report?format=pdf")
        assert wrong.json()["code"] == "invalid_query"


async def test_the_report_quotes_text_for_the_admin_alone(
    bundle: Path, old: Path, tmp_path: Path
) -> None:
    async with shadowing(bundle, old, tmp_path, ledger_text=True) as desk:
        for number, word in enumerate(WORDS):
            await ask(desk, number, subject=word, body="printer")
        plain = (await desk.client.get("/shadow/report")).text
        for_admin = (await desk.client.get("/shadow/report", headers=TOKEN)).text
        assert ("printer" in plain, "printer" in for_admin) == (False, True)


@pytest.mark.parametrize("path", ["/shadow/promote", "/shadow/rollback"])
async def test_an_order_needs_the_admin_token(
    bundle: Path, old: Path, tmp_path: Path, desk: Desk, path: str
) -> None:
    order = {"by": "ada"}
    refused = await desk.client.post(path, json=order, headers=TOKEN)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    async with shadowing(bundle, old, tmp_path) as guarded:
        for headers in ({}, {"Authorization": "Bearer guess"}, {"Authorization": "Basic x"}):
            refused = await guarded.client.post(path, json=order, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")


async def test_a_promotion_without_evidence_is_refused_and_changes_nothing(
    bundle: Path, old: Path, tmp_path: Path
) -> None:
    async with shadowing(bundle, old, tmp_path, role="challenger") as desk:
        await ask(desk)
        before = desk.core.bundles.active
        order = {"by": "ada"}
        refused = await desk.client.post("/shadow/promote", json=order, headers=TOKEN)
        assert (refused.status_code, refused.json()["code"]) == (409, "not_proven")
        assert desk.core.bundles.active is before
        assert await desk.core.ledger.read(lambda store: store.seatings()) == []


async def test_a_forced_promotion_changes_the_seats_is_recorded_and_survives_a_restart(
    bundle: Path, old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The evidence comes from another process, for which a busy machine may have no time.
    monkeypatch.setattr("service.promotion._PATIENCE_S", 120.0)
    async with shadowing(bundle, old, tmp_path, role="challenger") as desk:
        await ask(desk)
        order = {"by": "ada", "reason": "a drill", "force": True}
        reply = await desk.client.post("/shadow/promote", json=order, headers=TOKEN)
        done = SeatReply.model_validate_json(reply.content)
        assert (done.bundle.version, done.swapped, done.recorded) == ("old-1", True, True)
        answered = await ask(desk, 1)
        assert answered.bundle.version == "old-1"
        assert set(answered.predictions) == {"category"}
        assert (await desk.client.get("/bundle")).json()["bundle"]["version"] == "old-1"
        assert desk.core.promotion.role("old") == "incumbent"
        (seating,) = await desk.core.ledger.read(lambda store: store.seatings())
        assert (seating.by, seating.reason, seating.forced) == ("ada", "a drill", True)
        assert json.loads(seating.evidence)["verdict"] == "keep"
    async with shadowing(bundle, old, tmp_path, role="challenger") as again:
        assert (await ask(again, 2)).bundle.version == "old-1"
        assert again.core.promotion.role("old") == "incumbent"
        order = {"by": "eve", "reason": "enough"}
        back = await again.client.post("/shadow/rollback", json=order, headers=TOKEN)
        assert (back.json()["bundle"]["version"], back.json()["swapped"]) == ("test-1", True)
    async with shadowing(bundle, old, tmp_path, role="challenger") as third:
        assert (await ask(third, 3)).bundle.version == "test-1"
        assert third.core.promotion.role("old") == "challenger"


async def test_a_challenger_that_the_policy_does_not_fit_is_not_promoted_an_incumbent_comes_back(
    bundle: Path, old: Path, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("queue: {auto: 0.0, may_loosen: true}")
    order = {"by": "ada", "reason": "a drill", "force": True}
    async with shadowing(bundle, old, tmp_path, role="challenger", policy=policy) as desk:
        refused = await desk.client.post("/shadow/promote", json=order, headers=TOKEN)
        assert (refused.status_code, refused.json()["code"]) == (409, "impossible")
        assert "it may name category, found queue" in refused.json()["detail"]
        assert await desk.core.ledger.read(lambda store: store.seatings()) == []
    async with shadowing(bundle, old, tmp_path, policy=policy, ledger="off") as desk:
        back = await desk.client.post("/shadow/rollback", json={"by": "ada"}, headers=TOKEN)
        assert back.json()["bundle"]["version"] == "old-1"
        found = (await desk.client.get("/bundle")).json()
        assert found["policy"] == desk.core.bundles.shadow("old").policy.digest


async def test_a_reload_during_a_promotion_does_not_undo_it(
    bundle: Path, old: Path, tmp_path: Path
) -> None:
    async with shadowing(bundle, old, tmp_path, role="challenger") as desk:
        order = {"by": "ada", "reason": "a drill", "force": True}
        reload = asyncio.create_task(desk.core.bundles.reload())
        await asyncio.sleep(0)
        promoted = await desk.client.post("/shadow/promote", json=order, headers=TOKEN)
        await reload
        assert promoted.json()["bundle"]["version"] == "old-1"
        seats = [bundle.manifest.version for bundle in desk.core.bundles.open]
        assert seats == ["old-1", "test-1"]


class NoReport(Reporting):
    """Reports that fail."""

    async def report(self, _: str) -> Report:
        raise ServiceError("the report's process ended with 1")


async def test_a_roll_back_goes_ahead_without_a_report(
    bundle: Path, old: Path, tmp_path: Path
) -> None:
    async with shadowing(bundle, old, tmp_path) as desk:
        core = desk.core
        config = read_shadow(tmp_path / "shadow.yaml")
        promotion = Promotion(
            core.settings, config, core.bundles, core.ledger, NoReport(""), core.log
        )
        async with promotion:
            with pytest.raises(ServiceError):
                await promotion.obey(Order("promote", "old", "ada"), core.witness.legacies)
            done = await promotion.obey(Order("rollback", "old", "ada"), core.witness.legacies)
        assert (done.swapped, done.recorded, done.verdict) == (True, True, None)


async def test_promoting_the_bundle_that_answers_already_is_recorded_and_moves_nobody(
    bundle: Path, old: Path, tmp_path: Path
) -> None:
    async with shadowing(bundle, old, tmp_path) as desk:
        await ask(desk)
        order = {"by": "ada", "reason": "cut over", "force": True, "legacy": "old"}
        reply = await desk.client.post("/shadow/promote", json=order, headers=TOKEN)
        assert (reply.json()["swapped"], reply.json()["bundle"]["version"]) == (False, "test-1")
        assert len(await desk.core.ledger.read(lambda store: store.seatings())) == 1


async def test_tickets_under_way_during_a_promotion_are_all_answered_by_one_bundle_each(
    bundle: Path, old: Path, tmp_path: Path
) -> None:
    async with shadowing(bundle, old, tmp_path, role="challenger") as desk:
        order = {"by": "ada", "reason": "a drill", "force": True}
        many = [desk.client.post("/route", json=TICKET) for _ in range(40)]
        swap = desk.client.post("/shadow/promote", json=order, headers=TOKEN)
        replies = await asyncio.gather(*many[:20], swap, *many[20:])
        for reply in (*replies[:20], *replies[21:]):
            assert reply.status_code == 200
            tasks = {"test-1": 3, "old-1": 1}[reply.json()["bundle"]["version"]]
            assert len(reply.json()["predictions"]) == tasks


async def test_no_ticket_is_lost_from_the_books_when_the_seats_change_under_it(
    bundle: Path, old: Path, tmp_path: Path
) -> None:
    async with shadowing(bundle, old, tmp_path, role="challenger") as desk:
        order = {"by": "ada", "reason": "a drill", "force": True}
        swap = desk.client.post("/shadow/promote", json=order, headers=TOKEN)
        many = [desk.client.post("/route?shadow=wait", json=TICKET) for _ in range(40)]
        await asyncio.gather(*many[:20], swap, *many[20:])
        task = desk.core.witness.shadow.status().legacies["old"].tasks["category"]
        assert task.offered == 40
        assert task.compared + sum(task.dropped.values()) == 40


@pytest.mark.slow
async def test_more_reports_than_can_wait_are_refused(
    bundle: Path, old: Path, tmp_path: Path
) -> None:
    async with shadowing(bundle, old, tmp_path) as desk:
        await ask(desk)
        replies = await asyncio.gather(*(desk.client.get("/shadow/report") for _ in range(6)))
        codes = sorted(reply.status_code for reply in replies)
        assert codes == [200, 200, 200, 200, 503, 503]
        refused = next(reply for reply in replies if reply.status_code == 503)
        assert (refused.json()["code"], refused.headers["retry-after"]) == ("overloaded", "10")


async def test_an_order_for_a_legacy_that_does_not_run_is_refused(
    bundle: Path, old: Path, tmp_path: Path
) -> None:
    async with shadowing(bundle, old, tmp_path) as desk:
        order = {"by": "ada", "legacy": "other"}
        refused = await desk.client.post("/shadow/rollback", json=order, headers=TOKEN)
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown_legacy")
        order = {"by": "ada", "force": True}
        refused = await desk.client.post("/shadow/promote", json=order, headers=TOKEN)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_document")


async def test_a_roll_back_goes_ahead_without_a_ledger_and_says_so(
    bundle: Path, old: Path, tmp_path: Path
) -> None:
    async with shadowing(bundle, old, tmp_path, ledger="off") as desk:
        promoted = await desk.client.post("/shadow/promote", json={"by": "ada"}, headers=TOKEN)
        assert (promoted.status_code, promoted.json()["code"]) == (503, "ledger_unavailable")
        back = await desk.client.post("/shadow/rollback", json={"by": "ada"}, headers=TOKEN)
        assert (back.json()["swapped"], back.json()["recorded"]) == (True, False)


async def test_a_ticket_is_forgotten_by_its_id_and_only_with_the_token(
    bundle: Path, old: Path, tmp_path: Path
) -> None:
    async with shadowing(bundle, old, tmp_path, ledger_text=True) as desk:
        await ask(desk, ticket_id="a/7")
        assert (await desk.client.delete("/tickets/a/7")).status_code == 401
        gone = await desk.client.delete("/tickets/a%2F7?everything=true", headers=TOKEN)
        assert gone.json()["deleted"]["decisions"] == 1
        assert gone.json()["deleted"]["texts"] == 1
        again = await desk.client.delete("/tickets/a/7", headers=TOKEN)
        assert set(again.json()["deleted"].values()) == {0}


async def test_a_shadow_that_does_not_fit_the_bundle_keeps_the_service_from_starting(
    bundle: Path, tmp_path: Path
) -> None:
    from service.contract.tasks import Task

    strange = Task(name="colour", labels=("red", "blue"))
    other = write_bundle(tmp_path / "other", tasks=(strange,))
    with pytest.raises(ShadowRefused, match="shares no task"):
        async with shadowing(bundle, other, tmp_path):
            pass
