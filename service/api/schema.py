"""What the HTTP interface takes and gives: one class a document, public, and it only grows."""

from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from service.contract.tasks import Label, Task, TaskName
from service.contract.ticket import Ticket
from service.ledger.records import FeedbackOutcome
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


class Prediction(_Document):
    """The answer to one task.

    decision: `auto` from `threshold` on, `suggest` below it, `human` lower still or where the
    bundle makes no promise (`threshold` is null).
    """

    label: str
    confidence: Confidence
    decision: Decision
    threshold: Confidence | None
    alternatives: list[Alternative]


class Timings(_Document):
    """Milliseconds: encoding the text, waiting, running the batch, and from arrival to reply."""

    tokenize: float
    queue: float
    infer: float
    total: float


class Reply(_Document):
    """The routing of one ticket.

    needs_human: some primary task's decision is `human`. truncated: text beyond the token limit was
    not read. provider: what computed the answer; degraded: it is not what `provider = auto` would
    have preferred. shadow: by legacy and task; null where no legacy is configured.
    """

    request_id: str
    ticket_id: str | None
    bundle: BundleName
    predictions: dict[str, Prediction]
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
    """The graph that serves."""

    precision: str
    layout: str
    quality: dict[str, dict[str, float]]


class BundleSummary(_Document):
    """The bundle that serves, and on what."""

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


class Status(_Document):
    """A probe's answer."""

    status: str
