"""Cases come in; where the two differ unusually often, and where the challenger is worse, goes
out.
"""

from collections.abc import Sequence

import numpy as np

from service.ledger.records import Case
from service.shadow.findings.dimensions import columns
from service.shadow.findings.disagreement import differs, shares
from service.shadow.findings.labelled import counts, rights
from service.shadow.findings.proofs import SegmentGap
from service.shadow.findings.shares import SegmentRate
from service.statistics.segments import rank_disagreement, rank_gaps

MAX_SEGMENTS = 60
"""That a report lists; p values are adjusted for all that were looked at."""


def apart(cases: Sequence[Case]) -> tuple[SegmentRate, ...]:
    """Segments of compared cases by how unusual their disagreement is."""
    if not cases:
        return ()
    differs_N = np.array([differs(case) for case in cases], dtype=bool)
    return tuple(
        SegmentRate(
            dimension=one.dimension,
            value=one.value,
            p_value=one.p,
            p_adjusted=one.adjusted_p,
            **shares(one.differing, one.n),
        )
        for one in rank_disagreement(columns(cases, final=False), differs_N)[:MAX_SEGMENTS]
    )


def worse(cases: Sequence[Case]) -> tuple[SegmentGap, ...]:
    """Segments of cases that agents labelled, those in which the challenger is worse first."""
    if not cases:
        return ()
    return tuple(
        SegmentGap(
            dimension=one.dimension,
            value=one.value,
            counts=counts(one.pairs),
            gap=one.gap,
            low=one.interval.low,
            high=one.interval.high,
            excess=one.excess,
            p_value=one.p,
            p_adjusted=one.adjusted_p,
        )
        for one in rank_gaps(columns(cases, final=True), *rights(cases))[:MAX_SEGMENTS]
    )
