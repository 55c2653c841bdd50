"""Calibrated answers come in; a reliability diagram as SVG goes out, the same bytes every time."""

from collections.abc import Sequence
from io import BytesIO

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from export.card.confidence import Answers

_COLUMNS = 3
_SIDE_INCHES = 3.2
_SETTINGS = {"svg.hashsalt": "harbor", "svg.fonttype": "none", "font.size": 9.0}
"""Ids that depend on the content alone; text as text, which is small and can be searched."""


def diagram(answers: Sequence[Answers]) -> bytes:
    """A panel a task: accuracy against confidence in bins of equal mass, with Wilson intervals."""
    columns = min(_COLUMNS, len(answers))
    rows = -(-len(answers) // columns)
    # Only this figure, by its own object: what the user's matplotlib is set to has no say.
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        figure = Figure((_SIDE_INCHES * columns, _SIDE_INCHES * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).flat
        for one, panel in zip(answers, axes, strict=False):
            _draw(panel, one)
        for panel in list(axes)[len(answers) :]:
            panel.set_axis_off()
        stream = BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def _draw(panel: Axes, one: Answers) -> None:
    bins, known = one.bins, one.intervals
    below = bins.accuracy - np.array([interval.low for interval in known])
    above = np.array([interval.high for interval in known]) - bins.accuracy
    panel.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--")
    panel.errorbar(
        bins.confidence,
        bins.accuracy,
        # Rounding can put a bound of the interval on the wrong side by the last bit.
        yerr=np.maximum([below, above], 0.0),
        color="#1f5a92",
        marker="o",
        markersize=4,
        linewidth=1,
        capsize=2,
    )
    panel.set(
        title=f"{one.task.name} (n = {len(one.labels_N):,})",
        xlabel="confidence",
        ylabel="accuracy",
        xlim=(0, 1),
        ylim=(0, 1),
        aspect="equal",
    )
