"""Equal tickets under way are computed once, and every caller is still served on its own terms."""

import asyncio
import time
import weakref

import numpy as np
import pytest

from service.contract.tokens import IntArray
from service.engine.answer import Answer, BatchReport, Priority
from service.engine.batcher import Limits
from service.engine.engine import Engine
from service.engine.outputs import Outputs
from service.errors import Closing, DeadlineExceeded, InferenceFailed, Overloaded
from tests.service.engine.sessions import (
    TASK,
    Clock,
    Gate,
    Script,
    expected,
    scoped_answer,
    ticket,
)

FAR_S = 1e12
ONE_BY_ONE = Limits(max_batch=1)


def _soon() -> float:
    return time.monotonic() + 60.0


def _ask(
    engine: Engine, mark: int, deadline: float | None = None, priority: Priority = "live"
) -> asyncio.Task[Answer]:
    return asyncio.create_task(
        engine.submit(ticket(5, mark), _soon() if deadline is None else deadline, priority)
    )


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_equal_tickets_under_way_are_computed_once_whether_they_wait_or_run() -> None:
    gate = Gate()
    reports: list[BatchReport] = []
    async with Engine([gate], 0, ONE_BY_ONE, on_batch=reports.append) as engine:
        running = [_ask(engine, 1)]
        await gate.entered()
        running.append(_ask(engine, 1))
        waiting = [_ask(engine, 2) for _ in range(3)]
        await _settle()
        assert engine.depth == 1
        gate.let_pass(2)
        for got in await asyncio.gather(*running):
            np.testing.assert_array_equal(got.probabilities[TASK.name], expected(1))
        for got in await asyncio.gather(*waiting):
            np.testing.assert_array_equal(got.probabilities[TASK.name], expected(2))
    assert gate.calls == [[1], [2]]
    assert [(report.tickets, report.shared) for report in reports] == [(1, 1), (1, 2)]


async def test_a_ticket_that_was_answered_is_computed_anew() -> None:
    gate = Gate()
    async with Engine([gate], 0, ONE_BY_ONE) as engine:
        gate.let_pass(2)
        await _ask(engine, 1)
        await _ask(engine, 1)
        assert len(engine._twins) == 0
    assert gate.calls == [[1], [1]]


async def test_tickets_of_one_length_that_differ_in_one_token_are_no_twins() -> None:
    gate = Gate()
    async with Engine([gate], 0, ONE_BY_ONE) as engine:
        one, other = ticket(5, 1), ticket(5, 1)
        other.ids[-1] = 2
        gate.let_pass(2)
        await asyncio.gather(engine.submit(one, _soon()), engine.submit(other, _soon()))
    assert len(gate.calls) == 2


async def test_each_caller_waited_for_as_long_as_it_was_there_itself() -> None:
    gate, clock = Gate(), Clock()
    async with Engine([gate], 0, ONE_BY_ONE, clock=clock) as engine:
        first = _ask(engine, 1, FAR_S)
        await gate.entered()
        early = _ask(engine, 2, FAR_S)
        await _settle()
        clock.now_s += 1.0
        late = _ask(engine, 2, FAR_S)
        await _settle()
        clock.now_s += 0.5
        gate.let_pass()
        await gate.entered()
        clock.now_s += 2.0
        running = _ask(engine, 2, FAR_S)
        await _settle()
        gate.let_pass()
        answers = await asyncio.gather(first, early, late, running)
    assert [got.queue_s for got in answers] == [0.0, 1.5, 0.5, 0.0]


@pytest.mark.parametrize("leaver", [0, 1, 2])
async def test_a_caller_who_leaves_takes_nothing_from_the_others(leaver: int) -> None:
    gate = Gate()
    reports: list[BatchReport] = []
    async with Engine([gate], 0, ONE_BY_ONE, on_batch=reports.append) as engine:
        first = _ask(engine, 1)
        await gate.entered()
        twins = [_ask(engine, 2) for _ in range(3)]
        await _settle()
        twins[leaver].cancel()
        await _settle()
        assert engine.depth == 1
        gate.let_pass(2)
        results = await asyncio.gather(first, *twins, return_exceptions=True)
    kinds = [type(result) for result in results[1:]]
    assert kinds.count(Answer) == 2
    assert kinds[leaver] is asyncio.CancelledError
    assert sum(report.abandoned for report in reports) == 0
    assert sum(report.shared for report in reports) == 1


async def test_the_ticket_leaves_the_queue_with_its_last_caller() -> None:
    gate = Gate()
    reports: list[BatchReport] = []
    async with Engine([gate], 0, ONE_BY_ONE, on_batch=reports.append) as engine:
        first = _ask(engine, 1)
        await gate.entered()
        twins = [_ask(engine, 2) for _ in range(2)]
        await _settle()
        for task in twins:
            assert engine.depth == 1
            task.cancel()
            await _settle()
        assert engine.depth == 0
        # Whoever comes now is no twin of what was given up.
        again = _ask(engine, 2)
        await _settle()
        gate.let_pass(2)
        await asyncio.gather(first, again)
        assert len(engine._twins) == 0
    assert gate.calls == [[1], [2]]
    assert sum(report.abandoned for report in reports) == 1


async def test_nobody_joins_a_ticket_that_runs_for_nobody() -> None:
    gate = Gate()
    async with Engine([gate], 0, ONE_BY_ONE) as engine:
        left = _ask(engine, 1)
        await gate.entered()
        left.cancel()
        await _settle()
        again = _ask(engine, 1)
        await _settle()
        assert engine.depth == 1
        gate.let_pass(2)
        await again
    assert gate.calls == [[1], [1]]


async def test_nobody_joins_a_ticket_whose_last_caller_is_about_to_leave() -> None:
    gate = Gate()
    async with Engine([gate], 0, ONE_BY_ONE) as engine:
        first = _ask(engine, 1)
        await gate.entered()
        left = _ask(engine, 2)
        await _settle()
        # Cancelled, but not yet woken to hear of it: a worker would pass its ticket over now.
        again = _ask(engine, 2)
        left.cancel()
        await _settle()
        gate.let_pass(2)
        await asyncio.gather(first, again)
        assert left.cancelled()
        assert (engine.depth, len(engine._twins)) == (0, 0)
    assert gate.calls == [[1], [2]]


@pytest.mark.parametrize("order", [(0.02, 60.0), (60.0, 0.02)])
async def test_each_caller_keeps_its_own_deadline_and_the_latest_counts_for_the_ticket(
    order: tuple[float, float],
) -> None:
    gate = Gate()
    reports: list[BatchReport] = []
    async with Engine([gate], 0, ONE_BY_ONE, on_batch=reports.append) as engine:
        first = _ask(engine, 1)
        await gate.entered()
        now = time.monotonic()
        twins = [_ask(engine, 2, now + left_s) for left_s in order]
        hasty, patient = twins if order[0] < order[1] else reversed(twins)
        with pytest.raises(DeadlineExceeded):
            await hasty
        assert engine.depth == 1
        gate.let_pass(2)
        await asyncio.gather(first, patient)
    assert gate.calls == [[1], [2]]
    assert sum(report.expired for report in reports) == 0


async def test_where_every_deadline_passes_the_ticket_is_not_run() -> None:
    gate = Gate()
    reports: list[BatchReport] = []
    async with Engine([gate], 0, ONE_BY_ONE, on_batch=reports.append) as engine:
        first = _ask(engine, 1)
        await gate.entered()
        now = time.monotonic()
        twins = [_ask(engine, 2, now + left_s) for left_s in (0.01, 0.02, 0.03)]
        results = await asyncio.gather(*twins, return_exceptions=True)
        assert [type(result) for result in results] == [DeadlineExceeded] * 3
        assert engine.depth == 0
        gate.let_pass()
        await first
    assert gate.calls == [[1]]
    assert sum(report.expired for report in reports) == 1


async def test_a_ticket_found_too_late_by_a_worker_tells_every_caller() -> None:
    gate, clock = Gate(), Clock()
    async with Engine([gate], 0, ONE_BY_ONE, clock=clock) as engine:
        first = _ask(engine, 1, FAR_S)
        await gate.entered()
        twins = [_ask(engine, 2, clock.now_s + 30.0 + n) for n in range(2)]
        await _settle()
        clock.now_s += 40.0
        gate.let_pass()
        results = await asyncio.gather(first, *twins, return_exceptions=True)
        assert [type(result) for result in results[1:]] == [DeadlineExceeded] * 2
        assert len(engine._twins) == 0
    assert gate.calls == [[1]]


async def test_a_live_twin_makes_a_bulk_ticket_live() -> None:
    gate, clock = Gate(), Clock()
    async with Engine([gate], 0, ONE_BY_ONE, clock=clock) as engine:
        tasks = [_ask(engine, 1, FAR_S)]
        await gate.entered()
        tasks += [_ask(engine, mark, FAR_S, "bulk") for mark in (2, 3, 4)]
        await _settle()
        clock.now_s += 0.001
        tasks.append(_ask(engine, 4, FAR_S, "live"))
        await _settle()
        assert engine.depth == 3
        gate.let_pass(4)
        await asyncio.gather(*tasks)
    assert gate.calls[:2] == [[1], [4]]
    assert len(gate.calls) == 4


async def test_a_failed_batch_fails_every_twin() -> None:
    gate = Gate()

    def fail(ids_BL: IntArray) -> Outputs:
        gate.pass_ids(ids_BL)
        raise InferenceFailed("the graph failed: out of memory")

    async with Engine([Script(fail, scoped_answer)], 0, ONE_BY_ONE) as engine:
        twins = [_ask(engine, 1)]
        await gate.entered()
        twins += [_ask(engine, 1), _ask(engine, 1)]
        await _settle()
        gate.let_pass()
        results = await asyncio.gather(*twins, return_exceptions=True)
        assert [type(result) for result in results] == [InferenceFailed] * 3
        assert (await _ask(engine, 1)).batch_tickets == 1


async def test_a_full_queue_counts_what_is_computed_and_still_takes_a_twin() -> None:
    gate = Gate()
    limits = Limits(max_batch=1, max_queue=2)
    async with Engine([gate], 0, limits) as engine:
        tasks = [_ask(engine, 1)]
        await gate.entered()
        tasks += [_ask(engine, mark) for mark in (2, 3, 2, 3, 2)]
        await _settle()
        assert engine.depth == 2
        with pytest.raises(Overloaded):
            await _ask(engine, 4)
        assert len(engine._twins) == 3
        gate.let_pass(3)
        await asyncio.gather(*tasks)


async def test_a_twin_that_comes_while_the_engine_closes_is_refused() -> None:
    gate = Gate()
    engine = await Engine([gate], 0, ONE_BY_ONE).__aenter__()
    first = _ask(engine, 1)
    await gate.entered()
    closing = asyncio.create_task(engine.__aexit__(None, None, None))
    await _settle()
    with pytest.raises(Closing):
        await _ask(engine, 1)
    gate.let_pass()
    await asyncio.gather(first, closing)


async def test_what_the_drain_time_does_not_reach_is_told_to_every_twin() -> None:
    gate = Gate()
    engine = await Engine([gate], 0, Limits(max_batch=1, drain_s=0.01)).__aenter__()
    tasks = [_ask(engine, mark) for mark in (1, 2, 1, 2)]
    await gate.entered()
    await engine.__aexit__(None, None, None)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [Closing] * 4
    gate.let_pass(2)
    await engine._stopped.wait()


async def test_nothing_of_a_ticket_is_kept_once_it_is_answered() -> None:
    async with Engine([Script(scoped_answer, has_scope=True)], 0, Limits()) as engine:
        tokens = ticket(5, 1)
        kept = weakref.ref(tokens.ids)
        await asyncio.gather(*(engine.submit(tokens, _soon()) for _ in range(3)))
        assert len(engine._twins) == 0
        del tokens
        # The worker still holds its last batch until it has the next one.
        await engine.submit(ticket(6, 2), _soon())
        await engine.submit(ticket(7, 3), _soon())
        assert kept() is None


async def test_a_thousand_random_callers_are_all_served_and_nothing_is_left() -> None:
    random = np.random.default_rng(7)
    limits = Limits(max_queue=2000)
    async with Engine([Script(scoped_answer), Script(scoped_answer)], 0, limits) as engine:

        async def call(mark: int, left_s: float, leaves: bool) -> object:
            task = _ask(engine, mark, time.monotonic() + left_s)
            await asyncio.sleep(0)
            if leaves:
                task.cancel()
            (result,) = await asyncio.gather(task, return_exceptions=True)
            if isinstance(result, Answer):
                np.testing.assert_array_equal(result.probabilities[TASK.name], expected(mark))
            return result

        results = await asyncio.gather(
            *(
                call(
                    int(random.integers(1, 40)), float(random.choice([0.0005, 30.0])), bool(leaves)
                )
                for leaves in random.random(1000) < 0.2
            )
        )
        assert {type(result) for result in results} <= {
            Answer,
            DeadlineExceeded,
            asyncio.CancelledError,
        }
        assert sum(isinstance(result, Answer) for result in results) > 300
        assert (engine.depth, len(engine._twins)) == (0, 0)
