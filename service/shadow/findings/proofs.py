"""What a report says about two models against the final labels: frozen documents, stable as JSON.

Logarithms are natural. A gap is the challenger's accuracy less the incumbent's.
"""

from typing import Literal

from service.shadow.findings.shares import Finding, Rate
from service.shadow.plan import Criterion, Guard


class Counts(Finding):
    """Labelled tickets by who was right."""

    both: int
    challenger: int
    incumbent: int
    neither: int
    n: int


class Accuracy(Finding):
    """Both models against the agents' final labels; labels from the review queue are left out.

    low, high: 95 % interval of the gap, paired.
    """

    counts: Counts
    challenger: Rate
    incumbent: Rate
    gap: float | None
    low: float
    high: float


class SegmentGap(Finding):
    """The gap within one segment.

    excess: by how many standard deviations the challenger's losses exceed what the segment's
    tickets lead one to expect; the segments where it is worse stand in this order. p_value: that
    it is worse there, one-sided exact. p_adjusted: by Holm over all segments of the task.
    """

    dimension: str
    value: str
    counts: Counts
    gap: float
    low: float
    high: float
    excess: float
    p_value: float
    p_adjusted: float


class Side(Finding):
    """Always-valid evidence for one statement about the gap.

    claim: what is to be shown. bound: of the gap. log_wealth: now; log_highest: at the best look
    so far; log_needed: what proves the claim. proven_after: labels after which it was first
    reached; proven_at: when the ticket of the last of them was decided.
    """

    claim: Literal["gap_above", "gap_below"]
    bound: float
    log_wealth: float
    log_highest: float
    log_needed: float
    p_value: float
    proven: bool
    proven_at: float | None
    proven_after: int | None


class Look(Finding):
    """The evidence after `n` labels: the same order of sides as `Test.sides`.

    at: when the ticket of the last one was decided.
    """

    n: int
    at: float
    log_wealth: tuple[float, ...]
    gap: float
    low: float
    high: float


class McNemar(Finding):
    """The exact test at the registered horizon: over its first `horizon` tickets, and no others.

    In the order of their decisions: a label that comes late for one of those, or is corrected,
    moves the p value.
    """

    horizon: int
    n: int
    reached: bool
    counts: Counts | None
    p_value: float | None


class Test(Finding):
    """The registered test of one task.

    labels: that count, in the order in which their tickets were decided. left_out_review: from the
    review queue; left_out_early: of tickets from before the plan was last changed; left_out_recent:
    of tickets that are younger than matured_s seconds: the plan's maturity, or more where labels
    take longer; they count later, to promote and to roll back alike. delay_s: what nine in ten
    decisive labels took where that raised the age, else null. sides: first what promotes, then what
    rolls back, then, for equivalence, the upper bound. low, high: the confidence sequence of the
    gap at level 1 - alpha. Both hold at every look where labels come by that age, whoever was
    right, and stay as they are.
    """

    __test__ = False

    criterion: Criterion
    margin: float
    alpha: float
    labels: int
    left_out_review: int
    left_out_early: int
    left_out_recent: int = 0
    matured_s: float = 0.0
    delay_s: float | None = None
    counts: Counts
    gap: float | None
    low: float
    high: float
    sides: tuple[Side, ...]
    path: tuple[Look, ...]
    mcnemar: McNemar | None


class GuardState(Finding):
    """How a guarded segment stands."""

    guard: Guard
    n: int
    gap: float | None
    state: Literal["holds", "violated", "too_few_labels"]


class ShiftRow(Finding):
    """Whether two groups are drawn alike along one dimension.

    value: the one whose shares differ most. share, others_share: its share of the cases that count
    and of the others. difference: of the two, standardised. cramers_v: over all values, 0 to 1.
    p_adjusted: by Holm over the check's dimensions.
    """

    dimension: str
    value: str | None
    share: float
    others_share: float
    difference: float
    cramers_v: float
    p_value: float
    p_adjusted: float
    strong: bool


class Check(Finding):
    """Whether the cases that count look like those that do not.

    Among the newest tickets, where there are more than the report looks at. drop_bias: compared
    against dropped and failed. feedback_bias: labelled by agents against unlabelled; its row
    `label delay` sets labels that came soon against those that came late. n: cases that count;
    others: the rest.
    """

    name: Literal["drop_bias", "feedback_bias"]
    state: Literal["passed", "weak", "strong", "too_few"]
    n: int
    others: int
    rows: tuple[ShiftRow, ...]
