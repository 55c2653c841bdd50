"""A short line is looked through one by one, a long one as arrays: the same batch goes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.tokens import Tokens
from service.engine import choice
from service.engine.choice import Chooser, Limits, due_s
from service.engine.cost import CostModel
from service.engine.waiting import Entry, WaitingLine

TICKETS = st.lists(
    st.tuples(
        st.integers(1, 300),
        (st.floats(0.0, 0.5) | st.floats(0.0, 1e3)).map(lambda value: round(value, 3)),
        st.sampled_from([0.5, 1e6]),
    ),
    min_size=2,
    max_size=30,
)


def _cost() -> CostModel:
    cost = CostModel()
    for length in (20, 80, 200):
        for batch in (1, 4):
            cost.update(batch, length, 0.001 + 2e-5 * batch * length)
    return cost


def _line(tickets: list[tuple[int, float, float]], cost: CostModel) -> WaitingLine[None]:
    line: WaitingLine[None] = WaitingLine()
    for length, due, deadline in tickets:
        tokens = Tokens(np.zeros(length, dtype=np.int64), truncated=False)
        alone_s = cost.seconds(1, length)
        line.add(Entry(tokens, deadline, 1.0, 0.0, None, due, alone_s))
    return line


@given(TICKETS, st.integers(1, 40), st.integers(1, 64), st.sampled_from([64, 2048]))
def test_the_few_that_are_worth_a_look_hold_the_best_batch(
    tickets: list[Any], share: int, most: int, budget: int
) -> None:
    cost = _cost()
    line = _line(tickets, cost)
    limits = Limits(max_batch=most, budget_tokens=budget)
    chooser: Chooser[None] = Chooser(limits, cost)
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for few in (0, 100):
            patch.setattr(choice, "FEW", few)
            found[few] = chooser.choose(line, 0.45, share)
    arrays, looked = found[0], found[100]
    assert _score(line, looked) >= _score(line, arrays) * (1 - 1e-9)
    lengths = line.lengths[list(looked.positions)]
    assert len(lengths) <= min(share, most)
    assert len(lengths) == 1 or len(lengths) * lengths.max() <= budget
    assert looked.predicted_s == pytest.approx(cost.seconds(len(lengths), lengths.max()))
    if list(looked.positions) == list(arrays.positions):
        assert looked.released == arrays.released


def _score(line: WaitingLine[None], found: choice.Choice) -> float:
    worth = choice.values(line, 0.45)[list(found.positions)].sum()
    return float(worth) / found.predicted_s


def _ahead_s(waiting: int) -> float:
    """How much later than a long ticket a short one may come, and still be due before it."""
    never = float("inf")
    long, short = (due_s(0.0, alone_s, never, 1.0, waiting) for alone_s in (0.03, 0.003))
    return long - short


def test_the_more_wait_the_less_a_short_ticket_may_overtake() -> None:
    found = [_ahead_s(waiting) for waiting in (0, choice.CROWD, 8, 32, 128)]
    assert found[0] == found[1] == pytest.approx(choice.SLACK * 0.027)
    assert found[1:] == sorted(found[1:], reverse=True)
    assert found[-1] == pytest.approx(found[0] / 32)
