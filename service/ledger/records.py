"""What the ledger keeps, as plain values: they go in through `Ledger`, and come out as `Case`s.

Times are seconds since the epoch, UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

REVIEW = "review"
"""The source of labels that were asked for because two models differ."""

Outcome = Literal["compared", "dropped", "failed"]
Role = Literal["incumbent", "challenger"]
"""What a shadowed model is: `incumbent` is to be replaced by the bundle that answers,
`challenger` is to replace it.
"""


@dataclass(slots=True)
class Told:
    """What the bundle that answered said about one task.

    likeliest: the most probable label with its confidence, where another one was given because it
    is expected to cost less.
    """

    task: str
    label: str
    confidence: float
    decision: str
    likeliest: tuple[str, float] | None = None

    @property
    def best(self) -> tuple[str, float]:
        """The most probable label and its confidence: what models are compared by."""
        return self.likeliest or (self.label, self.confidence)


@dataclass(slots=True)
class Decision:
    """One routed ticket.

    id: made by the service, unique; a caller's `request_id` need not be. tokens: of its text.
    metadata: only the fields that the operator named. excerpt: the beginning of its text, for the
    language alone; never written. text: (subject, body) where the operator keeps text, not yet
    redacted.
    """

    id: str
    request_id: str
    ticket_id: str | None
    at: float
    bundle_version: str
    bundle_digest: str
    tokens: int
    truncated: bool
    predictions: tuple[Told, ...]
    language: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    excerpt: str = ""
    text: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became of one legacy's answer to one task of one decision.

    legacy: its name. identity: of what stands behind the name: a bundle's digest, or the digest of
    a remote system's configuration. label: in the words of the bundle's task; None unless compared.
    given_label: in the legacy's own words, at most 64 characters. seconds: its latency.
    reason: why it was dropped or failed.
    """

    decision_id: str
    at: float
    legacy: str
    identity: str
    role: Role
    task: str
    outcome: Outcome
    reason: str | None = None
    label: str | None = None
    given_label: str | None = None
    confidence: float | None = None
    seconds: float | None = None


Record = Decision | Comparison


@dataclass(frozen=True, slots=True)
class FinalLabel:
    """An agent's final label for one task of a ticket; exactly one of the two ids is given.

    labelled_at: when the agent decided; of two labels the later one counts. source: who says so,
    `agent` by default; one of source `review` came from the review queue, and counts only until
    another comes: it was asked for because the models differ.
    """

    task: str
    label: str
    ticket_id: str | None = None
    request_id: str | None = None
    labelled_at: float | None = None
    source: str = "agent"


FeedbackOutcome = Literal["stored", "corrected", "duplicate", "superseded"]
"""`stored`: the first label. `corrected`: it differs from the one that counted until now.
`duplicate`: it was known. `superseded`: kept as history, an already known later label counts.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One ticket's latest decision on one task, beside one legacy's outcome and the final label.

    labels: the most probable ones by the bundle that answered, by task. finals: the final labels,
    by task.
    labelled_at: when the final label of this task was first received, the review's aside if
    another counts; source: of the one that counts.
    """

    decision_id: str
    request_id: str
    ticket_id: str | None
    at: float
    tokens: int
    language: str | None
    metadata: Mapping[str, str]
    primary: str
    """Digest of the bundle that answered."""
    legacy: str
    identity: str
    role: Role
    task: str
    outcome: Outcome
    reason: str | None
    primary_label: str
    primary_confidence: float
    legacy_label: str | None
    legacy_confidence: float | None
    labels: Mapping[str, str]
    finals: Mapping[str, str]
    final_label: str | None = None
    labelled_at: float | None = None
    source: str | None = None

    @property
    def challenger_label(self) -> str | None:
        """What the model that wants to take over said."""
        return self.primary_label if self.role == "incumbent" else self.legacy_label

    @property
    def incumbent_label(self) -> str | None:
        """What the model that is to be replaced said."""
        return self.legacy_label if self.role == "incumbent" else self.primary_label


@dataclass(frozen=True, slots=True)
class Registration:
    """A plan as it stood when a pair of models first met, before any label was in.

    plan: `service.shadow.plan.Plan` as JSON. challenger, incumbent: identities of the two models.
    """

    at: float
    legacy: str
    challenger: str
    incumbent: str
    plan: str


@dataclass(frozen=True, slots=True)
class Seating:
    """A promotion or a roll-back: who sits where from then on, who decided it, on which evidence.

    primary, shadow: digests of the bundles that answer and run in shadow afterwards (shadow is the
    identity of the legacy). configured_primary, configured_shadow: paths that the configuration
    names for both seats; the choice holds for that configuration only.
    swapped: whether the two changed seats. evidence: the verdict it rests on, as JSON.
    """

    at: float
    action: Literal["promote", "rollback"]
    legacy: str
    primary: str
    shadow: str
    configured_primary: str
    configured_shadow: str
    swapped: bool
    by: str
    reason: str
    forced: bool
    evidence: str
