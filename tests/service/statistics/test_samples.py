"""The labels still needed against the e-process itself, and against simulated runs."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.statistics.eprocess import log_wealth
from service.statistics.paired import Pairs
from service.statistics.samples import labels_at, labels_needed


@given(st.floats(0.005, 0.2), st.floats(0.0, 0.2), st.sampled_from([0.0, 0.01, 0.05]))
def test_the_wealth_crosses_at_the_label_named_and_not_before(
    gap: float, loss: float, margin: float
) -> None:
    win = loss + gap
    n = labels_at(win, loss, margin)
    assert n is not None
    assert float(log_wealth(n * win, n * loss, n * (1 - win - loss), margin)) >= math.log(20)
    n -= 1
    assert float(log_wealth(n * win, n * loss, n * (1 - win - loss), margin)) < math.log(20)


def test_what_is_there_already_need_not_come_again() -> None:
    pairs = Pairs(1840, 90, 70, 0)
    total = labels_at(0.045, 0.035)
    assert total is not None
    assert labels_needed(pairs) == total - 2000
    assert labels_needed(Pairs(18_400, 900, 700, 0)) == 0


def test_a_gap_on_the_wrong_side_never_gets_there() -> None:
    assert labels_needed(Pairs(900, 30, 40, 0)) is None
    assert labels_needed(Pairs(900, 40, 40, 0)) is None
    assert labels_needed(Pairs(1000, 0, 0, 0)) is None
    assert labels_needed(Pairs(0, 0, 0, 0)) is None
    assert labels_needed(Pairs(900, 40, 30, 0), side="worse") is None


def test_a_margin_and_the_other_side_have_their_own_number() -> None:
    assert labels_needed(Pairs(900, 40, 40, 0), margin=0.02) is not None
    backwards = labels_needed(Pairs(900, 30, 40, 0), side="worse")
    assert backwards == labels_needed(Pairs(900, 40, 30, 0))


def test_a_stricter_error_needs_more() -> None:
    loose, strict = labels_at(0.045, 0.035, alpha=0.05), labels_at(0.045, 0.035, alpha=0.01)
    assert loose is not None
    assert strict is not None
    assert strict > loose


def test_about_half_of_the_runs_get_there_by_then() -> None:
    n = labels_at(0.045, 0.035)
    assert n is not None
    drawn = np.random.default_rng(2).multinomial(n // 50, [0.045, 0.035, 0.92], size=(2000, 50))
    wins, losses, ties = np.moveaxis(drawn.cumsum(axis=1), 2, 0)
    crossed = (log_wealth(wins, losses, ties) >= math.log(20)).any(axis=1)
    assert 0.45 < crossed.mean() < 0.65


def test_impossible_rates_are_refused() -> None:
    with pytest.raises(ValueError, match=r"found 0\.7 and 0\.6"):
        labels_at(0.7, 0.6)
