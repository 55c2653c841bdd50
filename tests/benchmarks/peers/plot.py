"""The lines of a report come in; one picture under 100 kB goes out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.http.contenders import Harbor
from tests.benchmarks.http.plan import SATURATED
from tests.benchmarks.peers.report import Line

SIZE_INCH, DPI = (7.2, 4.6), 110
OURS, COLOURS = "#5b8c5a", {True: "#d1793f", False: "#1b6ca8"}
"""Harbor's colour, and those of peers with their batching on and off."""


def draw(table: Sequence[Line], path: Path) -> Path:
    """Bars of the median round's share of raw, whiskers from the lowest round to the highest."""
    from matplotlib.figure import Figure

    rows = sorted(table, key=lambda line: line.of_raw[0])
    shares = np.array([line.of_raw for line in rows]) * 100
    figure = Figure(figsize=SIZE_INCH, dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(
        [line.name for line in rows],
        shares[:, 0],
        xerr=np.abs(shares[:, 1:].T - shares[:, 0]),
        color=[_colour(line) for line in rows],
        capsize=3,
        height=0.65,
    )
    labels = [f"{line.of_raw[0]:.0%}, {line.per_s:.0f}/s" for line in rows]
    axes.bar_label(bars, labels, padding=6, fontsize=8)
    axes.axvline(100, color="#444444", linestyle="--", linewidth=1)
    axes.set_xlim(0, max(125.0, shares.max() * 1.2))
    axes.set_xlabel("share of the same graph's raw throughput, % (whiskers: rounds)")
    axes.set_title(f"Routed over HTTP at {SATURATED} clients, the same graph and tickets")
    figure.savefig(path, pil_kwargs={"optimize": True})
    return path


def _colour(line: Line) -> str:
    return OURS if line.server.startswith(Harbor.name) else COLOURS[line.batching]
