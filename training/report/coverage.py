"""Confidences and whether they were right come in; the risk-coverage curve goes out.

Shapes: N tickets, K points of the curve.
"""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from numpy.typing import NDArray

from service.statistics.intervals import wilson
from service.statistics.selective import accuracy_at, aurc, risk_coverage
from training.report.formats import percent
from training.report.outcome import Told
from training.report.plot import ACCENT, SECOND, SOFT, draw, shares

COVERAGES = (0.8, 0.9, 0.95)
_POINTS = 150


@dataclass(frozen=True)
class Coverage:
    """accuracy: of the surest tickets, by the share of tickets that they are. aurc: the mean risk.

    all_: accuracy when every ticket is answered.
    """

    accuracy: dict[float, float]
    all_: float
    aurc: float
    plot: Markup


def coverage(told: Told) -> Coverage:
    """The curve with its pointwise Wilson band, and the accuracy at COVERAGES."""
    accuracy = {share: accuracy_at(told.confidence_N, told.right_N, share) for share in COVERAGES}
    summary = "Share wrong when only the surest tickets are answered: " + ", ".join(
        f"{percent(1.0 - found)} at {percent(share, 0)} of tickets"
        for share, found in accuracy.items()
    )
    plot = draw(summary, lambda figure: _paint(figure, told, accuracy))
    area = aurc(told.confidence_N, told.right_N)
    return Coverage(accuracy, float(np.mean(told.right_N)), area, plot)


def thinned(size: int, most: int = _POINTS) -> NDArray[np.int64]:
    """At most `most` positions of `size`, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, size - 1, min(size, most)).astype(np.int64))


def _paint(figure: Figure, told: Told, accuracy: dict[float, float]) -> None:
    axes = figure.subplots()
    curve = risk_coverage(told.confidence_N, told.right_N)
    kept_K = thinned(len(curve.coverage))
    coverage_K, risk_K = np.asarray(curve.coverage)[kept_K], np.asarray(curve.risk)[kept_K]
    answered_K = np.rint(coverage_K * len(told.right_N)).astype(int).tolist()
    band = [wilson(round(risk * n), n) for risk, n in zip(risk_K, answered_K, strict=True)]
    low_K, high_K = [one.low for one in band], [one.high for one in band]
    axes.fill_between(coverage_K, low_K, high_K, color=ACCENT, alpha=0.16, linewidth=0)
    axes.plot(coverage_K, risk_K, color=ACCENT)
    axes.axhline(float(risk_K[-1]), color=SOFT, linewidth=1, dashes=(4, 3))
    axes.plot(
        list(accuracy),
        [1.0 - one for one in accuracy.values()],
        "o",
        color=SECOND,
        markersize=4.5,
        clip_on=False,
    )
    usual = max(float(risk_K[-1]), *(1.0 - one for one in accuracy.values()), 0.01)
    axes.set(xlim=(0, 1.01), ylim=(0, min(1.0, 1.7 * usual)))
    axes.set(xlabel="tickets answered, surest first", ylabel="wrong among them")
    shares(axes, x=True, y=True)
