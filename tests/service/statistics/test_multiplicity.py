"""Adjusted p values against statsmodels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from service.statistics.multiplicity import holm

VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@settings(max_examples=10)  # statsmodels takes 70 ms for one call of Holm.
@given(values=VALUES)
def test_adjusted_values_are_those_of_statsmodels(values: list[float]) -> None:
    oracle = multipletests(values, method="holm")[1]
    assert holm(values) == pytest.approx(oracle, abs=1e-12)


@given(VALUES)
def test_adjusting_never_makes_a_value_smaller_nor_changes_the_order(values: list[float]) -> None:
    adjusted = holm(values)
    assert np.all(adjusted >= values)
    order = np.argsort(values, kind="stable")
    assert np.all(np.diff(adjusted[order]) >= 0)


def test_no_tests_need_no_adjustment() -> None:
    assert len(holm([])) == 0


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="within 0 and 1"):
        holm([0.5, value])
