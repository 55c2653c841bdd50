"""The shadow's runner: never in the caller's way, and every ticket has exactly one end."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from service.shadow.legacy import CircuitOpenError, LegacyFailedError, Said
from tests.service.shadow.legacies import (
    AGREES,
    Prompt,
    Puppet,
    settle,
    stage,
)

WAIT_S = 60.0


class Unsteady(Puppet):
    """Cannot say who it is."""

    @property  # type: ignore[override]
    def identity(self) -> str:
        raise RuntimeError("nobody sits here")

    @identity.setter
    def identity(self, _: str) -> None: ...


async def test_an_answer_is_compared_in_the_metrics_the_ledger_and_the_standing() -> None:
    desk = stage(Prompt({"category": Said("technical", 0.4), "queue": Said("payments")}))
    async with desk.shadow as shadow:
        desk.clock.now_s += 5.0
        shadow.offer(desk.asked(ticket_id="7"))
        await settle(lambda: len(desk.records) == 2)
        standing = shadow.standing()["old"]
        status = shadow.status().legacies["old"]
    assert standing["category"].disagreement.rate == 1.0
    assert standing["queue"].disagreement.rate == 0.0
    assert standing["queue"].answer is None
    assert (status.tasks["category"].disagreed, status.tasks["queue"].disagreed) == (1, 0)
    assert status.latency.n == 1
    first, second = desk.records
    assert (first.label, first.given_label, first.confidence) == ("technical", "technical", 0.4)
    assert (first.identity, first.role, first.at) == ("sha256:old", "incumbent", 1000.0)
    assert second.confidence is None
    labels = {"legacy": "old", "task": "category"}
    assert desk.sample("harbor_shadow_disagreement_ratio", bound="rate", **labels) == 1.0
    buckets = "harbor_shadow_confidence_difference_bucket"
    assert [desk.sample(buckets, le=bound, **labels) for bound in ("0.4", "0.5")] == [0, 1]
    assert desk.sample(buckets, le="+Inf", legacy="old", task="queue") == 0


async def test_before_the_first_answer_every_shared_task_stands_without_a_rate() -> None:
    desk = stage(Puppet(tasks=("queue", "mood")))
    assert list(desk.shadow.standing()["old"]) == ["queue"]
    found = desk.shadow.standing()["old"]["queue"].disagreement
    assert (found.rate, found.n, found.low, found.high) == (None, 0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (LegacyFailedError("timeout"), "timeout"),
        (LegacyFailedError("status", "status 500"), "status"),
        (CircuitOpenError("open"), "circuit_open"),
        (RuntimeError("a bug"), "crashed"),
        ({"queue": Said("payments")}, "missing"),
        ({"category": Said("Rechnungen")}, "untranslatable"),
        ({"category": Said("billing", 1.5)}, "malformed"),
        ({"category": Said("billing", float("nan"))}, "malformed"),
        ({"category": Said("billing", "0.9")}, "malformed"),  # type: ignore[arg-type]
        ({"category": Said(3)}, "malformed"),  # type: ignore[arg-type]
        ({"category": "billing"}, "crashed"),
        ("billing", "crashed"),
        (None, "crashed"),
    ],
)
async def test_whatever_a_legacy_does_ends_in_one_outcome_and_the_next_ticket_is_asked(
    answer: Any, outcome: str
) -> None:
    legacy = Prompt(answer)
    desk = stage(legacy)
    async with desk.shadow as shadow:
        shadow.offer(desk.asked())
        await settle(lambda: desk.outcomes())
        assert desk.outcomes() == {outcome: 1}
        legacy.answer = AGREES
        shadow.offer(desk.asked())
        await settle(lambda: desk.outcomes().total() == 2)
    assert desk.outcomes() == {outcome: 1, "compared": 1}


async def test_an_untranslatable_label_is_kept_as_it_was_said_and_cut() -> None:
    desk = stage(Prompt({"category": Said("x" * 500)}))
    async with desk.shadow as shadow:
        shadow.offer(desk.asked())
        await settle(lambda: desk.records)
    assert desk.records[0].given_label == "x" * 64
    assert desk.records[0].label is None


async def test_a_full_queue_drops_the_new_ticket_and_the_oldest_is_asked_first() -> None:
    legacy = Puppet()
    desk = stage(legacy, queue=2)
    async with desk.shadow as shadow:
        shadow.offer(desk.asked(ticket_id="0"))
        await settle(lambda: legacy.calls)
        for name in "123":
            shadow.offer(desk.asked(ticket_id=name))
        assert desk.outcomes() == {"queue_full": 1}
        assert shadow.status().legacies["old"].pending == 3
        for number in range(3):
            await settle(lambda number=number: len(legacy.calls) > number)
            legacy.calls[number].set_result(AGREES)
        await settle(lambda: desk.outcomes()["compared"] == 3)
    assert [ticket.ticket_id for ticket in legacy.tickets] == ["0", "1", "2"]


async def test_as_many_tickets_are_asked_at_once_as_the_legacy_allows() -> None:
    legacy = Puppet(concurrency=3)
    desk = stage(legacy)
    async with desk.shadow as shadow:
        for _ in range(5):
            shadow.offer(desk.asked())
        await settle(lambda: len(legacy.calls) == 3)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(legacy.calls) == 3


async def test_a_ticket_that_waited_too_long_is_dropped_when_its_turn_comes() -> None:
    legacy = Puppet()
    desk = stage(legacy, max_age_s=30.0)
    async with desk.shadow as shadow:
        shadow.offer(desk.asked())
        await settle(lambda: legacy.calls)
        shadow.offer(desk.asked())
        desk.clock.now_s += 30.5
        legacy.calls[0].set_result(AGREES)
        await settle(lambda: desk.outcomes().total() == 2)
    assert desk.outcomes() == {"compared": 1, "too_old": 1}
    assert [record.at for record in desk.records[::2]] == [1030.5, 1030.5]


async def test_a_task_that_the_reply_lacks_is_not_offered() -> None:
    desk = stage(Prompt(tasks=("category", "mood")), Prompt(name="alone", tasks=("mood",)))
    async with desk.shadow as shadow:
        answers = await shadow.answers(desk.asked(), WAIT_S)
        await settle(lambda: desk.records)
        status = shadow.status()
    assert {record.task for record in desk.records} == {"category"}
    assert list(status.legacies["old"].tasks) == ["category"]
    assert answers["alone"] == {}


async def test_a_legacy_that_is_cancelled_from_within_has_crashed() -> None:
    legacy = Puppet()
    desk = stage(legacy)
    async with desk.shadow as shadow:
        shadow.offer(desk.asked())
        await settle(lambda: legacy.calls)
        legacy.calls[0].cancel()
        await settle(lambda: desk.records)
        shadow.offer(desk.asked())
        await settle(lambda: len(legacy.calls) == 2)
    assert desk.outcomes() == {"crashed": 1, "closing": 1}


async def test_a_ledger_that_fails_does_not_stop_the_shadow() -> None:
    def refuse(_: object) -> None:
        raise OSError("the disk is full")

    desk = stage(Prompt(), record=refuse)
    async with desk.shadow as shadow:
        for _ in range(3):
            shadow.offer(desk.asked())
        await settle(lambda: desk.status().compared == 3)
    assert desk.log[0]["event"] == "comparison not recorded"


async def test_a_legacy_that_cannot_say_who_it_is_harms_neither_caller_nor_others() -> None:
    desk = stage(Unsteady(name="ghost"), Prompt())
    async with desk.shadow as shadow:
        shadow.offer(desk.asked())
        assert set(await shadow.answers(desk.asked(), WAIT_S)) == {"ghost", "old"}
    assert desk.outcomes() == {"compared": 2}
    assert desk.outcomes("ghost") == Counter()


async def test_the_log_says_when_a_legacy_begins_to_fail_and_when_it_answers_again() -> None:
    legacy = Prompt(LegacyFailedError("timeout", "secret text"))
    desk = stage(legacy)
    async with desk.shadow as shadow:
        for _ in range(5):
            shadow.offer(desk.asked())
        await settle(lambda: desk.outcomes().total() == 5)
        legacy.answer = AGREES
        desk.clock.now_s += 61.0
        for _ in range(2):
            shadow.offer(desk.asked())
        await settle(lambda: desk.outcomes().total() == 7)
    assert [line["event"] for line in desk.log] == ["legacy fails", "legacy answers again"]
    assert "secret text" not in desk.stream.getvalue()


async def test_the_circuit_is_in_the_metrics_and_in_the_status() -> None:
    legacy = Prompt(CircuitOpenError("open"))
    legacy.circuit = "open"
    desk = stage(legacy)
    async with desk.shadow as shadow:
        shadow.offer(desk.asked())
        await settle(lambda: desk.records)
        assert shadow.status().legacies["old"].circuit == "open"
        assert desk.sample("harbor_legacy_circuit_open", legacy="old") == 1
    assert desk.records[0].seconds is None
