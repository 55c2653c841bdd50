"""One split's predictions and the promises come in; calibrations, thresholds, conformal sets, the
limit of the scope, and what is measured of them, go out.

Everything is judged on cross-fitted probabilities: a ticket's come from a calibration that was
fitted without it. Shapes: N tickets, C labels.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from service.contract.bundle import Calibration
from service.contract.promises import Scope, SetRule, Threshold
from service.contract.tasks import Task
from service.statistics.choice import DECIMALS
from service.statistics.conformal import conformal_quantile
from training.calibration.conformal import set_rules
from training.calibration.evidence import BoolArray
from training.calibration.fit import FloatArray, IntArray
from training.calibration.measures import Measures, measures
from training.calibration.promises import Promises
from training.calibration.selection import Selected, check_finite, select
from training.calibration.thresholds import threshold
from training.data.dataset import UNLABELLED
from training.errors import PromiseRefused
from training.predictions import Predictions

ScopeMethod = Literal["mahalanobis", "energy"]

LEAST_FOR_SETS = 20
LEAST_FOR_SCOPE = 100


@dataclass(frozen=True)
class Judged:
    """What a variant of a bundle holds, by task.

    quality: measures of the cross-fitted probabilities. thresholds: of the tasks with a promise.
    sets: of the tasks with the tickets for them. scope: None where the predictions hold no score.
    candidates: by calibration tried, the loss and its error, see `selection.Selected`. notes: what
    was left out, and why.
    """

    calibration: dict[str, Calibration]
    quality: dict[str, Measures]
    thresholds: dict[str, Threshold]
    sets: dict[str, tuple[SetRule, ...]]
    scope: Scope | None
    candidates: dict[str, Mapping[str, tuple[float, float]]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _One:
    """Of one task."""

    selected: Selected
    quality: Measures
    threshold: Threshold | None
    sets: tuple[SetRule, ...] | str


def judge(
    tasks: tuple[Task, ...],
    predictions: Predictions,
    promises: Promises | None,
    offsets: Mapping[str, Sequence[float] | FloatArray] | None = None,
    scope_method: ScopeMethod | None = None,
    kept_scope: Scope | None = None,
) -> Judged:
    """What the tickets of one split show. promises: None promises nothing.

    offsets: by task, what takes the class weights of training back (see `priors.offset`).
    scope_method: sets the limit of the scope anew on these tickets. kept_scope: a limit that stays
    as it is, and decides in place of a new one which tickets are in scope. Raises PromiseRefused
    where the tickets cannot show a promise, ConfigError where one names a task or a label that is
    not there, AnswerError where a logit is not finite.
    """
    wanted = promises or Promises()
    wanted.check(tasks)
    scope = kept_scope or scope_of(predictions, wanted, scope_method)
    limit = None if isinstance(scope, str) else scope
    inside_N = _inside(predictions, limit)
    found = {task.name: _one(task, predictions, inside_N, wanted, offsets or {}) for task in tasks}
    said = [*(one.sets for one in found.values()), scope]
    return Judged(
        calibration={name: one.selected.calibration for name, one in found.items()},
        quality={name: one.quality for name, one in found.items()},
        thresholds={name: one.threshold for name, one in found.items() if one.threshold},
        sets={name: one.sets for name, one in found.items() if not isinstance(one.sets, str)},
        scope=limit,
        candidates={name: one.selected.candidates for name, one in found.items()},
        notes=tuple(one for one in said if isinstance(one, str)),
    )


def _one(
    task: Task,
    predictions: Predictions,
    inside_N: BoolArray,
    promises: Promises,
    offsets: Mapping[str, Sequence[float] | FloatArray],
) -> _One:
    logits_NC, labels_N = predictions.labelled(task.name)
    check_finite(task.name, logits_NC)
    offset_C = offsets.get(task.name)
    selected = select(logits_NC, labels_N, None if offset_C is None else np.asarray(offset_C))
    crossed_NC = selected.probabilities_NC
    decided = None
    if (promise := promises.tasks.get(task.name)) is not None:
        known_N = inside_N[predictions.labels[task.name] != UNLABELLED]
        decided = threshold(task, crossed_NC, labels_N, promise, promises.level, known_N)
    return _One(
        selected=selected,
        quality=measures(task, crossed_NC, labels_N),
        threshold=decided,
        sets=_sets(task, crossed_NC, labels_N, promises.sets),
    )


def _sets(
    task: Task, probabilities_NC: FloatArray, labels_N: IntArray, coverage: float
) -> tuple[SetRule, ...] | str:
    """The rules, or why there are none."""
    rule = f"task {task.name} has no conformal sets"
    if len(labels_N) < LEAST_FOR_SETS:
        return f"{rule}: they need {LEAST_FOR_SETS} labelled tickets, found {len(labels_N)}"
    try:
        return set_rules(task, probabilities_NC, labels_N, coverage)
    except PromiseRefused as refused:
        return f"{rule}: {refused}"


def scope_of(
    predictions: Predictions, promises: Promises, method: ScopeMethod | None
) -> Scope | str | None:
    """The limit that keeps `promises.scope` of these tickets, why there is none, or None where the
    network has no score.
    """
    if predictions.scope_N is None or method is None:
        return None
    kept, scores_N = promises.scope, _rounded(predictions.scope_N)
    limit = conformal_quantile(scores_N, kept)
    if len(scores_N) < LEAST_FOR_SCOPE or limit is None:
        return (
            f"no ticket is told to be out of scope: to keep {kept} of those like the training "
            f"tickets needs {_least_for_scope(kept)} tickets, found {len(scores_N)}"
        )
    return Scope(
        method=method,
        threshold=limit,
        kept=float((scores_N <= limit).mean()),
        tickets=len(scores_N),
    )


def inside(scope_N: FloatArray, scope: Scope | None) -> BoolArray:
    """Which tickets (N,) are in scope: all without a limit. scope_N: their scores.

    They are compared as the service compares them, see `service.routing.judge_scope`.
    """
    if scope is None:
        return np.ones(len(scope_N), dtype=bool)
    return np.asarray(_rounded(scope_N) <= scope.threshold)


def _inside(predictions: Predictions, scope: Scope | None) -> BoolArray:
    if predictions.scope_N is not None:
        return inside(predictions.scope_N, scope)
    if scope is not None:
        raise ValueError("a limit of the scope needs the tickets' scores, found none")
    return np.ones(len(predictions), dtype=bool)


def _rounded(scope_N: FloatArray) -> FloatArray:
    """To six decimals, as the reply has the scores. In float32 the sixth would not be one."""
    return np.round(np.asarray(scope_N, dtype=np.float64), DECIMALS)


def _least_for_scope(kept: float) -> int:
    """So many that the limit is one of their scores."""
    return max(LEAST_FOR_SCOPE, math.ceil(kept / (1.0 - kept) - 1e-9))
