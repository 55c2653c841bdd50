"""The record of a run comes in; a heat map of its tasks' gradient cosines, and a verdict on each
pair, goes out.

Shapes: P pairs, K spans of time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from training.diagnostics.verdict import Verdict, judge_pairs
from training.report.formats import number
from training.report.lines import Events, Line, series
from training.report.plot import ACCENT, SECOND, draw

MOST = 12
"""Pairs and layers shown: of more, those that conflict most."""

_SPANS = 48
_FULL = 0.5
"""The cosine from which a cell has its full colour: those of real batches are small."""

_TONES: dict[str, Literal["good", "open", "bad"]] = {"helpful": "good", "conflicting": "bad"}


@dataclass(frozen=True)
class Pair:
    """Two tasks and what their comparisons say."""

    name: str
    tone: Literal["good", "open", "bad"]
    found: Verdict


@dataclass(frozen=True)
class Cell:
    """A mean cosine and how strongly it is shaded, 0 to 1; blue helps, orange conflicts."""

    value: float | None
    shade: float

    @property
    def helps(self) -> bool:
        """Whether the cosine is not negative."""
        return self.value is not None and self.value >= 0.0


@dataclass(frozen=True)
class Layers:
    """Mean cosines: rows are layers, columns are pairs."""

    pairs: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class Gradients:
    """pairs: the most conflicting first, `left_out` more are not shown. comparisons: of a run."""

    pairs: tuple[Pair, ...]
    left_out: int
    comparisons: int
    plot: Markup
    layers: Layers | None


def gradients(events: Events) -> Gradients | None:
    """None where the run compared no gradients of two tasks."""
    lines = series(events, "gradients", "cosines")
    if not lines:
        return None
    judged = sorted(judge_pairs(events).items(), key=lambda one: one[1].mean)
    shown = judged[:MOST]
    pairs = tuple(Pair(named(pair), _TONES.get(found.word, "open"), found) for pair, found in shown)
    told = "; ".join(
        f"{one.name} {one.found.word}, mean {number(one.found.mean, 2)}" for one in pairs
    )
    drawn = {named(pair): lines[pair] for pair, _ in shown}
    plot = draw(
        f"Cosines between the tasks' gradients over the run: {told}.",
        lambda figure: _paint(figure, drawn),
        0.8 + 0.3 * len(drawn),
    )
    comparisons = sum(event["event"] == "gradients" for event in events)
    layers = _layers(events, [pair for pair, _ in shown])
    return Gradients(pairs, len(judged) - len(shown), comparisons, plot, layers)


def named(pair: str) -> str:
    """`a|b` for a person."""
    return pair.replace("|", " – ")


def spans(line: Line, end: float, count: int = _SPANS) -> list[tuple[float, float, float]]:
    """Mean figures of at most `count` equal spans up to `end`: (start, width, mean); a span without
    a point is left out.
    """
    width = end / count
    place = [min(count - 1, int(at / width)) for at, _ in line]
    found = []
    for span in sorted(set(place)):
        values = [value for (_, value), at in zip(line, place, strict=True) if at == span]
        found.append((span * width, width, float(np.mean(values))))
    return found


def shade(cosine: float) -> float:
    """0 for none to 1 from +-0.5 on."""
    return round(min(1.0, abs(cosine) / _FULL), 2)


def _paint(figure: Figure, lines: Mapping[str, Line]) -> None:
    axes = figure.subplots()
    figure.subplots_adjust(left=0.3)
    end = max(line[-1][0] for line in lines.values())
    count = min(_SPANS, max(len(line) for line in lines.values()))
    for row, line in enumerate(lines.values()):
        for start, width, mean in spans(line, end, count):
            axes.add_patch(
                Rectangle(
                    (start, row + 0.06),
                    width,
                    0.88,
                    facecolor=ACCENT if mean >= 0.0 else SECOND,
                    alpha=max(0.04, shade(mean)),
                    linewidth=0,
                )
            )
    axes.grid(visible=False)
    axes.set(xlim=(0, end), ylim=(len(lines), 0), xlabel="epochs")
    axes.set_yticks([row + 0.5 for row in range(len(lines))], [name[:26] for name in lines])


def _layers(events: Events, pairs: Sequence[str]) -> Layers | None:
    told: dict[str, dict[str, list[float]]] = {}
    for event in events:
        found: dict[str, Any] = event.get("layers", {}) if event["event"] == "gradients" else {}
        for layer, cosines in found.items():
            for pair, value in cosines.items():
                told.setdefault(layer, {}).setdefault(pair, []).append(value)
    if not told:
        return None
    rows = tuple(
        (layer, tuple(_cell(by.get(pair)) for pair in pairs)) for layer, by in told.items()
    )
    return Layers(tuple(named(pair) for pair in pairs), rows)


def _cell(values: list[float] | None) -> Cell:
    if not values:
        return Cell(None, 0.0)
    mean = float(np.mean(values))
    return Cell(mean, shade(mean))
