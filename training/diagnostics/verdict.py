"""The cosines between two tasks' gradients over a run come in; whether the tasks help each other
goes out.

Shapes: N comparisons.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

Word = Literal["helpful", "neutral", "conflicting", "undecided"]

BOUNDARY = 0.1
"""A mean cosine beyond +-0.1 is helpful or conflicting."""

LEAST = 8
"""Fewer comparisons decide nothing."""


@dataclass(frozen=True)
class Verdict:
    """What a pair's comparisons say. low and high: the interval of the mean.

    word: `conflicting` and `helpful`: the mean is beyond the boundary and the interval leaves zero
    out. `neutral`: the mean is within it. `undecided`: too few comparisons, or a mean beyond the
    boundary whose interval holds zero.
    """

    word: Word
    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        if self.n < LEAST:
            return f"undecided: {self.n} comparisons, and {LEAST} are the least"
        interval = f"interval {self.low:+.2f} to {self.high:+.2f}"
        return f"{self.word}: mean cosine {self.mean:+.2f} ({interval}, {self.n} comparisons)"


def judge(cosines: Sequence[float], level: float = 0.95) -> Verdict:
    """The verdict on one pair, from its cosines in the order of the steps.

    A mean alone would call chance a conflict, so the interval must leave zero out as well. A
    step's cosine is smaller than that of the gradients of all tickets, as the noise of a batch is
    in both lengths: the boundary is one for batches, and a larger batch shows more.
    """
    n = len(cosines)
    if n < LEAST:
        mean = float(np.mean(cosines)) if n else 0.0
        return Verdict("undecided", mean, -1.0, 1.0, n)
    mean, half = mean_interval(np.asarray(cosines, dtype=np.float64), level)
    low, high = max(-1.0, mean - half), min(1.0, mean + half)
    return Verdict(_word(mean, low, high), mean, low, high, n)


def judge_pairs(events: Iterable[Mapping[str, Any]]) -> dict[str, Verdict]:
    """The verdict on every pair `a|b` that the `gradients` events of a run compared, in the order
    in which they first came. The level is shared among the pairs (Bonferroni), so that a run of
    many tasks raises no more false alarms than one of two.
    """
    series: dict[str, list[float]] = {}
    for event in events:
        if event.get("event") == "gradients":
            for pair, cosine in event["cosines"].items():
                series.setdefault(pair, []).append(cosine)
    return judge_all(series)


def judge_all(series: Mapping[str, Sequence[float]], level: float = 0.95) -> dict[str, Verdict]:
    """The verdict on each of several pairs, the level shared among them."""
    each = 1.0 - (1.0 - level) / max(1, len(series))
    return {pair: judge(cosines, each) for pair, cosines in series.items()}


def mean_interval(values_N: NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """The mean of a series and the half width of its interval, at least 2 values.

    Neighbours resemble each other, so N values tell less than N. The interval is Student's with
    n = N (1 - r) / (1 + r) in place of N (Zwiers & von Storch 1995, Journal of Climate 8), r the
    lag-1 autocorrelation, corrected for its bias of -(1 + 3r) / N (Kendall 1954, Biometrika 41)
    and cut to 0 and 0.95: neighbours that differ narrow nothing.
    """
    count, mean = len(values_N), float(values_N.mean())
    r = _lag_one(values_N)
    effective = max(2.0, count * (1.0 - r) / (1.0 + r))
    spread = float(values_N.std(ddof=1)) / math.sqrt(effective)
    return mean, float(student.ppf(0.5 + level / 2.0, effective - 1.0)) * spread


def _lag_one(values_N: NDArray[np.float64]) -> float:
    apart_N = values_N - values_N.mean()
    square = float(apart_N @ apart_N)
    raw = float(apart_N[1:] @ apart_N[:-1]) / square if square > 0.0 else 0.0
    return min(0.95, max(0.0, raw + (1.0 + 3.0 * raw) / len(values_N)))


def _word(mean: float, low: float, high: float) -> Word:
    if abs(mean) < BOUNDARY:
        return "neutral"
    if low <= 0.0 <= high:
        return "undecided"
    return "helpful" if mean > 0.0 else "conflicting"
