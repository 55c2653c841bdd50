"""Which tickets would be `auto`, and which are right, come in; the evidence of a promise goes out.

Shapes: N labelled tickets.
"""

import numpy as np
from numpy.typing import NDArray

from service.contract.promises import CostEvidence, Evidence, Share
from service.statistics.intervals import clopper_pearson
from training.calibration.fit import FloatArray

BoolArray = NDArray[np.bool_]

RESAMPLES = 1000


def evidence(
    accepted_N: BoolArray, right_N: BoolArray, cost: CostEvidence | None = None
) -> Evidence:
    """accepted_N: decided `auto`; right_N: the label given is the final one."""
    tickets, accepted = len(accepted_N), int(accepted_N.sum())
    right = int((accepted_N & right_N).sum())
    return Evidence(
        tickets=tickets,
        accepted=accepted,
        right=right,
        precision=share(right, accepted) if accepted else None,
        coverage=share(accepted, tickets),
        cost=cost,
    )


def share(part: int, whole: int) -> Share:
    """With its two-sided 95 % Clopper-Pearson interval; whole: at least 1."""
    interval = clopper_pearson(part, whole)
    return Share(value=part / whole, low=interval.low, high=interval.high)


def cost_evidence(
    accepted_N: BoolArray, cost_N: FloatArray, human: float, seed: int = 0
) -> CostEvidence:
    """The mean cost of a ticket with its bootstrap percentile interval (Efron & Tibshirani 1993).

    cost_N: of the label given, if it is applied. A resample of the tickets is a draw of how often
    each distinct cost occurs, so it is drawn as that.
    """
    paid_N = np.where(accepted_N, cost_N, human)
    value_K, count_K = np.unique(paid_N, return_counts=True)
    drawn_RK = np.random.default_rng(seed).multinomial(
        len(paid_N), count_K / len(paid_N), size=RESAMPLES
    )
    low, high = np.quantile(drawn_RK @ value_K / len(paid_N), [0.025, 0.975])
    return CostEvidence(
        mean=float(paid_N.mean()),
        low=float(low),
        high=float(high),
        all_auto=float(cost_N.mean()),
        all_human=human,
    )
