"""The labels that count for a task's test come in; its evidence, valid at every look, goes out.

"At most alpha, however often one looks" is a theorem only where every label that will come has
arrived by the age at which its ticket counts, whether it comes does not depend on who was right,
and none is corrected: the path is rebuilt at every look from the labels as they stand, and what
came late or changed makes it another path. `labelled.AMPLE` says what was simulated where labels
are late.

Shapes: N labelled tickets in the order of their decisions, L looks.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.shadow.findings.labelled import Admitted, Labels, counts
from service.shadow.findings.proofs import Look, McNemar, Side, Test
from service.shadow.plan import TaskPlan
from service.statistics import eprocess
from service.statistics.paired import exact_mcnemar
from service.statistics.samples import labels_needed

MAX_LOOKS = 200


class Claim(NamedTuple):
    """What is to be shown: side and margin as `eprocess` takes them, at an alpha of its own."""

    side: eprocess.Side
    margin: float
    alpha: float


def claims(plan: TaskPlan, alpha: float, tasks: int) -> list[Claim]:
    """What promotes, what rolls back, and for equivalence the upper bound too.

    One task is enough to roll back, so that claim's alpha is divided by their number; all are
    needed to promote, so that one's is not.
    """
    margin = 0.0 if plan.criterion == "superiority" else plan.margin
    found = [Claim("better", margin, alpha), Claim("worse", margin, alpha / tasks)]
    if plan.criterion == "equivalence":
        found.append(Claim("worse", -margin, alpha))
    return found


def examine(admitted: Admitted, plan: TaskPlan, alpha: float, tasks: int) -> Test:
    """The test of one task. tasks: how many the pair of models is judged on."""
    labels, pairs = admitted.labels, admitted.labels.pairs
    stated = claims(plan, alpha, tasks)
    path = _path(labels, stated, alpha)
    return Test(
        criterion=plan.criterion,
        margin=stated[0].margin,
        alpha=alpha,
        labels=pairs.n,
        left_out_review=admitted.left_out_review,
        left_out_early=admitted.left_out_early,
        left_out_recent=admitted.left_out_recent,
        matured_s=admitted.matured_s,
        delay_s=admitted.delay_s,
        counts=counts(pairs),
        gap=pairs.gap if pairs.n else None,
        low=path[-1].low if path else -1.0,
        high=path[-1].high if path else 1.0,
        sides=tuple(_side(labels, claim) for claim in stated),
        path=path,
        mcnemar=None if plan.horizon is None else _mcnemar(labels, plan.horizon),
    )


def differences(labels: Labels) -> NDArray[np.int64]:
    """1 where only the challenger was right, -1 where only the incumbent, else 0: (N,)."""
    return labels.challenger_N.astype(np.int64) - labels.incumbent_N.astype(np.int64)


def missing(
    admitted: Admitted, plan: TaskPlan, alpha: float, tasks: int
) -> tuple[int | None, int | None]:
    """Labels still needed to promote, and to roll back; None where more would not do it.

    Those that only wait until their tickets are old enough are among them.
    """
    pairs = admitted.labels.pairs
    wants = [
        labels_needed(pairs, claim.margin, claim.alpha, claim.side)
        for claim in claims(plan, alpha, tasks)
    ]
    ahead = [want for at, want in enumerate(wants) if at != 1]
    known = [want for want in ahead if want is not None]
    return (max(known) if len(known) == len(ahead) else None), wants[1]


def _side(labels: Labels, claim: Claim) -> Side:
    found = eprocess.evidence(differences(labels), claim.margin, claim.side, claim.alpha)
    first = found.crossed_at
    return Side(
        claim="gap_above" if claim.side == "better" else "gap_below",
        bound=-claim.margin if claim.margin else 0.0,
        log_wealth=found.log_wealth,
        log_highest=found.best,
        log_needed=-math.log(claim.alpha),
        p_value=found.p,
        proven=first is not None,
        proven_at=None if first is None else float(labels.at_N[first - 1]),
        proven_after=first,
    )


def _path(labels: Labels, stated: Sequence[Claim], alpha: float) -> tuple[Look, ...]:
    seen_L = eprocess.looks(len(labels), MAX_LOOKS)
    tally = eprocess.tally(differences(labels), seen_L)
    low_L, high_L = eprocess.confidence_sequence(tally, alpha)
    wealth = [
        eprocess.log_wealth(tally.wins, tally.losses, tally.ties, claim.margin, claim.side)
        for claim in stated
    ]
    return tuple(
        Look(
            n=int(n),
            at=float(labels.at_N[n - 1]),
            log_wealth=tuple(float(side_L[look]) for side_L in wealth),
            gap=float(tally.wins[look] - tally.losses[look]) / int(n),
            low=float(low_L[look]),
            high=float(high_L[look]),
        )
        for look, n in enumerate(seen_L)
    )


def _mcnemar(labels: Labels, horizon: int) -> McNemar:
    n = len(labels)
    if n < horizon:
        return McNemar(horizon=horizon, n=n, reached=False, counts=None, p_value=None)
    pairs = labels.among(np.arange(n) < horizon).pairs
    return McNemar(
        horizon=horizon, n=n, reached=True, counts=counts(pairs), p_value=exact_mcnemar(pairs)
    )
