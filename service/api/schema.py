"""What the HTTP interface takes and gives: one class a document, public, and it only grows."""

from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from service.contract.promises import Choice, Scope, SetMethod, SetRule, Threshold
from service.contract.tasks import Label, Task, TaskName
from service.contract.ticket import Ticket
from service.ledger.records import FeedbackOutcome
from service.rules import Promised
from service.shadow.documents import ShadowTask

Decision = Literal["auto", "suggest", "human"]
Provider = Literal["cpu", "cuda"]
Confidence = Annotated[float, Field(ge=0.0, le=1.0)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class TicketRequest(Ticket):
    """One ticket to route.

    At least one of subject and body must hold text; an unknown field is refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class BatchRequest(_Document):
    """Tickets to route together, by one bundle; each is judged on its own."""

    model_config = ConfigDict(extra="forbid", strict=True)

    tickets: Annotated[list[Any], Field(min_length=1)]


class BundleName(_Document):
    """The bundle that made a prediction."""

    version: str
    digest: str


class Alternative(_Document):
    """A label that was not chosen, and its calibrated probability."""

    label: str
    confidence: Confidence


class PredictionSet(_Document):
    """Labels of which one is the final one on a share `coverage` of the tickets like those that
    it was calibrated on (split conformal prediction), the most probable first.

    per_label: of the tickets of each label, not only of all together. It may be empty: no label
    fits.
    """

    method: SetMethod
    coverage: float
    per_label: bool
    labels: list[str]


class Prediction(_Document):
    """The answer to one task.

    decision: `auto` from `threshold` on, unless a policy says that the label is expected to cost
    too much; `suggest` below it, `human` lower still, out of scope, or where there is no threshold.
    threshold: of this label; null where it is never `auto`. promise: what a policy left of the
    bundle's promise for `auto`; null where none applies. likeliest: the most probable label, where
    one of less expected cost was chosen. set: null unless asked for and calibrated.
    """

    label: str
    confidence: Confidence
    decision: Decision
    threshold: Confidence | None
    alternatives: list[Alternative]
    promise: Promised | None = None
    likeliest: Alternative | None = None
    set: PredictionSet | None = None


class ScopeReply(_Document):
    """Whether the ticket is like those that the bundle was trained on.

    score: the larger the stranger; inside: it is at most `threshold`. Outside, every decision is
    `human`.
    """

    score: float
    threshold: float
    inside: bool


class Timings(_Document):
    """Milliseconds: encoding the text, waiting, running the batch, and from arrival to reply."""

    tokenize: float
    queue: float
    infer: float
    total: float


class Reply(_Document):
    """The routing of one ticket.

    scope: null where the bundle cannot tell. needs_human: some primary task's decision is `human`,
    or the ticket is out of scope. truncated: text beyond the token limit was not read. provider:
    what computed the answer; degraded: it is not what `provider = auto` would have preferred.
    shadow: by legacy and task; null where no legacy is configured.
    """

    request_id: str
    ticket_id: str | None
    bundle: BundleName
    predictions: dict[str, Prediction]
    scope: ScopeReply | None = None
    needs_human: bool
    truncated: bool
    degraded: bool
    provider: Provider
    shadow: dict[str, dict[str, ShadowTask]] | None
    timings_ms: Timings


class Fault(_Document):
    """Where the input breaks which rule; never the input itself.

    where: a JSON pointer (RFC 6901) into the body, empty for the whole body.
    """

    where: str
    rule: str


class Problem(_Document):
    """An error as RFC 9457 has it; `code` is stable, and the fields after it are Harbor's own."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    problems: list[Fault] | None = None
    retry_after_s: int | None = None


class BatchItem(_Document):
    """One ticket's outcome: exactly one of the two."""

    reply: Reply | None = None
    problem: Problem | None = None


class BatchReply(_Document):
    """The outcomes in the order of the tickets; all replies are by one bundle."""

    request_id: str
    bundle: BundleName
    results: list[BatchItem]


class FeedbackRequest(_Document):
    """Final labels of one ticket, as an agent decided them.

    Exactly one of ticket_id and request_id says which: all decisions on the ticket are meant, or
    the one of that request. labels: by task. labelled_at: when the agent decided, with a time zone;
    of two labels the later one counts, without it the one that came later. source: who says so.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    labels: Annotated[dict[TaskName, Label], Field(min_length=1, max_length=32)]
    ticket_id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    request_id: Annotated[str, Field(min_length=1, max_length=160)] | None = None
    labelled_at: Annotated[AwareDatetime, Field(strict=False)] | None = None
    source: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] = "agent"

    @model_validator(mode="after")
    def _names_one_ticket(self) -> Self:
        if (self.ticket_id is None) == (self.request_id is None):
            raise ValueError("exactly one of ticket_id and request_id must be given")
        return self


class FeedbackBatchRequest(_Document):
    """Final labels of many tickets; each is judged on its own."""

    model_config = ConfigDict(extra="forbid", strict=True)

    feedback: Annotated[list[Any], Field(min_length=1)]


class FeedbackLabel(_Document):
    """What became of one final label.

    outcome: `stored` (the first), `corrected` (it replaces one), `duplicate` (it was known),
    `superseded` (a later one is known). known: whether the bundle that serves has such a label.
    """

    outcome: FeedbackOutcome
    known: bool


class FeedbackReply(_Document):
    """What became of one ticket's final labels.

    matched: a decision on this ticket is in the ledger; if not, they are kept all the same.
    """

    request_id: str
    matched: bool
    labels: dict[str, FeedbackLabel]


class FeedbackItem(_Document):
    """One ticket's outcome: exactly one of the two."""

    reply: FeedbackReply | None = None
    problem: Problem | None = None


class FeedbackBatchReply(_Document):
    """The outcomes in the order of the request."""

    request_id: str
    results: list[FeedbackItem]


class VariantSummary(_Document):
    """The graph that serves: its measured quality, and what it promises, with the evidence."""

    precision: str
    layout: str
    quality: dict[str, dict[str, float]]
    thresholds: dict[str, Threshold] = {}
    sets: dict[str, list[SetRule]] = {}
    scope: Scope | None = None


class RuleSummary(_Document):
    """How a task is decided: by the bundle's thresholds as the policy left them.

    auto: by label, from which confidence on; null for never. suggest: null for never. human: a
    label that is expected to cost more is not `auto`; null where costs set no limit.
    """

    choose: Choice
    auto: dict[str, float | None]
    suggest: float | None
    human: float | None
    promise: Promised | None


class BundleSummary(_Document):
    """The bundle that serves, and on what. policy: digest of the policy file, null without one."""

    bundle: BundleName
    tasks: list[Task]
    token_limit: int
    encoder: str
    data_fingerprint: str
    code_fingerprint: str
    variant: VariantSummary
    provider: Provider
    degraded: bool
    metrics: dict[str, Any]
    rules: dict[str, RuleSummary] = {}
    policy: str | None = None


class Status(_Document):
    """A probe's answer."""

    status: str
