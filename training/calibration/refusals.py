"""A promise that the labelled tickets do not show comes in; the reason, with what would be needed,
goes out.

Shapes: N labelled tickets, C labels, K distinct confidences.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from service.contract.promises import CostEvidence
from service.contract.tasks import Task
from service.statistics.intervals import clopper_pearson_low
from service.statistics.sequence import needed
from training.calibration.evidence import BoolArray
from training.calibration.fit import IntArray
from training.calibration.given import Given
from training.errors import PromiseRefused

LEAST_FOR_COSTS = 50
"""Below so many tickets a mean cost and its interval say little: a dear mistake may be missing."""
MOST_TICKETS = 10_000_000
"""Beyond this no number of tickets would do."""


def check_labels(task: Task, labels_N: IntArray) -> None:
    """Raises PromiseRefused where a label of the task has no ticket."""
    count_C = np.bincount(labels_N, minlength=task.classes)
    if lacking := [label for label, count in zip(task.labels, count_C, strict=True) if not count]:
        raise PromiseRefused(
            f"task {task.name}: every label needs a labelled ticket to calibrate on, found none of "
            f"{', '.join(lacking)} among {len(labels_N)}"
        )


def check_scope(given: Given) -> None:
    """Raises PromiseRefused where no labelled ticket is in scope."""
    if not given.inside_N.any():
        raise PromiseRefused(
            f"task {given.task.name}: none of {len(given.labels_N)} labelled tickets is in scope, "
            "and no other is ever auto"
        )


def check_costs(given: Given) -> None:
    """Raises PromiseRefused where a mean cost would rest on too few tickets."""
    if (tickets := int(given.inside_N.sum())) < LEAST_FOR_COSTS:
        raise PromiseRefused(
            f"task {given.task.name}: a promise of costs needs at least {LEAST_FOR_COSTS} labelled "
            f"tickets{in_scope(given)}, found {tickets}"
        )


def check_saving(given: Given, cost: CostEvidence) -> None:
    """Raises PromiseRefused where it is not shown that the mean cost is below an agent's."""
    if cost.high >= cost.all_human:
        raise PromiseRefused(
            f"task {given.task.name}: it cannot be shown on {len(given.labels_N)} labelled tickets "
            f"to cost less than an agent for every ticket, {cost.all_human:g} each: the least mean "
            f"cost is {cost.mean:.4g}, whose 95 % interval reaches {cost.high:.4g}"
        )


def in_scope(given: Given) -> str:
    """What to add to "labelled tickets" where not all are."""
    return "" if given.inside_N.all() else " in scope"


@dataclass(frozen=True)
class Best:
    """The threshold of the best lower bound. called: of which labels."""

    called: str
    threshold: float
    right: int
    accepted: int
    bound: float

    @property
    def precision(self) -> float:
        """As observed."""
        return self.right / self.accepted


def why_not(
    given: Given, target: float, level: float, groups: Mapping[str, BoolArray], use: str = ""
) -> str:
    """Why no threshold shows the precision.

    groups: the tickets (N,) of each threshold that was looked for, by what they are called, each
    tested at `level`. use: what the precision is for.
    """
    rule = f"task {given.task.name}: a precision of {target}{use} at level {given.level}"
    kept, tickets = f"labelled tickets{in_scope(given)}", int(given.inside_N.sum())
    if tickets < (least := needed(target, level)):
        return f"{rule} needs at least {least} {kept}, found {tickets}"
    found = [
        _best(given, called, some_N, level)
        for called, some_N in groups.items()
        if (some_N & given.inside_N).any()
    ]
    best = max(found, key=lambda one: one.bound)
    each = "" if math.isclose(level, given.level) else f" at level {level:.4g}"
    called = f" {best.called}" if best.called else ""
    return (
        f"{rule} cannot be shown on {tickets} {kept}: from a confidence of {best.threshold:g} on, "
        f"{best.right} of {best.accepted}{called} are right, whose lower bound of "
        f"{best.bound:.4f}{each} is the best, before correcting for the many thresholds; "
        f"{_outlook(best, target, level)}"
    )


def enough(right: int, accepted: int, target: float, level: float) -> int | None:
    """About how many accepted tickets, of which as large a share is right, would show `target`: to
    two digits, upward. None where no number would.
    """

    def shows(number: int) -> bool:
        return clopper_pearson_low(right * number // accepted, number, level) >= target

    if right <= target * accepted:
        return None
    low, high = 0, accepted
    while not shows(high):
        low, high = high, 2 * high
        if high > MOST_TICKETS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    unit: int = 10 ** max(0, len(str(high)) - 2)
    return math.ceil(high / unit) * unit


def _best(given: Given, called: str, some_N: BoolArray, level: float) -> Best:
    distinct_K, accepted_K, right_K = given.from_each(given.right_N, some_N)
    counts = zip(right_K.astype(int).tolist(), accepted_K.tolist(), strict=True)
    bounds = [clopper_pearson_low(right, accepted, level) for right, accepted in counts]
    at = int(np.argmax(bounds))
    return Best(called, float(distinct_K[at]), int(right_K[at]), int(accepted_K[at]), bounds[at])


def _outlook(best: Best, target: float, level: float) -> str:
    if best.bound >= target:
        return "the surest ones, where testing starts, do not show it; with more tickets they may"
    number = enough(best.right, best.accepted, target, level)
    if number is None:
        return f"at the observed precision of {best.precision:.4f} no number of tickets would do"
    return f"about {number} accepted tickets at the observed precision would do"
