"""Which part of the ledger is asked for, and what the store answers beside records."""

from dataclasses import dataclass

from service.ledger.records import FeedbackOutcome, Outcome, Role


@dataclass(frozen=True, slots=True)
class Scope:
    """One legacy's comparisons, or those of one pair of models.

    legacy: its name. challenger, incumbent: identities of the two models (a bundle's digest, or a
    remote system's identity), whichever of them answered; None for any. task: None for all.
    since, until: of the decision's time, since <= at < until. limit: newest cases at most, None for
    every one. labelled_only: leaves out the tickets without a final label of the task (of any task,
    where `task` is None).
    """

    legacy: str
    challenger: str | None = None
    incumbent: str | None = None
    task: str | None = None
    since: float | None = None
    until: float | None = None
    limit: int | None = 200_000
    labelled_only: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models that met: `comparisons` of any outcome, `compared` of them with both answers.

    first, last: times of the decisions. A promotion turns `role` round, not challenger and
    incumbent: the pair is then listed once for each role.
    """

    legacy: str
    role: Role
    challenger: str
    incumbent: str
    comparisons: int
    compared: int
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Total:
    """How many comparisons of a task ended so; reason: None where both answered."""

    task: str
    outcome: Outcome
    reason: str | None
    count: int


@dataclass(frozen=True, slots=True)
class FeedbackReceipt:
    """What became of final labels: an outcome for each, in their order.

    unmatched: positions of the labels whose id matches no decision yet; they are kept all the same.
    kept: rows that the history grew by.
    """

    outcomes: tuple[FeedbackOutcome, ...]
    unmatched: tuple[int, ...] = ()
    kept: int = 0


@dataclass(frozen=True, slots=True)
class FeedbackCounts:
    """The final labels that are kept.

    received: with their history. labelled: distinct (id, task). corrected: those of them that were
    given more than one label.
    """

    received: int
    labelled: int
    corrected: int


@dataclass(frozen=True, slots=True)
class Unmatched:
    """Final labels whose id matches no decision. ids: how many; newest: 100 of them at most."""

    ids: int
    newest: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Rows that were deleted for one ticket."""

    texts: int = 0
    decisions: int = 0
    predictions: int = 0
    comparisons: int = 0
    feedback: int = 0
