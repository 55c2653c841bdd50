"""Tickets end to end through batcher, engine and a real ragged graph."""

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

from service.contract.promises import Scope
from service.contract.tokens import Tokens, pad
from service.engine.answer import BatchReport
from service.engine.batcher import Batcher, Limits
from service.engine.cost import CostModel
from service.engine.engine import Engine
from service.engine.layout import Flat
from service.engine.session import Session
from service.errors import InferenceFailed
from tests.service.engine.sessions import Clock, FlatCost, ticket
from tests.tiny_bundle import DEFAULT_TASKS, GRAPH, write_bundle
from tests.tiny_ragged import RAGGED_GRAPH, add_ragged

FAR_S = 1e12
SCOPE = Scope(method="mahalanobis", threshold=40.0, kept=0.99, tickets=100)


def _soon() -> float:
    return time.monotonic() + 60.0


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "offsets"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = write_bundle(tmp_path_factory.mktemp("bundles") / "bundle", scope=SCOPE)
    return add_ragged(directory, has_offsets=request.param)


@pytest.fixture(scope="module")
def ragged(bundle: Path) -> Session:
    return Session.open(bundle / RAGGED_GRAPH, DEFAULT_TASKS, "cpu", threads=1)


def _tickets(count: int) -> list[Tokens]:
    random = np.random.default_rng(3)
    return [
        Tokens(random.integers(1, 200, size=size, dtype=np.int64), truncated=False)
        for size in random.integers(2, 64, size=count)
    ]


def test_a_ragged_graph_answers_as_the_padded_one(bundle: Path, ragged: Session) -> None:
    padded = Session.open(bundle / GRAPH, DEFAULT_TASKS, "cpu", threads=1)
    tickets = _tickets(20)
    one, other = padded.run(*pad(tickets, 0)), ragged.run_ragged(Flat.of(tickets))
    for name, rows in one.probabilities.items():
        np.testing.assert_allclose(other.probabilities[name], rows, atol=1e-6)
    assert one.scope_B is not None
    np.testing.assert_allclose(other.scope_B, one.scope_B, rtol=1e-5)
    other.check(DEFAULT_TASKS, 20, has_scope=True)


def test_a_ragged_graph_that_is_fed_a_padded_batch_fails(ragged: Session) -> None:
    with pytest.raises(InferenceFailed):
        ragged.run(*pad(_tickets(2), 0))


async def test_batched_equals_alone(ragged: Session) -> None:
    tickets = _tickets(80)
    limits = Limits(layout="ragged")
    async with Engine([ragged], 0, limits, cost=FlatCost()) as engine:
        alone = [await engine.submit(tokens, _soon()) for tokens in tickets]
        together = await asyncio.gather(*(engine.submit(tokens, _soon()) for tokens in tickets))
    assert {answer.batch_tickets for answer in alone} == {1}
    assert max(answer.batch_tickets for answer in together) > 4
    for one, many in zip(alone, together, strict=True):
        for task in DEFAULT_TASKS:
            np.testing.assert_allclose(
                many.probabilities[task.name], one.probabilities[task.name], atol=1e-6
            )


async def test_no_padding_is_reported_or_paid_for(ragged: Session) -> None:
    reports: list[BatchReport] = []
    limits = Limits(layout="ragged")
    async with Engine(
        [ragged], 0, limits, on_batch=reports.append, warm_up=[(4, 16), (1, 8)]
    ) as engine:
        answers = await asyncio.gather(
            *(engine.submit(tokens, _soon()) for tokens in _tickets(100))
        )
    assert sum(report.tickets for report in reports) == 100
    assert all(report.real_tokens == report.padded_tokens for report in reports)
    assert sum(report.real_tokens for report in reports) == sum(map(len, _tickets(100)))
    assert {answer.batch_tokens for answer in answers} == {report.real_tokens for report in reports}


def test_a_batch_respects_a_budget_of_real_tokens_not_only_a_count() -> None:
    limits = Limits(max_batch=50, budget_tokens=100, layout="ragged")
    batcher: Batcher[None] = Batcher(limits, FlatCost())
    for length in np.random.default_rng(0).integers(2, 130, size=200):
        batcher.add(ticket(int(length)), FAR_S, 1.0, None)
    counts = []
    while (batch := batcher.poll()) is not None:
        counts.append(len(batch.entries))
        assert sum(len(entry.tokens) for entry in batch.entries) <= 100 or counts[-1] == 1
    assert sum(counts) == 200
    assert max(counts) > 1


def test_tickets_of_unlike_length_share_a_batch() -> None:
    batcher: Batcher[None] = Batcher(Limits(layout="ragged"), FlatCost())
    for length in (3, 400, 7, 300, 5):
        batcher.add(ticket(length), FAR_S, 1.0, None)
    batch = batcher.poll()
    assert batch is not None
    assert sorted(len(entry.tokens) for entry in batch.entries) == [3, 5, 7, 300, 400]
    assert batch.released == "emptied"


def test_those_that_were_due_first_go_first_and_no_ticket_starves() -> None:
    clock = Clock()
    batcher: Batcher[str] = Batcher(Limits(max_batch=8, layout="ragged"), CostModel(), clock=clock)
    odd = batcher.add(ticket(500), FAR_S, 0.0, "odd")
    for _ in range(500):
        while len(batcher) < 33:
            batcher.add(ticket(5), FAR_S, 1.0, "flood")
        batch = batcher.poll()
        assert batch is not None
        if odd in batch.entries:
            return
        clock.now_s += 0.02
    pytest.fail("the ticket was passed over 500 times")


def test_the_cost_of_a_batch_is_that_of_its_real_tokens() -> None:
    cost = CostModel(fixed_s=0.01, kilotoken_s=0.001)
    batcher: Batcher[None] = Batcher(Limits(layout="ragged"), cost)
    for length in (10, 90, 500):
        batcher.add(ticket(length), FAR_S, 1.0, None)
    batch = batcher.poll()
    assert batch is not None
    assert batch.predicted_s == pytest.approx(0.01 + 0.6 * 0.001)


def test_a_batch_of_ragged_tickets_says_why_it_was_released() -> None:
    def released(lengths: list[int], limits: Limits, cost: CostModel) -> str:
        batcher: Batcher[None] = Batcher(limits, cost)
        for length in lengths:
            batcher.add(ticket(length), FAR_S, 1.0, None)
        batch = batcher.poll()
        assert batch is not None
        return batch.released

    assert released([5], Limits(layout="ragged"), FlatCost()) == "emptied"
    assert released([5, 90, 5], Limits(max_batch=2, layout="ragged"), FlatCost()) == "full"
    assert released([60, 60], Limits(budget_tokens=100, layout="ragged"), FlatCost()) == "full"
    # Attention over all tokens: a larger batch is worth less a second.
    steep = CostModel(fixed_s=1e-6, kilotoken_s=1e-6)
    steep._coefficients_F[:] = (0.0, 0.0, 0.0, 1.0)
    assert released([50, 50, 50], Limits(layout="ragged"), steep) == "best"
