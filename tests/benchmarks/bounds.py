"""A measured value and its bound come in; a row that says whether the bound holds goes out."""

import math
from dataclasses import dataclass

RATIO = "x"
"""The unit of a figure that is a ratio rather than a share."""


@dataclass(frozen=True)
class Bound:
    """low and high, both allowed; infinite where there is none."""

    low: float = -math.inf
    high: float = math.inf

    def __str__(self) -> str:
        return self.said("")

    def said(self, unit: str) -> str:
        """In words; limits are shares where there is no unit."""
        if self.low == -math.inf:
            return f"at most {said(self.high, unit)}"
        if self.high == math.inf:
            return f"at least {said(self.low, unit)}"
        return f"{said(self.low, unit)} to {said(self.high, unit)}"


@dataclass(frozen=True)
class Figure:
    """A share, or a number of `unit`s, RATIO among them; without a bound it only informs.

    spread: the lowest and the highest of several rounds, for the reader alone.
    """

    measure: str
    value: float
    bound: Bound | None = None
    unit: str = ""
    spread: tuple[float, float] | None = None

    @property
    def holds(self) -> bool:
        """Whether the value is within its bound."""
        return self.bound is None or self.bound.low <= self.value <= self.bound.high

    def row(self) -> tuple[str, str, str, str]:
        """Measure, value, bound, verdict."""
        value = said(self.value, self.unit)
        if self.spread is not None:
            low, high = (said(end, self.unit) for end in self.spread)
            value += f" ({low} to {high})"
        if self.bound is None:
            return self.measure, value, "", ""
        verdict = "yes" if self.holds else "NO"
        return self.measure, value, self.bound.said(self.unit), verdict

    def document(self) -> dict[str, object]:
        """The same for a JSON file."""
        return {
            "measure": self.measure,
            "value": self.value,
            "unit": self.unit,
            "spread": self.spread,
            "bound": self.bound and self.bound.said(self.unit),
            "holds": self.holds,
        }


def said(value: float, unit: str) -> str:
    """`12.34%` without a unit, `1.234` as a ratio, else with one decimal and the unit."""
    if unit == RATIO:
        return f"{value:.3f}"
    return f"{value:.1f} {unit}" if unit else f"{value:.2%}"


def at_most(high: float) -> Bound:
    """A bound from above."""
    return Bound(high=high)


def at_least(low: float) -> Bound:
    """A bound from below."""
    return Bound(low=low)


def within(low: float, high: float) -> Bound:
    """Both."""
    return Bound(low, high)
