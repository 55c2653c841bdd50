"""The eight batcher invariants of the design, one test each, named as the sentence."""

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

from service.contract.tokens import IntArray, Tokens
from service.engine.batcher import Batcher, Limits
from service.engine.cost import CostModel
from service.engine.engine import Engine
from service.engine.outputs import Outputs
from service.engine.session import Session
from service.errors import Closing, DeadlineExceeded, InferenceFailed, Overloaded
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
from tests.tiny_bundle import DEFAULT_TASKS, GRAPH, write_bundle

FAR_S = 1e12


def _soon() -> float:
    return time.monotonic() + 60.0


def _raise(_: IntArray) -> Outputs:
    raise RuntimeError("the device fell over")


def _short(ids_BL: IntArray) -> Outputs:
    return scoped_answer(ids_BL[1:])


def _wide(ids_BL: IntArray) -> Outputs:
    wide_BC = np.full((len(ids_BL), 3), 0.3, dtype=np.float32)
    return Outputs({TASK.name: wide_BC}, scoped_answer(ids_BL).scope_B)


def _missing(ids_BL: IntArray) -> Outputs:
    return Outputs({}, scoped_answer(ids_BL).scope_B)


def _not_a_number(ids_BL: IntArray) -> Outputs:
    wrong_BC = np.full((len(ids_BL), 2), np.nan, dtype=np.float32)
    return Outputs({TASK.name: wrong_BC}, scoped_answer(ids_BL).scope_B)


def _short_scope(ids_BL: IntArray) -> Outputs:
    return Outputs(answer(ids_BL).probabilities, scoped_answer(ids_BL[1:]).scope_B)


def _wide_scope(ids_BL: IntArray) -> Outputs:
    return Outputs(answer(ids_BL).probabilities, np.zeros((len(ids_BL), 1), dtype=np.float32))


def _infinite_scope(ids_BL: IntArray) -> Outputs:
    return Outputs(answer(ids_BL).probabilities, np.full(len(ids_BL), np.inf, dtype=np.float32))


# `answer` itself is a fault where the graph should give a scope score, too.
FAULTS = (_raise, _short, _wide, _missing, _not_a_number)
SCOPE_FAULTS = (answer, _short_scope, _wide_scope, _infinite_scope)


async def test_the_device_is_never_idle_while_a_ticket_waits() -> None:
    gate, clock = Gate(), Clock()
    # The clock stands still: nothing here can depend on a window of time.
    async with Engine([gate, gate], 0, Limits(), clock=clock) as engine:
        lone = asyncio.create_task(engine.submit(ticket(5, 1), FAR_S))
        await gate.entered()
        second = asyncio.create_task(engine.submit(ticket(5, 2), FAR_S))
        await gate.entered()
        third = asyncio.create_task(engine.submit(ticket(5, 3), FAR_S))
        gate.let_pass()
        await gate.entered()
        assert engine.depth == 0
        assert gate.calls == [[1], [2], [3]]
        gate.let_pass(2)
        await asyncio.gather(lone, second, third)


def test_a_batch_respects_a_token_budget_not_only_a_count() -> None:
    limits = Limits(max_batch=50, budget_tokens=100)
    batcher: Batcher[None] = Batcher(limits, CostModel())
    for length in np.random.default_rng(0).integers(2, 130, size=200):
        batcher.add(ticket(int(length)), FAR_S, 1.0, None)
    sizes = []
    while (batch := batcher.poll()) is not None:
        sizes.append(len(batch.entries))
        assert len(batch.entries) * batch.length <= limits.budget_tokens or sizes[-1] == 1
    assert sum(sizes) == 200
    assert max(sizes) > 1


@pytest.mark.parametrize(("length", "weight"), [(60, 1.0), (5, 0.1)], ids=["long", "bulk"])
def test_tickets_of_like_length_share_a_batch_and_no_ticket_starves(
    length: int, weight: float
) -> None:
    clock = Clock()
    batcher: Batcher[str] = Batcher(Limits(max_batch=8), CostModel(), clock=clock)
    odd = batcher.add(ticket(length), FAR_S, weight, "odd")
    for _ in range(500):
        while len(batcher) < 33:
            batcher.add(ticket(5), FAR_S, 1.0, "flood")
        batch = batcher.poll()
        assert batch is not None
        assert len({len(entry.tokens) for entry in batch.entries}) == 1
        if odd in batch.entries:
            return
        clock.now_s += 0.02
    pytest.fail("the ticket was passed over 500 times")


async def test_a_full_queue_refuses_at_once_with_the_predicted_wait() -> None:
    gate, clock = Gate(), Clock()
    async with Engine([gate], 0, Limits(max_queue=3), clock=clock) as engine:
        tasks = [asyncio.create_task(engine.submit(ticket(5, 1), FAR_S))]
        await gate.entered()
        tasks += [asyncio.create_task(engine.submit(ticket(40, n), FAR_S)) for n in (2, 3, 4)]
        await asyncio.sleep(0)
        assert engine.depth == 3
        # The gate is shut and the clock stands: only an immediate refusal can come out of this.
        with pytest.raises(Overloaded) as refusal:
            await engine.submit(ticket(5, 9), FAR_S)
        assert refusal.value.retry_after_s == pytest.approx(engine.predicted_wait_s)
        assert refusal.value.retry_after_s > 0
        gate.let_pass(4)
        await asyncio.gather(*tasks)
    assert all(9 not in call for call in gate.calls)


async def test_a_ticket_whose_caller_left_or_whose_deadline_passed_is_not_run() -> None:
    gate = Gate()
    async with Engine([gate], 0, Limits(max_batch=1)) as engine:
        first = asyncio.create_task(engine.submit(ticket(5, 1), _soon()))
        await gate.entered()
        left = asyncio.create_task(engine.submit(ticket(5, 2), _soon()))
        last = asyncio.create_task(engine.submit(ticket(5, 3), _soon()))
        # Nobody takes a batch meanwhile: the deadline itself ends the wait.
        with pytest.raises(DeadlineExceeded):
            await engine.submit(ticket(5, 4), time.monotonic() + 0.01)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        assert engine.depth == 1
        gate.let_pass(2)
        await asyncio.gather(first, last)
    assert gate.calls == [[1], [3]]


async def test_a_failed_or_short_result_reaches_every_caller_and_the_engine_lives_on() -> None:
    for act in (*FAULTS, *SCOPE_FAULTS):
        gate = Gate()
        session = Script(gate.pass_ids, act, scoped_answer, has_scope=True)
        async with Engine([session], 0, Limits(), cost=FlatCost()) as engine:
            first = asyncio.create_task(engine.submit(ticket(5, 1), _soon()))
            await gate.entered()
            batch = [asyncio.create_task(engine.submit(ticket(5, n), _soon())) for n in (2, 3, 4)]
            await asyncio.sleep(0)
            gate.let_pass()
            await first
            results = await asyncio.gather(*batch, return_exceptions=True)
            assert [type(result) for result in results] == [InferenceFailed] * 3, act.__name__
            again = await engine.submit(ticket(5, 7), _soon())
            np.testing.assert_array_equal(again.probabilities[TASK.name], expected(7))


async def test_closing_answers_what_is_queued_then_refuses() -> None:
    gate = Gate()
    engine = await Engine([gate], 0, Limits(max_batch=1)).__aenter__()
    tasks = [asyncio.create_task(engine.submit(ticket(5, n), _soon())) for n in (1, 2, 3)]
    await gate.entered()
    closing = asyncio.create_task(engine.__aexit__(None, None, None))
    await asyncio.sleep(0)
    with pytest.raises(Closing):
        await engine.submit(ticket(5, 4), _soon())
    gate.let_pass(3)
    answers = await asyncio.gather(*tasks)
    await closing
    for mark, got in zip((1, 2, 3), answers, strict=True):
        np.testing.assert_array_equal(got.probabilities[TASK.name], expected(mark))


async def test_batched_equals_alone(tmp_path: Path) -> None:
    graph = write_bundle(tmp_path / "bundle") / GRAPH
    session = Session.open(graph, DEFAULT_TASKS, "cpu", threads=1)
    random = np.random.default_rng(3)
    tickets = [
        Tokens(random.integers(1, 200, size=size, dtype=np.int64), truncated=False)
        for size in random.integers(2, 64, size=80)
    ]
    async with Engine([session], 0, Limits(), cost=FlatCost()) as engine:
        alone = [await engine.submit(tokens, _soon()) for tokens in tickets]
        together = await asyncio.gather(*(engine.submit(tokens, _soon()) for tokens in tickets))
    assert {answer.batch_tickets for answer in alone} == {1}
    assert max(answer.batch_tickets for answer in together) > 4
    for one, many in zip(alone, together, strict=True):
        for task in DEFAULT_TASKS:
            np.testing.assert_allclose(
                many.probabilities[task.name], one.probabilities[task.name], atol=1e-6
            )
