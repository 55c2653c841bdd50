"""The record of a run comes in; how its tasks were weighed, and what was raised about it, goes
out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from training.diagnostics.scales import scales_of, weighted
from training.report.formats import number
from training.report.lines import Events, epochs_of, plot_lines, series

FLAT = 1e-9


@dataclass(frozen=True)
class Weights:
    """said: in a sentence. plot: None where no weight ever moved."""

    said: str
    plot: Markup | None


@dataclass(frozen=True)
class Sizes:
    """The tasks' gradients on the shared parameters. balanced: whether none dominates."""

    said: str
    balanced: bool
    plot: Markup


@dataclass(frozen=True)
class Load:
    """A task's share of each expert at the end of the run, and of its most used one."""

    task: str
    shares: tuple[float, ...]
    most: float


@dataclass(frozen=True)
class Raised:
    """An alert: when, in epochs gone by, and what was said."""

    epoch: float
    kind: str
    said: str


@dataclass(frozen=True)
class Speed:
    """Of the last epoch: real tokens a second, and the share of padding among all positions."""

    tokens: float
    padding: float


def weights(events: Events) -> Weights | None:
    """What each task's loss was multiplied with; None where the record says nothing of it."""
    found = series(events, "gradients", "weights") or series(events, "epoch", "weights")
    if not found:
        return None
    first = {task: line[0][1] for task, line in found.items()}
    last = {task: line[-1][1] for task, line in found.items()}
    moved = any(abs(y - line[0][1]) > FLAT for line in found.values() for _, y in line)
    if not moved:
        return Weights(f"They stayed as they were stated: {_named(last)}.", None)
    said = f"From {_named(first)} to {_named(last)}."
    return Weights(said, plot_lines(found, f"Weights of the tasks' losses. {said}", "weight"))


def sizes(events: Events) -> Sizes | None:
    """The gradients' norms times the weights; None with too few comparisons."""
    found = scales_of(events)
    if found is None:
        return None
    each, lines = epochs_of(events), dict[str, list[tuple[float, float]]]()
    for event in events:
        if event["event"] == "gradients":
            for task, size in weighted(event["norms"], event["weights"]).items():
                if size > 0.0:
                    lines.setdefault(task, []).append(((event["step"] + 1) / each, size))
    said = str(found)
    summary = f"Size of each task's weighted gradient over the run: {said}."
    return Sizes(
        f"{said[0].upper()}{said[1:]}.",
        found.balanced,
        plot_lines(lines, summary, "norm × weight", logarithmic=True),
    )


def loads(events: Events) -> tuple[Load, ...]:
    """How the gates shared the experts out, last; empty where there are none."""
    told = [event["load"] for event in events if event["event"] == "experts"]
    last: Mapping[str, Any] = told[-1] if told else {}
    return tuple(Load(task, tuple(shares), max(shares)) for task, shares in last.items())


def raised(events: Events) -> tuple[Raised, ...]:
    """Every alert of the run, in order."""
    each = epochs_of(events)
    return tuple(
        Raised((event["step"] + 1) / each, event["kind"].replace("_", " "), event["said"])
        for event in events
        if event["event"] == "alert"
    )


def speed(events: Events) -> Speed | None:
    """None where the record does not say."""
    told = [event for event in events if event["event"] == "throughput"]
    return Speed(told[-1]["tokens_per_second"], told[-1]["padding_share"]) if told else None


def _named(values: Mapping[str, float]) -> str:
    return ", ".join(f"{task} {number(value, 2)}" for task, value in values.items())
