"""A task's logits and labels come in; the calibration that cross-validation prefers goes out, with
cross-fitted probabilities.

Shapes: N tickets, C classes, K folds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from service.contract.bundle import Calibration
from training.calibration.fit import (
    METHODS,
    SPREADING,
    FloatArray,
    IntArray,
    Method,
    fit,
    named,
    probabilities,
)
from training.errors import AnswerError

FEW = 50
"""Below so many tickets at most a temperature is fitted, in three folds."""
SCARCE = 10
"""Below so many nothing is fitted: the offset is all that is applied, where there is one."""
LEAST_GAIN = 2.0
"""Of negative log likelihood over all tickets, which a spread has to gain: about what one free
number gains by chance in one of twenty desks.
"""


@dataclass(frozen=True)
class Selected:
    """probabilities_NC: each ticket's by the chosen method fitted without its fold, so that what is
    measured on them was not fitted to them. candidates: by name the mean negative log likelihood of
    the folds, and the standard error of its difference from the least.
    """

    calibration: Calibration
    probabilities_NC: FloatArray
    candidates: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, eq=False)
class _Candidate:
    method: Method
    offset_C: FloatArray | None

    @property
    def name(self) -> str:
        return named(self.method, self.offset_C is not None)

    def fit(self, logits_NC: FloatArray, labels_N: IntArray) -> Calibration:
        return fit(self.method, logits_NC, labels_N, self.offset_C)

    def cross_fit(
        self, logits_NC: FloatArray, labels_N: IntArray, fold_N: IntArray, folds: int
    ) -> FloatArray:
        """Probabilities (N, C), each ticket's from a fit without its fold."""
        crossed_NC = np.empty(logits_NC.shape, dtype=np.float64)
        for fold in range(folds):
            out_N = fold_N == fold
            calibration = self.fit(logits_NC[~out_N], labels_N[~out_N])
            crossed_NC[out_N] = probabilities(logits_NC[out_N], calibration)
        return crossed_NC


def select(
    logits_NC: FloatArray,
    labels_N: IntArray,
    offset_C: FloatArray | None = None,
    folds: int = 5,
    seed: int = 0,
) -> Selected:
    """The simplest method whose cross-validated negative log likelihood is within one standard
    error of the least (Breiman et al. 1984), the error being that of the paired difference. None is
    taken that is less likely than what the rule takes without a spread, and none with a spread that
    gains less than `LEAST_GAIN` on it: next to nothing can be many standard errors of itself.

    logits_NC: finite, see `check_finite`. labels_N: indices, all labelled. offset_C: see
    `priors.offset`; each method is then tried with and without it, on few tickets only with it. Of
    equally simple methods the likelier is taken.
    """
    if offset_C is not None and not np.ptp(offset_C) > 0.0:
        offset_C = None
    if len(labels_N) < SCARCE:
        calibration = fit("none", logits_NC, labels_N, offset_C)
        return Selected(calibration, probabilities(logits_NC, calibration), {})
    folds = 3 if len(labels_N) < FEW else folds
    fold_N = stratified(labels_N, folds, seed)
    crossed = {
        candidate: candidate.cross_fit(logits_NC, labels_N, fold_N, folds)
        for candidate in _candidates(len(labels_N), offset_C)
    }
    losses = {one: _losses(crossed[one], labels_N) for one in crossed}
    plain = _simplest({one: losses[one] for one in losses if one.method not in SPREADING})
    most = losses[plain].sum()
    gains = {one: LEAST_GAIN if one.method in SPREADING else 0.0 for one in losses}
    chosen = _simplest(
        {one: losses[one] for one in losses if losses[one].sum() <= most - gains[one]}
    )
    table = _compare({one.name: loss_N for one, loss_N in losses.items()})
    return Selected(chosen.fit(logits_NC, labels_N), crossed[chosen], table)


def check_finite(task: str, logits_NC: FloatArray) -> None:
    """Raises AnswerError where a logit is not a finite number: no calibration can be told from
    another then.
    """
    if broken := int((~np.isfinite(logits_NC)).any(axis=1).sum()):
        raise AnswerError(
            f"task {task}: every logit must be finite, found {broken} of {len(logits_NC)} tickets "
            "with one that is not",
            task,
        )


def stratified(labels_N: IntArray, folds: int, seed: int) -> IntArray:
    """The fold (N,) of each ticket: every label is dealt evenly to all folds, in random order."""
    order_N = np.lexsort((np.random.default_rng(seed).random(len(labels_N)), labels_N))
    fold_N = np.empty(len(labels_N), dtype=np.int64)
    fold_N[order_N] = np.arange(len(labels_N)) % folds
    return fold_N


def _candidates(tickets: int, offset_C: FloatArray | None) -> list[_Candidate]:
    if tickets < FEW:
        return [_Candidate("none", offset_C), _Candidate("temperature", offset_C)]
    offsets = [None] if offset_C is None else [None, offset_C]
    return [_Candidate(method, one) for method in METHODS for one in offsets]


def _losses(probabilities_NC: FloatArray, labels_N: IntArray) -> FloatArray:
    """Negative log likelihood (N,) of each ticket's label."""
    likely_N = probabilities_NC[np.arange(len(labels_N)), labels_N]
    return np.asarray(-np.log(np.maximum(likely_N, np.finfo(np.float64).tiny)))


def _compare(losses: Mapping[str, FloatArray]) -> dict[str, tuple[float, float]]:
    best_N = min(losses.values(), key=lambda loss_N: float(loss_N.mean()))
    return {
        name: (
            float(loss_N.mean()),
            float(np.std(loss_N - best_N, ddof=1) / np.sqrt(len(loss_N))),
        )
        for name, loss_N in losses.items()
    }


def _simplest(losses: Mapping[_Candidate, FloatArray]) -> _Candidate:
    """Of those within one standard error of the least; of equally simple ones the likelier."""
    table = _compare({one.name: loss_N for one, loss_N in losses.items()})
    within = [one for one in losses if _within_one_error(table, one.name)]
    return min(within, key=lambda one: (METHODS.index(one.method), table[one.name][0]))


def _within_one_error(table: Mapping[str, tuple[float, float]], name: str) -> bool:
    loss, error = table[name]
    return loss - error <= min(least for least, _ in table.values())
