"""The record of a run comes in; the learning curves of each task go out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from training.report.formats import number
from training.report.plot import ACCENT, SECOND, SOFT, draw

Events = Sequence[Mapping[str, Any]]
_POINTS = 80


@dataclass(frozen=True)
class Curve:
    """Losses and macro-F1 over the epochs; epochs are counted from 1, `best` among them.

    training: (epochs gone by, mean loss) of neighbouring steps. validation: NLL, and f1: macro-F1,
    at each epoch's end.
    """

    training: tuple[tuple[float, float], ...]
    validation: tuple[tuple[float, float], ...]
    f1: tuple[tuple[float, float], ...]
    best: int | None


@dataclass(frozen=True)
class Learning:
    """The two plots of a task, and the share of its last epochs."""

    epochs: int
    best: int | None
    losses: Markup
    scores: Markup


def learning(events: Events, task: str) -> Learning | None:
    """None where the record holds no epoch of the task."""
    curve = _curve(events, task)
    if not curve.f1:
        return None
    losses = draw(
        f"Loss of {task}: validation from {number(curve.validation[0][1])} after the first epoch "
        f"to {number(curve.validation[-1][1])} after epoch {curve.validation[-1][0]:g}.",
        lambda figure: _losses(figure, curve),
        2.3,
    )
    scores = draw(
        f"Macro-F1 of {task} on the validation split: from {number(curve.f1[0][1])} after the "
        f"first epoch to {number(curve.f1[-1][1])} after epoch {curve.f1[-1][0]:g}.",
        lambda figure: _scores(figure, curve),
        2.3,
    )
    return Learning(len(curve.f1), curve.best, losses, scores)


def _curve(events: Events, task: str) -> Curve:
    start = [event for event in events if event["event"] == "start"]
    each = float(start[-1]["steps_per_epoch"]) if start else 1.0
    steps = [
        ((event["step"] + 1) / each, event["losses"][task])
        for event in events
        if event["event"] == "step" and task in event["losses"]
    ]
    ends = [event for event in events if event["event"] == "epoch"]
    found = [(event["epoch"] + 1.0, event["validation"].get(task, {})) for event in ends]
    best = [event["epoch"] + 1 for event in ends if event.get("best")]
    return Curve(
        _smoothed(steps),
        tuple((at, values["nll"]) for at, values in found if "nll" in values),
        tuple((at, values["macro_f1"]) for at, values in found if "macro_f1" in values),
        best[-1] if best else None,
    )


def _smoothed(steps: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    parts = np.array_split(np.array(steps).reshape(-1, 2), min(_POINTS, max(1, len(steps))))
    return tuple(
        (float(x), float(y)) for x, y in (part.mean(axis=0) for part in parts if len(part))
    )


def _losses(figure: Figure, curve: Curve) -> None:
    axes = figure.subplots()
    if curve.training:
        axes.plot(*zip(*curve.training, strict=True), color=SOFT, linewidth=1.1, dashes=(3, 2))
    axes.plot(*zip(*curve.validation, strict=True), "o-", color=ACCENT, markersize=3.5)
    axes.set(xlabel="epochs", ylabel="loss", ylim=(0, None))
    _whole_epochs(axes, curve)


def _scores(figure: Figure, curve: Curve) -> None:
    axes = figure.subplots()
    axes.plot(*zip(*curve.f1, strict=True), "o-", color=ACCENT, markersize=3.5)
    kept = [point for point in curve.f1 if point[0] == curve.best]
    axes.plot(*zip(*kept, strict=True), "o", color=SECOND, markersize=6) if kept else None
    axes.set(xlabel="epochs", ylabel="macro-F1", ylim=(0, 1))
    _whole_epochs(axes, curve)


def _whole_epochs(axes: Any, curve: Curve) -> None:
    last = int(curve.f1[-1][0])
    step = max(1, -(-last // 10))
    axes.set(xlim=(0, last * 1.02), xticks=range(0, last + 1, step))
