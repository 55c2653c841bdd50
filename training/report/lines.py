"""A figure of each task over a run comes in; one plot with a line a task goes out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from training.report.plot import ACCENT, INK, SECOND, SOFT, draw

Events = Sequence[Mapping[str, Any]]
Line = Sequence[tuple[float, float]]
"""Points: epochs gone by, and the figure."""

MOST = 8
"""Lines that can be told apart; of more, those that move furthest are drawn."""

_POINTS = 80
_COLOURS = (ACCENT, SECOND, INK, SOFT)
_DASHES: tuple[tuple[float, ...] | None, ...] = (None, (4, 2))


def epochs_of(events: Events) -> float:
    """Steps of an epoch, 1 where the record does not say."""
    start = [event for event in events if event["event"] == "start"]
    return float(start[-1].get("steps_per_epoch", 1.0)) if start else 1.0


def series(events: Events, kind: str, field: str) -> dict[str, list[tuple[float, float]]]:
    """By name, the points of a mapping that events of a kind hold; none for a field they lack."""
    each, found = epochs_of(events), dict[str, list[tuple[float, float]]]()
    for event in events:
        if event["event"] == kind:
            for name, value in event.get(field, {}).items():
                found.setdefault(name, []).append(((event["step"] + 1) / each, float(value)))
    return found


def plot_lines(
    lines: Mapping[str, Line], summary: str, label: str, *, logarithmic: bool = False
) -> Markup:
    """Each line thinned by means of neighbours and named at its end. summary: the same in words."""
    kept = sorted(lines, key=lambda name: -_spread(lines[name]))[:MOST]
    shown = {name: _thinned(line) for name, line in lines.items() if name in kept}
    return draw(summary, lambda figure: _paint(figure, shown, label, logarithmic), 2.3)


def _spread(line: Line) -> float:
    values = [value for _, value in line]
    return max(values) - min(values)


def _thinned(line: Line) -> list[tuple[float, float]]:
    parts = np.array_split(np.array(line, dtype=float), min(_POINTS, len(line)))
    means = (part.mean(axis=0) for part in parts)
    return [(float(x), float(y)) for x, y in means]


def _paint(figure: Figure, lines: Mapping[str, Line], label: str, logarithmic: bool) -> None:
    axes = figure.subplots()
    figure.subplots_adjust(right=0.8)
    last = 0.0
    for place, line in enumerate(lines.values()):
        colour = _COLOURS[place % len(_COLOURS)]
        dashes = _DASHES[place // len(_COLOURS) % len(_DASHES)]
        drawn = axes.plot(*zip(*line, strict=True), color=colour)[0]
        if dashes:
            drawn.set_dashes(dashes)
        last = max(last, line[-1][0])
    if logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="epochs", ylabel=label, xlim=(0, last * 1.02))
    _name(axes, lines)


def _name(axes: Any, lines: Mapping[str, Line]) -> None:
    """Names at the ends of the lines, pushed apart where they would meet."""
    axes.get_ylim()  # Limits are settled when they are first asked for.
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = [(name, float(to_axes.transform(line[-1])[1])) for name, line in lines.items()]
    place = {name: at for at, name in enumerate(lines)}
    below = -1.0
    for name, height in sorted(ends, key=lambda one: one[1]):
        below = max(height, below + 0.1)
        colour = _COLOURS[place[name] % len(_COLOURS)]
        axes.text(1.02, below, name[:14], transform=axes.transAxes, va="center", color=colour)
