"""The norms of the tasks' gradients and the tasks' weights come in; whether one task owns the step
by its size alone goes out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LIMIT = 10.0
"""The largest may be so many times the smallest: beyond it, the smallest hardly steers at all."""

LEAST = 3
"""Fewer comparisons say nothing."""


@dataclass(frozen=True)
class Scales:
    """sizes: of each task, the median of gradient norm times weight; at least two tasks."""

    sizes: dict[str, float]

    @property
    def largest(self) -> str:
        """The task whose gradient counts most."""
        return max(self.sizes, key=self.sizes.__getitem__)

    @property
    def smallest(self) -> str:
        """The task whose gradient counts least."""
        return min(self.sizes, key=self.sizes.__getitem__)

    @property
    def ratio(self) -> float:
        """The largest over the smallest; infinite where the smallest is 0."""
        least = self.sizes[self.smallest]
        return self.sizes[self.largest] / least if least > 0.0 else float("inf")

    @property
    def balanced(self) -> bool:
        """Whether no task dominates."""
        return self.ratio <= LIMIT

    def __str__(self) -> str:
        return (
            f"the weighted gradient of {self.largest} is {self.ratio:.1f} times that of "
            f"{self.smallest} on the shared parameters (at most {LIMIT:.0f} is balanced)"
        )


def weighted(norms: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    """Norm times weight of each task; a task without a weight weighs 1.

    A task of weight 0 is left out: that it counts for nothing was asked for.
    """
    every = {task: norm * weights.get(task, 1.0) for task, norm in norms.items()}
    return {task: size for task, size in every.items() if weights.get(task, 1.0) != 0.0}


def scales(sizes: Sequence[Mapping[str, float]]) -> Scales | None:
    """The medians over several comparisons of `weighted`; None with fewer than LEAST of them, or of
    tasks that are in at least LEAST.

    A median, so that one step with an odd ticket accuses nobody.
    """
    tasks = dict.fromkeys(task for some in sizes for task in some)
    series = {task: [some[task] for some in sizes if task in some] for task in tasks}
    known = {task: float(np.median(some)) for task, some in series.items() if len(some) >= LEAST}
    return Scales(known) if len(known) > 1 and max(known.values()) > 0.0 else None


def scales_of(events: Iterable[Mapping[str, Any]]) -> Scales | None:
    """The same over all `gradients` events of a run."""
    found = [event for event in events if event.get("event") == "gradients"]
    return scales([weighted(event["norms"], event["weights"]) for event in found])
