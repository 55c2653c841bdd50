"""Confidences and whether they were right come in; a reliability diagram with its bins goes out.

Shapes: N tickets, K bins.
"""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from service.statistics.calibration import Reliability, reliability
from service.statistics.intervals import Interval, wilson
from training.report.formats import count, percent
from training.report.outcome import Told
from training.report.plot import ACCENT, LINE, SOFT, draw, shares


@dataclass(frozen=True)
class Bin:
    """Tickets of like confidence: their mean confidence, the share right and its 95 % interval."""

    count: int
    confidence: float
    accuracy: float
    interval: Interval

    @property
    def holds(self) -> bool:
        """Whether the mean confidence lies within the interval of the share right."""
        return self.interval.low <= self.confidence <= self.interval.high


@dataclass(frozen=True)
class Diagram:
    """The bins, least confident first, and their plot."""

    bins: tuple[Bin, ...]
    plot: Markup


def diagram(told: Told, when: str) -> Diagram:
    """The diagram over equal-mass bins with Wilson intervals. when: `before` or `after`."""
    bins = _bins(reliability(told.confidence_N, told.right_N))
    return Diagram(bins, draw(_summary(bins, when), lambda figure: _paint(figure, bins, told), 3.9))


def _bins(table: Reliability) -> tuple[Bin, ...]:
    rows = zip(table.count.tolist(), table.confidence, table.accuracy, strict=True)
    return tuple(
        Bin(n, float(confidence), float(accuracy), wilson(round(accuracy * n), n))
        for n, confidence, accuracy in rows
    )


def _summary(bins: tuple[Bin, ...], when: str) -> str:
    worst = max(bins, key=lambda one: abs(one.confidence - one.accuracy))
    holding = sum(one.holds for one in bins)
    return (
        f"Reliability {when} calibration: in {holding} of {count(len(bins))} bins the mean "
        f"confidence lies within the 95 % interval of the share right. The largest gap: "
        f"{percent(worst.accuracy)} right at a confidence of {percent(worst.confidence)}."
    )


def _paint(figure: Figure, bins: tuple[Bin, ...], told: Told) -> None:
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    confidence_K = np.array([one.confidence for one in bins])
    accuracy_K = np.array([one.accuracy for one in bins])
    below_K = [max(0.0, one.accuracy - one.interval.low) for one in bins]
    above_K = [max(0.0, one.interval.high - one.accuracy) for one in bins]
    upper.plot([0, 1], [0, 1], color=SOFT, linewidth=1, dashes=(4, 3))
    upper.errorbar(
        confidence_K,
        accuracy_K,
        yerr=(below_K, above_K),
        color=ACCENT,
        ecolor=ACCENT,
        elinewidth=1.2,
        marker="o",
        markersize=3.6,
        linestyle="none",
    )
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="share right")
    shares(upper, y=True)
    heights_B, edges_B = np.histogram(told.confidence_N, bins=25, range=(0.0, 1.0))
    lower.bar(edges_B[:-1], heights_B, width=0.034, align="edge", color=ACCENT, alpha=0.55)
    lower.axhline(0, color=LINE, linewidth=0.8)
    lower.grid(visible=False)
    lower.set(yticks=[], xlabel="confidence", ylabel="tickets")
    shares(lower, x=True)
