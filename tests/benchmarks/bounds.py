"""A measured value and its bound come in; a row that says whether the bound holds goes out."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """low and high, both allowed; infinite where there is none."""

    low: float = -math.inf
    high: float = math.inf

    def __str__(self) -> str:
        if self.low == -math.inf:
            return f"at most {self.high:.2%}"
        if self.high == math.inf:
            return f"at least {self.low:.2%}"
        return f"{self.low:.2%} to {self.high:.2%}"


@dataclass(frozen=True)
class Figure:
    """A share, or a number of `unit`s; without a bound it only informs."""

    measure: str
    value: float
    bound: Bound | None = None
    unit: str = ""

    @property
    def holds(self) -> bool:
        """Whether the value is within its bound."""
        return self.bound is None or self.bound.low <= self.value <= self.bound.high

    def row(self) -> tuple[str, str, str, str]:
        """Measure, value, bound, verdict."""
        value = f"{self.value:.1f} {self.unit}" if self.unit else f"{self.value:.2%}"
        if self.bound is None:
            return self.measure, value, "", ""
        return self.measure, value, str(self.bound), "yes" if self.holds else "NO"


def at_most(high: float) -> Bound:
    """A bound from above."""
    return Bound(high=high)


def at_least(low: float) -> Bound:
    """A bound from below."""
    return Bound(low=low)


def within(low: float, high: float) -> Bound:
    """Both."""
    return Bound(low, high)
