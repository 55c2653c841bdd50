"""Cases come in; whether those that count look like those that do not goes out."""

from collections.abc import Sequence
from typing import Literal

from service.ledger.records import REVIEW, Case
from service.shadow.findings.dimensions import columns
from service.shadow.findings.disagreement import compared, differs
from service.shadow.findings.proofs import Check, ShiftRow
from service.shadow.plan import Criterion
from service.statistics.shift import Shift, shifts

LEAST = 30
"""Cases that either group needs to be compared at all."""
STRONG_DIFFERENCE = 0.25
"""Standardised difference from which two groups no longer stand for each other (Stuart 2010)."""
STRONG_P, WEAK_P = 0.01, 0.05
LEAST_DIFFERING = 0.9
"""Least share of disagreements among labelled cases over that among all, where a margin is tested.

Cases on which the two agree have no gap: every disagreement that goes unlabelled draws the observed
gap towards 0, and so a model that is worse by the margin to this side of it.
"""
LEAST_LOST = 0.01
"""Share of answers whose loss can matter at all."""

AGREEMENT, DIFFERENT = "agreement", "different"
DELAY = "label delay"
"""Who alone was right on the tickets that were labelled sooner, against those labelled later."""
SLOW = 0.1
"""Share of the test's time that nine decisive labels in ten may take, before lateness matters.

A ticket that the answering model got wrong tends to be closed later; while many of those are still
open, that model looks too good. A test that waits for its labels need not care.
"""


def drop_bias(cases: Sequence[Case]) -> Check:
    """Whether what was dropped or failed looks like what was compared."""
    kept = compared(cases)
    lost = [case for case in cases if case.outcome != "compared"]
    enough = len(lost) >= LEAST_LOST * len(cases)
    return _check("drop_bias", kept, lost, blind=() if enough else None)


def feedback_bias(cases: Sequence[Case], criterion: Criterion, *, waits: bool = True) -> Check:
    """Whether compared cases that agents labelled look like those that nobody did.

    Where superiority is asked, agents may label disagreements more or less often: that leaves the
    sign of the gap as it is. Labels from the review queue belong to neither then. Where a margin is
    asked, they stand with the unlabelled ones: they do not count, and all are disagreements.
    waits: whether the test counts tickets only once their labels have had time to come.
    """
    superior = criterion == "superiority"
    known = [case for case in cases if case.final_label is not None and case.source != REVIEW]
    unknown = [
        case
        for case in cases
        if case.final_label is None or (case.source == REVIEW and not superior)
    ]
    late = _slow(known) and not waits
    blind = (*([AGREEMENT] if superior else []), *([] if late else [DELAY]))
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
        said = [DIFFERENT if differs(case) else "same" for case in (*first, *second)]
        found[AGREEMENT] = [*said]
    groups = {key: (column[:n], column[n:]) for key, column in found.items()}
    if name == "feedback_bias":
        groups[DELAY] = _by_delay(first)
    rows = tuple(
        _row(one, blind is not None and one.dimension not in blind) for one in shifts(groups)
    )
    return Check(name=name, state=_judged(rows), n=n, others=others, rows=rows)


def _delay(case: Case) -> float:
    return (case.labelled_at or 0.0) - case.at


def _slow(known: Sequence[Case]) -> bool:
    """Whether decisive labels take long beside the time that the labelled cases span."""
    decisive = _decisive(known)
    if not decisive:
        return False
    times = [case.at for case in known]
    return _delay(decisive[len(decisive) * 9 // 10]) > SLOW * (max(times) - min(times))


def _decisive(known: Sequence[Case]) -> list[Case]:
    """Those on which one of the two alone was right, labelled soonest first."""
    apart = [
        case
        for case in known
        if differs(case) and case.final_label in (case.challenger_label, case.incumbent_label)
    ]
    return sorted(apart, key=lambda case: (_delay(case), case.decision_id))


def _by_delay(known: Sequence[Case]) -> tuple[list[str | None], list[str | None]]:
    """Who was right on the half of the decisive labels that came soonest, and on the other half."""
    who: list[str | None] = [
        "challenger" if case.challenger_label == case.final_label else "incumbent"
        for case in _decisive(known)
    ]
    return who[: len(who) // 2], who[len(who) // 2 :]


def _row(one: Shift, counts: bool) -> ShiftRow:
    far = _waters_down(one) if one.dimension == AGREEMENT else one.largest >= STRONG_DIFFERENCE
    strong = counts and far and one.adjusted_p < STRONG_P
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


def _waters_down(one: Shift) -> bool:
    """Whether disagreements are so rare among the labelled cases that the gap looks too small."""
    known, unknown = (
        share if one.value == DIFFERENT else 1.0 - share
        for share in (one.first_share, one.second_share)
    )
    share = (known * one.first + unknown * one.second) / (one.first + one.second)
    return known < LEAST_DIFFERING * share


def _judged(rows: Sequence[ShiftRow]) -> Literal["passed", "weak", "strong"]:
    if any(row.strong for row in rows):
        return "strong"
    return "weak" if any(row.p_adjusted < WEAK_P for row in rows) else "passed"
