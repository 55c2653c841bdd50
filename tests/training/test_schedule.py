"""Warm-up and decay."""

from hypothesis import given
from hypothesis import strategies as st

from training.schedule import Schedule


@given(st.integers(0, 50), st.integers(1, 300), st.floats(0.0, 0.9))
def test_rates_rise_to_one_and_fall_towards_zero(start: int, length: int, share: float) -> None:
    schedule = Schedule(start, start + length, share)
    factors = [schedule.factor(step) for step in range(start + length)]
    assert all(factor == 0.0 for factor in factors[:start])
    assert all(0.0 < factor <= 1.0 for factor in factors[start:])
    peak = factors.index(max(factors))
    assert max(factors) == 1.0
    assert factors[start : peak + 1] == sorted(factors[start : peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
