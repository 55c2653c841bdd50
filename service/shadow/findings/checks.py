"""Cases come in; whether those that count look like those that do not goes out."""

from collections.abc import Sequence
from typing import Literal

from service.ledger.records import Case
from service.shadow.findings.dimensions import columns
from service.shadow.findings.disagreement import compared, differs
from service.shadow.findings.labelled import REVIEW
from service.shadow.findings.proofs import Check, ShiftRow
from service.shadow.plan import Criterion
from service.statistics.shift import Shift, shifts

LEAST = 30
"""Cases that either group needs to be compared at all."""
STRONG_DIFFERENCE = 0.25
"""Standardised difference from which two groups no longer stand for each other (Stuart 2010)."""
STRONG_P, WEAK_P = 0.01, 0.05
LEAST_LOST = 0.01
"""Share of answers whose loss can matter at all."""

AGREEMENT = "agreement"


def drop_bias(cases: Sequence[Case]) -> Check:
    """Whether what was dropped or failed looks like what was compared."""
    kept = compared(cases)
    lost = [case for case in cases if case.outcome != "compared"]
    enough = len(lost) >= LEAST_LOST * len(cases)
    return _check("drop_bias", kept, lost, blind=() if enough else None)


def feedback_bias(cases: Sequence[Case], criterion: Criterion) -> Check:
    """Whether compared cases that agents labelled look like those that nobody did.

    Labels from the review queue belong to neither. Where superiority is asked, agents may label
    disagreements more often: that leaves the sign of the gap as it is.
    """
    those = [case for case in cases if case.source != REVIEW]
    known = [case for case in those if case.final_label is not None]
    unknown = [case for case in those if case.final_label is None]
    blind = (AGREEMENT,) if criterion == "superiority" else ()
    return _check("feedback_bias", known, unknown, blind)


def _check(
    name: Literal["drop_bias", "feedback_bias"],
    first: Sequence[Case],
    second: Sequence[Case],
    blind: tuple[str, ...] | None,
) -> Check:
    """blind: dimensions that never count as strong; None for all."""
    n, others = len(first), len(second)
    if others == 0 or min(n, others) < LEAST:
        state: Literal["passed", "too_few"] = "passed" if n and not others else "too_few"
        return Check(name=name, state=state, n=n, others=others, rows=())
    found = columns([*first, *second], final=False)
    if name == "feedback_bias":
        said = ["different" if differs(case) else "same" for case in (*first, *second)]
        found[AGREEMENT] = [*said]
    rows = tuple(
        _row(one, blind is not None and one.dimension not in blind)
        for one in shifts({key: (column[:n], column[n:]) for key, column in found.items()})
    )
    return Check(name=name, state=_judged(rows), n=n, others=others, rows=rows)


def _row(one: Shift, counts: bool) -> ShiftRow:
    strong = counts and one.largest >= STRONG_DIFFERENCE and one.adjusted_p < STRONG_P
    return ShiftRow(
        dimension=one.dimension,
        value=one.value,
        share=one.first_share,
        others_share=one.second_share,
        difference=one.largest,
        cramers_v=one.cramers_v,
        p_value=one.p,
        p_adjusted=one.adjusted_p,
        strong=strong,
    )


def _judged(rows: Sequence[ShiftRow]) -> Literal["passed", "weak", "strong"]:
    if any(row.strong for row in rows):
        return "strong"
    return "weak" if any(row.p_adjusted < WEAK_P for row in rows) else "passed"
