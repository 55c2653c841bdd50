"""Two graphs' answers to the same labelled tickets come in; what whole numbers cost goes out, or
why it is too much.

Shapes: N tickets, C classes of a task.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from export.errors import QuantizationRefused
from service.contract.tasks import Task
from service.statistics.paired import Pairs, paired_difference
from training.calibration.fit import probabilities
from training.calibration.judge import Judged
from training.data.dataset import UNLABELLED
from training.predictions import Predictions

IntArray = NDArray[np.int64]

_LEVEL = 0.90
"""Two-sided, of which one end is used: one-sided 95 %."""

_RESAMPLES, _SEED = 400, 0


@dataclass(frozen=True)
class Limits:
    """What whole numbers may cost a task at most.

    loss, bound: of accuracy, as measured and at the upper end of its one-sided 95 % interval; a
    loss of macro-F1 may not surely be above `loss`. agreement: least share of tickets that keep
    their label. nll: calibrated, as a share of that of float32.
    """

    loss: float = 0.01
    bound: float = 0.015
    agreement: float = 0.98
    nll: float = 1.02


@dataclass(frozen=True)
class Cost:
    """Of one task. tickets: with a label. agreement: over all tickets, labelled or not.

    accuracy_loss: of accuracy in whole numbers, with its one-sided 95 % upper bound. f1_loss: of
    macro-F1, with its lower bound. nll: calibrated, cross-fitted, over that of float32.
    """

    task: str
    tickets: int
    agreement: float
    accuracy_loss: float
    accuracy_bound: float
    f1_loss: float
    f1_bound: float
    nll: float

    def document(self) -> dict[str, float | int]:
        """For a manifest, which keeps it by task."""
        return {key: value for key, value in asdict(self).items() if key != "task"}


def weigh(
    tasks: tuple[Task, ...],
    before: tuple[Predictions, Judged],
    after: tuple[Predictions, Judged],
    limits: Limits,
) -> tuple[Cost, ...]:
    """What each task loses from `before` to `after`, each judged for itself on the same tickets.

    Raises QuantizationRefused where it is more than the limits, or too few tickets tell.
    """
    costs = tuple(_cost(task, before, after) for task in tasks)
    for cost in costs:
        _check(cost, limits)
    return costs


def check_agreement(task: str, share: float, limits: Limits) -> None:
    """Raises QuantizationRefused where too few tickets keep their label."""
    if not share >= limits.agreement:
        raise QuantizationRefused(
            f"task {task}: in whole numbers {share:.2%} of the tickets keep their label, at least "
            f"{limits.agreement:.0%} must"
        )


def _cost(
    task: Task, before: tuple[Predictions, Judged], after: tuple[Predictions, Judged]
) -> Cost:
    old_N, new_N = _labels(task.name, *before), _labels(task.name, *after)
    truth_N = before[0].labels[task.name]
    known_N = truth_N != UNLABELLED
    old, new, truth = old_N[known_N], new_N[known_N], truth_N[known_N]
    pairs = Pairs.from_right(new == truth, old == truth)
    f1_loss, f1_bound = _f1(old, new, truth)
    return Cost(
        task.name,
        pairs.n,
        float((old_N == new_N).mean()),
        -pairs.gap,
        -paired_difference(pairs, _LEVEL).low,
        f1_loss,
        f1_bound,
        after[1].quality[task.name]["nll"] / before[1].quality[task.name]["nll"],
    )


def _labels(name: str, found: Predictions, judged: Judged) -> IntArray:
    calibrated_NC = probabilities(found.logits[name], judged.calibration[name])
    return np.asarray(calibrated_NC.argmax(axis=1), dtype=np.int64)


def _f1(old_N: IntArray, new_N: IntArray, truth_N: IntArray) -> tuple[float, float]:
    """The loss of macro-F1, and its lower bound by a paired bootstrap over tickets."""
    present = np.unique(truth_N)

    def loss(chosen: IntArray) -> float:
        scores = [_macro_f1(truth_N[chosen], one[chosen], present) for one in (old_N, new_N)]
        return scores[0] - scores[1]

    return _bootstrap(loss, len(truth_N))


def _macro_f1(truth_N: IntArray, given_N: IntArray, labels: IntArray) -> float:
    """The mean F1 over `labels`; 0 for one that nobody names.

    Counted, since a bootstrap asks often: scikit-learn's takes fifty times as long.
    """
    classes = 1 + int(max(truth_N.max(), given_N.max(), labels.max()))
    hits_C = np.bincount(truth_N[truth_N == given_N], minlength=classes)
    named_C = np.bincount(truth_N, minlength=classes) + np.bincount(given_N, minlength=classes)
    return float((2.0 * hits_C / np.maximum(named_C, 1))[labels].mean())


def _bootstrap(loss: Callable[[IntArray], float], count: int) -> tuple[float, float]:
    random = np.random.default_rng(_SEED)
    drawn = [loss(random.integers(0, count, count)) for _ in range(_RESAMPLES)]
    return loss(np.arange(count)), float(np.quantile(drawn, (1.0 - _LEVEL) / 2.0))


def _check(cost: Cost, limits: Limits) -> None:
    rule = f"task {cost.task}: in whole numbers"
    check_agreement(cost.task, cost.agreement, limits)
    if not cost.accuracy_loss <= limits.loss:
        raise QuantizationRefused(
            f"{rule} accuracy falls by {cost.accuracy_loss:.2%}, at most {limits.loss:.0%} may go"
        )
    # One ticket of a rare label moves macro-F1 by a point: only a loss that is shown is refused.
    if not cost.f1_bound <= limits.loss:
        raise QuantizationRefused(
            f"{rule} macro-F1 falls by {cost.f1_loss:.2%}, surely by more than {limits.loss:.0%}"
        )
    if not cost.nll <= limits.nll:
        raise QuantizationRefused(
            f"{rule} the calibrated NLL is {cost.nll:.3f} of what it was, at most "
            f"{limits.nll} may be"
        )
    if not cost.accuracy_bound <= limits.bound:
        raise QuantizationRefused(
            f"{rule} accuracy may fall by {cost.accuracy_bound:.2%} for all that {cost.tickets} "
            f"labelled tickets tell, at most {limits.bound:.1%} may go: some "
            f"{_needed(cost, limits)} are needed to tell"
        )


def _needed(cost: Cost, limits: Limits) -> int:
    """Tickets at which the bound would be met if the loss stays: it shrinks with their root."""
    width = (cost.accuracy_bound - cost.accuracy_loss) / (limits.bound - cost.accuracy_loss)
    return math.ceil(cost.tickets * width**2 / 10) * 10
