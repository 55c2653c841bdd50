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
        st.floats(0.001, 0.1),
        st.sampled_from([0.5, 1e6]),
    ),
    min_size=2,
    max_size=30,
)


def _line(tickets: list[tuple[int, float, float, float]]) -> WaitingLine[None]:
    line: WaitingLine[None] = WaitingLine()
    for length, due, alone_s, deadline in tickets:
        tokens = Tokens(np.zeros(length, dtype=np.int64), truncated=False)
        line.add(Entry(tokens, deadline, 1.0, 0.0, None, due, alone_s))
    return line


@given(TICKETS, st.integers(1, 40), st.integers(1, 64), st.sampled_from([64, 2048]))
def test_both_ways_find_a_batch_of_the_same_worth(
    tickets: list[Any], share: int, most: int, budget: int
) -> None:
    line, cost = _line(tickets), CostModel()
    for length in (20, 80, 200):
        for batch in (1, 4):
            cost.update(batch, length, 0.001 + 2e-5 * batch * length)
    chooser: Chooser[None] = Chooser(Limits(max_batch=most, budget_tokens=budget), cost)
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for few in (0, 100):
            patch.setattr(choice, "FEW", few)
            found[few] = chooser.choose(line, 0.45, share)
    one, other = found[0], found[100]
    if one.positions != other.positions:  # Of equal worth, to the last digits.
        assert _score(line, one) == pytest.approx(_score(line, other), rel=1e-9)
    else:
        assert one.released == other.released
        assert one.predicted_s == pytest.approx(other.predicted_s, rel=1e-9)


def _score(line: WaitingLine[None], found: choice.Choice) -> float:
    assert isinstance(found.positions, range)
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
