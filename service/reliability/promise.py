"""A task's promise and its newest decisions come in; whether it still holds goes out.

What is left of a promise depends on the policy: no promise is checked where the policy leaves none
or loosens it. The ledger does not know by which policy a decision was made; what counts begins
after the newest one that the rules in force would not have made, be it labelled or not. So does a
policy that tightens a broken promise begin anew. (A decision that another policy made `human` is
not told from one out of scope.)

`broken` is evidence, not an interval at one look: who compares a plain 95 % interval with the
target every minute will once see a promise broken that holds. See `service.reliability.betting`:
while decisions fill the window, the chance of a false alarm is at most 1 - level, however often one
looks; once the window slides it is at most that at every moment, and over 20 windows' worth of
labels 5 % of the simulated runs had one at a target of .97 and 15 % at .9, for moments. Of a
promise of .97 that falls to .92 it took 111 labels in the median, and 551 after a full window of
good ones. A promise of least cost was shown at no level: its mean cost is watched against the upper
end of the interval that was measured.

The evidence takes the labelled tickets for what all are like. Where agents label only what went
wrong, every promise looks broken: `labelled_share` says how many are labelled.

Shapes: N tickets.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from service.contract.promises import Costs, Promise, Threshold
from service.contract.tasks import Task
from service.ledger.labelled import Labelled, Recent
from service.reliability.betting import FloatArray, bounds, counted, log_wealth
from service.reliability.document import PromiseStanding
from service.rules import Rule

_MOST = 1e9
"""JSON knows no infinity."""
_LEAST_ALPHA = 1e-6


class _Losses(NamedTuple):
    """What each ticket loses, as a share of `scale`; the promise: at most `allowed` in the mean."""

    losses_N: FloatArray
    allowed: float
    scale: float = 1.0


def standing(
    task: Task, recent: Recent, threshold: Threshold, rule: Rule
) -> PromiseStanding | None:
    """How the promise stands; None where the rule in force leaves none, or one of costs lacks the
    costs.
    """
    promise = threshold.promise
    if promise is None or rule.promise not in ("kept", "tightened"):
        return None
    found = _losses(task, by_rule(recent, rule), threshold, promise)
    if found is None:
        return None
    seen = counted(found.losses_N)
    alpha = max(1.0 - promise.level, _LEAST_ALPHA)
    against = log_wealth(seen, found.allowed)
    lost = bounds(seen, alpha)
    kept = promise.kind != "cost"

    def shown(loss: float) -> float:
        return 1.0 - loss if kept else loss * found.scale

    low, high = sorted((shown(lost.low), shown(lost.high)))
    return PromiseStanding(
        kind=promise.kind,
        target=shown(found.allowed) if promise.target is None else promise.target,
        n=len(found.losses_N),
        observed=shown(float(found.losses_N.mean())) if len(found.losses_N) else None,
        low=low,
        high=high,
        evidence=min(math.exp(min(against, math.log(_MOST))), _MOST),
        broken=against >= -math.log(alpha),
    )


def by_rule(recent: Recent, rule: Rule) -> Recent:
    """Those decisions that came after the newest one that is not of this rule."""
    others = [
        one.at
        for one in (*recent.labelled, *recent.told)
        if not rule.allows(one.label, one.confidence, one.decision)
    ]
    since = max(others, default=-math.inf)
    return replace(
        recent,
        labelled=tuple(one for one in recent.labelled if one.at > since),
        told=tuple(one for one in recent.told if one.at > since),
    )


def _losses(task: Task, recent: Recent, threshold: Threshold, promise: Promise) -> _Losses | None:
    if promise.target is not None:
        if promise.kind == "precision":
            lost = [not one.right for one in recent.labelled if one.decision == "auto"]
        else:
            lost = [one.decision != "auto" for one in recent.told]
        return _Losses(np.array(lost, dtype=np.float64), 1.0 - promise.target)
    costs, shown = threshold.costs, promise.evidence.cost
    if costs is None or shown is None:
        return None
    scale = max(costs.human, *(max(row) for row in costs.matrix)) or 1.0
    paid_N = np.array(_paid(task, recent.labelled, costs), dtype=np.float64)
    return _Losses(paid_N / scale, min(shown.high / scale, 1.0), scale)


def _paid(task: Task, labelled: Sequence[Labelled], costs: Costs) -> list[float]:
    """What each ticket cost; a final label that the task lacks costs as much as the dearest."""
    place = {label: number for number, label in enumerate(task.labels)}

    def cost(one: Labelled) -> float:
        if one.decision != "auto":
            return costs.human
        given, true = place[one.label], place.get(one.final)
        if true is None:
            return max(row[given] for row in costs.matrix)
        return costs.matrix[true][given]

    return [cost(one) for one in labelled]
