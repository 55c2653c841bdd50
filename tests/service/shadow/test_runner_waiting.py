"""A caller who waits for the legacies, and a service that stops: nobody waits too long."""

import asyncio
from collections.abc import Mapping

import pytest

from service.contract.ticket import Ticket
from service.engine.leftover import Leftover
from service.shadow.lane import LONG_S
from service.shadow.legacy import LegacyFailedError, Said
from service.shadow.runner import MOST_WAITING, Shadow
from tests.service.shadow.legacies import (
    AGREES,
    Prompt,
    Puppet,
    Stubborn,
    settle,
    stage,
)

WAIT_S = 60.0


async def test_waiting_gives_every_legacys_answer_to_this_ticket() -> None:
    differs = {"category": Said("technical", 0.6)}
    desk = stage(Prompt(differs), Prompt(LegacyFailedError("timeout"), name="ill"), sample=1e-9)
    async with desk.shadow as shadow:
        standing = await shadow.answers(desk.asked(), WAIT_S)
    old, ill = standing["old"], standing["ill"]
    answer = old["category"].answer
    assert answer is not None
    assert (answer.outcome, answer.label, answer.agrees) == ("compared", "technical", False)
    assert answer.confidence == 0.6
    assert old["category"].disagreement.n == 1
    assert old["queue"].answer is not None
    assert (old["queue"].answer.outcome, old["queue"].answer.reason) == ("failed", "missing")
    assert ill["queue"].answer is not None
    assert (ill["queue"].answer.reason, ill["queue"].answer.agrees) == ("timeout", None)


async def test_an_answer_that_is_not_there_in_time_is_late_and_counted_when_it_comes() -> None:
    legacy = Puppet()
    desk = stage(legacy)
    async with desk.shadow as shadow:
        standing = await shadow.answers(desk.asked(), 0.0)
        assert standing["old"]["queue"].answer is not None
        assert standing["old"]["queue"].answer.outcome == "late"
        await settle(lambda: legacy.calls)
        legacy.calls[0].set_result(AGREES)
        await settle(lambda: desk.records)
    assert desk.outcomes() == {"compared": 1}


async def test_a_caller_who_waits_goes_ahead_of_a_full_queue() -> None:
    legacy = Puppet()
    desk = stage(legacy, queue=2)
    async with desk.shadow as shadow:
        shadow.offer(desk.asked(ticket_id="first"))
        await settle(lambda: legacy.calls)
        for _ in range(2):
            shadow.offer(desk.asked(ticket_id="patient"))
        waiting = asyncio.create_task(shadow.answers(desk.asked(ticket_id="urgent"), WAIT_S))
        await settle(lambda: shadow._lanes["old"].pending == 4)
        legacy.calls[0].set_result(AGREES)
        await settle(lambda: len(legacy.calls) == 2)
        legacy.calls[1].set_result(AGREES)
        await waiting
    assert [ticket.ticket_id for ticket in legacy.tickets][:2] == ["first", "urgent"]


async def test_beyond_the_most_who_wait_a_caller_is_answered_at_once_and_counted_later() -> None:
    legacy = Puppet()
    desk = stage(legacy)
    async with desk.shadow as shadow:
        waiting = [
            asyncio.create_task(shadow.answers(desk.asked(ticket_id=f"{number}"), WAIT_S))
            for number in range(MOST_WAITING)
        ]
        await settle(lambda: desk.status().pending == MOST_WAITING)
        shadow.offer(desk.asked(ticket_id="patient"))
        standing = await shadow.answers(desk.asked(ticket_id="one too many"), WAIT_S)
        answer = standing["old"]["queue"].answer
        assert answer is not None
        assert (answer.outcome, answer.label) == ("late", None)
        for number in range(MOST_WAITING + 2):
            await settle(lambda number=number: len(legacy.calls) > number)
            legacy.calls[number].set_result(AGREES)
        await asyncio.gather(*waiting)
        await settle(lambda: desk.status().pending == 0)
        again = asyncio.create_task(shadow.answers(desk.asked(), WAIT_S))
        await settle(lambda: legacy.unanswered)
        legacy.unanswered[0].set_result(AGREES)
        told = (await again)["old"]["queue"].answer
    assert [ticket.ticket_id for ticket in legacy.tickets][-3:-1] == ["patient", "one too many"]
    assert told is not None
    assert told.outcome == "compared"
    assert desk.outcomes() == {"compared": MOST_WAITING + 3}


async def test_a_caller_who_leaves_while_waiting_changes_nothing_for_the_books() -> None:
    legacy = Puppet()
    desk = stage(legacy)
    async with desk.shadow as shadow:
        waiting = asyncio.create_task(shadow.answers(desk.asked(), WAIT_S))
        await settle(lambda: legacy.calls)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        legacy.calls[0].set_result(AGREES)
        await settle(lambda: desk.records)
    assert desk.outcomes() == {"compared": 1}


async def test_a_server_that_is_never_quiet_starves_no_legacy() -> None:
    leftover = Leftover(2)
    desk = stage(Prompt(), spare=leftover.spare)
    with leftover.busy():
        async with desk.shadow as shadow, asyncio.timeout(30.0):
            for _ in range(2):
                shadow.offer(desk.asked())
            await settle(lambda: desk.status().pending == 0)
    assert desk.outcomes() == {"compared": 2}


async def test_a_ticket_that_has_waited_long_waits_for_no_quiet_moment_besides() -> None:
    async def never() -> None:
        raise AssertionError("waited for a quiet moment")

    desk = stage(Prompt(), spare=never)
    async with desk.shadow as shadow:
        shadow.offer(desk.asked())
        desk.clock.now_s += LONG_S
        await settle(lambda: desk.status().pending == 0)
        shadow.offer(desk.asked())
        await settle(lambda: desk.status().pending == 0)
    assert desk.outcomes() == {"compared": 1, "crashed": 1}


async def test_closing_drops_what_waits_and_what_is_being_asked() -> None:
    legacy = Puppet()
    desk = stage(legacy)
    async with desk.shadow as shadow:
        assert legacy.is_open
        for _ in range(3):
            shadow.offer(desk.asked())
        waiting = asyncio.create_task(shadow.answers(desk.asked(), WAIT_S))
        await settle(lambda: legacy.calls)
    answers = await waiting
    assert answers["old"]["queue"].answer is not None
    assert answers["old"]["queue"].answer.reason == "closing"
    assert desk.outcomes() == {"closing": 4}
    assert legacy.calls[0].cancelled()
    assert not legacy.is_open
    desk.shadow.offer(desk.asked())
    assert desk.outcomes() == {"closing": 5}
    assert desk.status().pending == 0


async def test_an_answer_that_comes_after_the_close_counts_no_more() -> None:
    legacy = Stubborn()
    desk = stage(legacy)
    async with desk.shadow as shadow:
        shadow.offer(desk.asked())
        await settle(lambda: legacy.calls)
    assert desk.outcomes() == {"closing": 1}


@pytest.mark.slow
async def test_a_legacy_that_does_not_heed_its_cancellation_cannot_hold_up_the_stop() -> None:
    class Deaf(Puppet):
        async def ask(self, ticket: Ticket) -> Mapping[str, Said]:
            self.tickets.append(ticket)
            self.calls.append(asyncio.get_running_loop().create_future())
            while not self.calls[0].done():
                try:
                    await asyncio.shield(self.calls[0])
                except asyncio.CancelledError:
                    continue
            return AGREES

    legacy = Deaf()
    desk = stage(legacy)
    async with desk.shadow as shadow:
        shadow.offer(desk.asked())
        await settle(lambda: legacy.calls)
    assert desk.outcomes() == {"closing": 1}
    assert any(line["event"] == "legacy does not stop" for line in desk.log)
    legacy.calls[0].set_result(None)
    await settle(lambda: all(worker.done() for worker in desk.shadow._lanes["old"]._workers))


async def test_a_legacy_that_cannot_be_opened_closes_those_that_could() -> None:
    class Broken(Puppet):
        async def __aenter__(self) -> "Broken":
            raise RuntimeError("no")

    first = Puppet(name="first")
    shadow: Shadow = stage(first, Broken()).shadow
    with pytest.raises(RuntimeError, match="no"):
        await shadow.__aenter__()
    assert not first.is_open
