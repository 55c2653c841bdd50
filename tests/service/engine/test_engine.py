"""What a caller of the engine sees: answers, reports, refusals, and how it ends."""

import asyncio
import logging
import time

import numpy as np
import pytest

from service.contract.tokens import IntArray
from service.engine.answer import BatchReport
from service.engine.batcher import Limits
from service.engine.engine import Engine
from service.engine.outputs import Outputs
from service.errors import Closing, DeadlineExceeded, InferenceFailed
from tests.service.engine.sessions import (
    TASK,
    Clock,
    FlatCost,
    Gate,
    Script,
    answer,
    expected,
    scoped_answer,
    ticket,
)

FAR_S = 1e12


def _soon() -> float:
    return time.monotonic() + 60.0


async def test_every_ticket_gets_its_own_answer() -> None:
    async with Engine([Script(answer), Script(answer)], 0, Limits()) as engine:
        answers = await asyncio.gather(
            *(engine.submit(ticket(2 + mark % 30, mark), _soon()) for mark in range(300))
        )
    for mark, got in enumerate(answers):
        np.testing.assert_array_equal(got.probabilities[TASK.name], expected(mark))


async def test_every_ticket_gets_its_own_scope_score_or_none_where_the_graph_has_none() -> None:
    sessions = [Script(scoped_answer, has_scope=True), Script(scoped_answer, has_scope=True)]
    async with Engine(sessions, 0, Limits()) as engine:
        answers = await asyncio.gather(
            *(engine.submit(ticket(2 + mark % 7, mark), _soon()) for mark in range(40))
        )
    assert [got.scope for got in answers] == [float(mark) for mark in range(40)]
    assert all(type(got.scope) is float for got in answers)
    async with Engine([Script(answer)], 0, Limits()) as engine:
        assert (await engine.submit(ticket(5), _soon())).scope is None


async def test_an_answer_says_how_long_it_waited_and_in_which_batch() -> None:
    gate, clock = Gate(), Clock()
    async with Engine([gate], 0, Limits(), cost=FlatCost(), clock=clock) as engine:
        first = asyncio.create_task(engine.submit(ticket(5), FAR_S))
        await gate.entered()
        pair = [asyncio.create_task(engine.submit(ticket(size), FAR_S)) for size in (7, 9)]
        await asyncio.sleep(0)
        clock.now_s += 1.5
        gate.let_pass(2)
        await first
        for got in await asyncio.gather(*pair):
            assert (got.queue_s, got.batch_tickets, got.batch_tokens) == (1.5, 2, 18)
            assert got.infer_s > 0


async def test_reports_count_what_ran_and_what_did_not() -> None:
    gate = Gate()
    reports: list[BatchReport] = []
    async with Engine([gate], 0, Limits(), on_batch=reports.append, cost=FlatCost()) as engine:
        first = asyncio.create_task(engine.submit(ticket(5, 1), _soon()))
        await gate.entered()
        left = asyncio.create_task(engine.submit(ticket(5, 2), _soon()))
        late = asyncio.create_task(engine.submit(ticket(5, 3), time.monotonic() + 0.01))
        kept = [asyncio.create_task(engine.submit(ticket(size), _soon())) for size in (6, 8)]
        with pytest.raises(DeadlineExceeded):
            await late
        left.cancel()
        gate.let_pass(2)
        await asyncio.gather(first, *kept, left, return_exceptions=True)
    assert sum(report.tickets for report in reports) == 3
    assert sum(report.expired for report in reports) == 1
    assert sum(report.abandoned for report in reports) == 1
    assert (reports[-1].real_tokens, reports[-1].padded_tokens) == (14, 16)
    assert reports[-1].predicted_s > 0


async def test_a_failed_batch_is_reported_with_its_tickets() -> None:
    def fail(_: IntArray) -> Outputs:
        raise InferenceFailed("the graph failed: out of memory")

    reports: list[BatchReport] = []
    async with Engine([Script(fail)], 0, Limits(), on_batch=reports.append) as engine:
        with pytest.raises(InferenceFailed, match="out of memory"):
            await engine.submit(ticket(5), _soon())
    assert [(report.tickets, report.failed) for report in reports] == [(1, 1)]


async def test_a_deadline_that_has_passed_already_is_refused_without_queueing() -> None:
    reports: list[BatchReport] = []
    async with Engine([Script(answer)], 0, Limits(), on_batch=reports.append) as engine:
        with pytest.raises(DeadlineExceeded):
            await engine.submit(ticket(5), time.monotonic() - 1.0)
    assert reports == [BatchReport(expired=1)]


async def test_a_deadline_that_passes_during_the_run_ends_the_wait() -> None:
    gate = Gate()
    async with Engine([gate], 0, Limits()) as engine:
        running = asyncio.create_task(engine.submit(ticket(5), time.monotonic() + 0.05))
        await gate.entered()
        with pytest.raises(DeadlineExceeded):
            await running
        gate.let_pass()


async def test_a_flood_that_nobody_can_answer_in_time_is_refused_in_time_and_never_run() -> None:
    gate = Gate()
    reports: list[BatchReport] = []
    async with Engine([gate], 0, Limits(), on_batch=reports.append) as engine:
        first = asyncio.create_task(engine.submit(ticket(5, 1), _soon()))
        await gate.entered()
        deadline = time.monotonic() + 0.02
        # The gate is shut: nothing but their deadline can end these.
        flood = (engine.submit(ticket(2 + mark % 30, mark), deadline) for mark in range(2, 300))
        results = await asyncio.gather(*flood, return_exceptions=True)
        assert {type(result) for result in results} == {DeadlineExceeded}
        assert engine.depth == 0
        gate.let_pass()
        await first
    assert gate.calls == [[1]]
    assert sum(report.expired for report in reports) == 298


async def test_live_tickets_overtake_bulk_ones() -> None:
    gate = Gate()
    async with Engine([gate], 0, Limits(max_batch=1)) as engine:
        tasks = [asyncio.create_task(engine.submit(ticket(5, 1), _soon()))]
        await gate.entered()
        tasks.append(asyncio.create_task(engine.submit(ticket(5, 2), _soon(), "bulk")))
        tasks.append(asyncio.create_task(engine.submit(ticket(5, 3), _soon(), "live")))
        await asyncio.sleep(0)
        gate.let_pass(3)
        await asyncio.gather(*tasks)
    assert gate.calls == [[1], [3], [2]]


async def test_warm_up_runs_each_shape_on_each_session_before_the_first_ticket() -> None:
    shapes: list[tuple[int, ...]] = []

    def note(ids_BL: IntArray) -> Outputs:
        shapes.append(ids_BL.shape)
        return answer(ids_BL)

    sessions = [Script(note), Script(note)]
    async with Engine(sessions, 0, Limits(), warm_up=[(4, 32), (1, 8)]) as engine:
        assert shapes == [(4, 32), (1, 8)] * 2
        assert engine.alive


async def test_an_engine_that_fails_its_warm_up_does_not_open() -> None:
    engine = Engine([Script(lambda _: Outputs({}))], 0, Limits(), warm_up=[(1, 8)])
    with pytest.raises(InferenceFailed):
        await engine.__aenter__()
    assert not engine.alive


async def test_what_the_drain_time_does_not_reach_is_told_so() -> None:
    gate = Gate()
    engine = await Engine([gate], 0, Limits(max_batch=1, drain_s=0.01)).__aenter__()
    tasks = [asyncio.create_task(engine.submit(ticket(5, mark), _soon())) for mark in (1, 2)]
    await gate.entered()
    await engine.__aexit__(None, None, None)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [Closing, Closing]
    gate.let_pass(2)
    await engine._stopped.wait()
    assert gate.calls == [[1]]


async def test_a_worker_that_dies_is_seen_and_its_tickets_are_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def die(_: IntArray) -> Outputs:
        raise SystemExit

    with caplog.at_level(logging.ERROR):
        async with Engine([Script(die)], 0, Limits()) as engine:
            assert engine.alive
            with pytest.raises(InferenceFailed):
                await engine.submit(ticket(5), _soon())
            assert not engine.alive
            with pytest.raises(InferenceFailed, match="no worker"):
                await engine.submit(ticket(5), _soon())
    assert "an engine worker died" in caplog.text


async def test_the_depth_is_what_waits_not_what_runs() -> None:
    gate = Gate()
    async with Engine([gate], 0, Limits(), cost=FlatCost()) as engine:
        tasks = [asyncio.create_task(engine.submit(ticket(5, 1), _soon()))]
        await gate.entered()
        tasks += [asyncio.create_task(engine.submit(ticket(5, n), _soon())) for n in (2, 3, 4)]
        await asyncio.sleep(0)
        assert engine.depth == 3
        gate.let_pass(2)
        await asyncio.gather(*tasks)
        assert engine.depth == 0
