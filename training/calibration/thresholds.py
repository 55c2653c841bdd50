"""A task's calibrated probabilities, its labels and a promise come in; the thresholds that keep the
promise go out, with the evidence.

A promise of costs is kept by a threshold on the probability of the label that is given: its mean
cost is the least among such thresholds on these tickets. It is not the least of all rules: one that
compares each ticket's own expected cost with an agent's may cost less still.

Shapes: N labelled tickets, C labels, K distinct confidences.
"""

from bisect import bisect_left

import numpy as np

from service.contract.promises import Promise, Threshold
from service.contract.tasks import Label, Task
from service.statistics.intervals import clopper_pearson_low
from service.statistics.sequence import needed
from training.calibration.evidence import BoolArray, cost_evidence, evidence
from training.calibration.fit import FloatArray, IntArray
from training.calibration.given import Given
from training.calibration.promises import TaskPromise
from training.calibration.refusals import (
    check_costs,
    check_labels,
    check_saving,
    check_scope,
    why_not,
)
from training.errors import PromiseRefused

ENOUGH = 5
"""A label gets a threshold of its own where it is given to so many times the tickets that would do
if all were right: of most labels only some of the tickets are sure enough.
"""
HALF = 0.5
"""From this confidence a label is shown to an agent where the promise does not say."""


def threshold(
    task: Task,
    probabilities_NC: FloatArray,
    labels_N: IntArray,
    promise: TaskPromise,
    level: float,
    inside_N: BoolArray | None = None,
) -> Threshold:
    """The thresholds that make `promise` true with a chance of at least `level`.

    probabilities_NC: of tickets that they were not fitted to. labels_N: indices, all labelled.
    inside_N: in scope, as nothing else is ever `auto`; None for all.
    Confidences are rounded as the reply rounds them. Raises PromiseRefused where the tickets cannot
    show it, ConfigError where the costs name an unknown label.
    """
    check_labels(task, labels_N)
    if inside_N is None:
        inside_N = np.ones(len(labels_N), dtype=bool)
    given = Given(task, probabilities_NC, labels_N, promise, level, inside_N)
    check_scope(given)
    auto, by_label = _decided(given)
    return Threshold(
        auto=auto,
        suggest=_suggest(given, auto),
        by_label=by_label,
        choose=promise.choose,
        costs=given.costs,
        promise=_promise(given, auto, by_label),
    )


def _decided(given: Given) -> tuple[float, dict[Label, float | None]]:
    """`auto` and `by_label`."""
    promise = given.promise
    if promise.precision is not None:
        return _precise(given, promise.precision)
    if promise.coverage is not None:
        return _covering(given, promise.coverage), {}
    return _cheapest(given, promise.human or 0.0), {}


def _precise(given: Given, target: float) -> tuple[float, dict[Label, float | None]]:
    """`auto` and `by_label`; the chance of a false promise is shared equally by all thresholds that
    are tested, so that all hold together. Where the labels without a threshold of their own show
    nothing they are never `auto`, and `by_label` then says so of each.
    """
    tested = _tested(given, target) if given.promise.per_label else []
    level = _each(given.level, _thresholds(given.task, len(tested)))
    names = given.task.labels
    own = {names[label]: given.chosen_N == label for label in tested}
    rest_N = ~np.isin(given.chosen_N, tested)
    by_label = {name: given.shown(own_N, target, level) for name, own_N in own.items()}
    others = given.shown(rest_N, target, level)
    if others is None and all(found is None for found in by_label.values()):
        groups = {f"called {name}": own_N for name, own_N in own.items()}
        rest = "called otherwise" if tested else ""
        fewer = "; without per_label it needs fewer" if tested else ""
        raise PromiseRefused(why_not(given, target, level, {**groups, rest: rest_N}) + fewer)
    if others is not None:
        return others, by_label
    return 1.0, {name: by_label.get(name) for name in names}


def _tested(given: Given, target: float) -> list[int]:
    """The labels that get a threshold of their own: as many of those given most often as have the
    tickets for it. What was right is not looked at.
    """
    count_C = np.bincount(given.chosen_N[given.inside_N], minlength=given.task.classes)
    most_first_C = np.argsort(-count_C, kind="stable")
    for number in range(given.task.classes, 0, -1):
        level = _each(given.level, _thresholds(given.task, number))
        if count_C[most_first_C[number - 1]] >= ENOUGH * needed(target, level):
            return sorted(most_first_C[:number].tolist())
    return []


def _thresholds(task: Task, tested: int) -> int:
    """How many are tested: one for each of these labels, and one for the rest."""
    return tested + (tested < task.classes)


def _each(level: float, number: int) -> float:
    """The level of each of so many promises, all of which shall hold at `level` (Bonferroni)."""
    return 1.0 - (1.0 - level) / number


def _covering(given: Given, target: float) -> float:
    """The highest threshold with a lower bound of coverage at the target.

    Coverage only falls as the threshold rises, so that testing them in this order needs no
    correction: it is the distribution-free bound of a quantile (Wilks 1941).
    """
    tickets, least = len(given.labels_N), needed(target, given.level)
    if tickets < least:
        raise PromiseRefused(
            f"task {given.task.name}: a coverage of {target} at level {given.level} needs at least "
            f"{least} labelled tickets, found {tickets}"
        )
    distinct_K, accepted_K, _ = given.from_each(given.right_N)

    def bound(accepted: int) -> float:
        return clopper_pearson_low(accepted, tickets, given.level)

    # Without the last bit's error all of the `least` tickets would always do.
    target -= 1e-9
    if bound(accepted_K[-1]) < target:
        raise PromiseRefused(
            f"task {given.task.name}: a coverage of {target:g} is out of reach: only "
            f"{accepted_K[-1]} of {tickets} labelled tickets are in scope, the others never auto"
        )
    return float(distinct_K[bisect_left(accepted_K.tolist(), target, key=bound)])


def _cheapest(given: Given, human: float) -> float:
    """The threshold of the least mean cost; of equal ones the highest. Being the least seen, its
    mean is a little lower here than it will be.
    """
    check_costs(given)
    distinct_K, accepted_K, cost_K = given.from_each(given.cost_N)
    tickets = len(given.labels_N)
    mean_K = (cost_K + human * (tickets - accepted_K)) / tickets
    best = int(np.argmin(mean_K))
    if mean_K[best] >= human:
        raise PromiseRefused(
            f"task {given.task.name}: no threshold costs less than an agent for every ticket, "
            f"{human:g} each; the cheapest one costs {mean_K[best]:.4g}"
        )
    return float(distinct_K[best])


def _suggest(given: Given, auto: float) -> float:
    """The lowest threshold from which all answers, `auto` included, show the precision that is
    asked for; one half where none is. Never above `auto`.
    """
    wanted = given.promise.suggest
    if wanted is None:
        return min(auto, HALF)
    all_N = np.ones(len(given.labels_N), dtype=bool)
    found = given.shown(all_N, wanted, given.level)
    if found is None:
        reason = why_not(given, wanted, given.level, {"": all_N}, " for suggest")
        raise PromiseRefused(f"{reason}; without suggest a label is shown from {HALF} on")
    return min(auto, found)


def _promise(given: Given, auto: float, by_label: dict[Label, float | None]) -> Promise:
    never = 2.0
    bars = [by_label.get(label, auto) for label in given.task.labels]
    bar_C = np.array([never if bar is None else bar for bar in bars])
    accepted_N = given.inside_N & (given.confidence_N >= bar_C[given.chosen_N])
    wanted = given.promise
    cost = None
    if wanted.human is not None:
        cost = cost_evidence(accepted_N, given.cost_N, wanted.human)
        check_saving(given, cost)
    return Promise(
        kind=wanted.kind,
        target=wanted.precision or wanted.coverage,
        level=given.level,
        evidence=evidence(accepted_N, given.right_N, cost),
    )
