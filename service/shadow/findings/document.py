"""What a shadow report says, as one frozen document: public, stable as JSON, and it only grows.

Times are seconds since the epoch, UTC. Figures without any case behind them are null.
"""

from typing import Literal

from service.ledger.records import Outcome, Role
from service.shadow.findings.proofs import Accuracy, Check, GuardState, SegmentGap, Test
from service.shadow.findings.shares import (
    Day,
    Finding,
    LabelPair,
    Matrix,
    Noise,
    Rate,
    SegmentRate,
)
from service.shadow.plan import Plan

Verdict = Literal["promote", "keep", "roll_back"]


class Judgement(Finding):
    """A verdict about the challenger, and why, in plain words.

    labels_needed: final labels that must still count, at the gap seen so far, with those that only
    wait until their tickets are old enough; null where more of the same would not decide it, or
    where nothing can be said yet.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    labels_needed: int | None = None


class Reasoned(Finding):
    """How often one outcome came about. reason: why it was dropped or failed."""

    outcome: Outcome
    reason: str | None
    count: int


class Disagreement(Finding):
    """One ticket on which the two differ.

    final_label: an agent's, where there is one. subject, excerpt: redacted, and only where the
    ledger keeps text.
    """

    decision_id: str
    request_id: str
    ticket_id: str | None
    at: float
    incumbent: str
    challenger: str
    incumbent_confidence: float | None
    challenger_confidence: float | None
    final_label: str | None
    subject: str | None = None
    excerpt: str | None = None


class TaskReport(Finding):
    """Everything about one task.

    cases: tickets, each with its latest decision alone. truncated: there are more, and only the
    newest are looked at; labels, accuracy, test and guards rest on every label all the same.
    outcomes: of every recorded comparison; their sum is `recorded`. top: the disagreements on which
    both models are surest. review: the unlabelled ones most worth an agent's minute.
    """

    task: str
    judgement: Judgement
    cases: int
    truncated: bool
    recorded: int
    outcomes: tuple[Reasoned, ...]
    disagreement: Rate
    kappa: float | None
    matrix: Matrix
    pairs: tuple[LabelPair, ...]
    days: tuple[Day, ...]
    segments: tuple[SegmentRate, ...]
    noise: tuple[Noise, ...]
    labels: int
    labels_from_review: int
    accuracy: Accuracy
    worse: tuple[SegmentGap, ...]
    test: Test
    guards: tuple[GuardState, ...]
    checks: tuple[Check, ...]
    top: tuple[Disagreement, ...]
    review: tuple[Disagreement, ...]


class Feedback(Finding):
    """The final labels of the whole ledger, whatever they belong to.

    received: with their history. labelled: distinct tickets and tasks. corrected: those of them
    that an agent changed later. unmatched: ids that no decision answers to; unmatched_ids: the
    newest of them.
    """

    received: int = 0
    labelled: int = 0
    corrected: int = 0
    unmatched: int = 0
    unmatched_ids: tuple[str, ...] = ()


class PlanInForce(Finding):
    """The plan that the verdict follows.

    registered_at: null where none was registered. revisions: how often it changed afterwards;
    tickets from before the last change do not count for the tests.
    """

    plan: Plan
    registered_at: float | None
    revisions: int


class Report(Finding):
    """The verdict on one pair of models, and everything it rests on.

    role: of the legacy now. since, until: first and last decision. others: legacies with reports
    of their own.
    """

    schema_version: Literal[1] = 1
    made_at: float
    legacy: str
    role: Role
    challenger: str
    incumbent: str
    since: float | None
    until: float | None
    overall: Judgement
    plan: PlanInForce
    feedback: Feedback
    others: tuple[str, ...]
    tasks: tuple[TaskReport, ...]
