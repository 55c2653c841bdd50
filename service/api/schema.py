"""What the HTTP interface takes and gives: one class a document, public, and it only grows.

What a ticket's reply is made of are plain dataclasses: the service made their values itself, and
checking them again took longer than deciding.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from service.api.documents import BundleName, Document, Fault, Problem, Status
from service.api.feedback_documents import (
    FeedbackBatchReply,
    FeedbackBatchRequest,
    FeedbackItem,
    FeedbackLabel,
    FeedbackReply,
    FeedbackRequest,
)
from service.contract.promises import Choice, Scope, SetMethod, SetRule, Threshold
from service.contract.tasks import Task
from service.contract.ticket import Ticket
from service.rules import Promised
from service.shadow.documents import ShadowTask

__all__ = [
    "REPLY",
    "Alternative",
    "BatchItem",
    "BatchReply",
    "BatchRequest",
    "BundleName",
    "BundleSummary",
    "Confidence",
    "Decision",
    "Fault",
    "FeedbackBatchReply",
    "FeedbackBatchRequest",
    "FeedbackItem",
    "FeedbackLabel",
    "FeedbackReply",
    "FeedbackRequest",
    "Prediction",
    "PredictionSet",
    "Problem",
    "Provider",
    "Reply",
    "RuleSummary",
    "ScopeReply",
    "Status",
    "TicketRequest",
    "Timings",
    "VariantSummary",
    "batch_json",
    "reply_json",
]

Decision = Literal["auto", "suggest", "human"]
Provider = Literal["cpu", "cuda"]
Confidence = Annotated[float, Field(ge=0.0, le=1.0)]


class TicketRequest(Ticket):
    """One ticket to route.

    At least one of subject and body must hold text; an unknown field is refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class BatchRequest(Document):
    """Tickets to route together, by one bundle; each is judged on its own."""

    model_config = ConfigDict(extra="forbid", strict=True)

    tickets: Annotated[list[Any], Field(min_length=1)]


@dataclass(slots=True)
class Alternative:
    """A label that was not chosen, and its calibrated probability."""

    label: str
    confidence: Confidence


@dataclass(slots=True)
class PredictionSet:
    """Labels of which one is the final one on a share `coverage` of the tickets like those that
    it was calibrated on (split conformal prediction), the most probable first.

    per_label: of the tickets of each label, not only of all together. It may be empty: no label
    fits.
    """

    method: SetMethod
    coverage: float
    per_label: bool
    labels: list[str]


@dataclass(slots=True)
class Prediction:
    """The answer to one task.

    decision: `auto` from `threshold` on, unless a policy says that the label is expected to cost
    too much; `suggest` below it, `human` lower still, out of scope, or where there is no threshold.
    threshold: of this label; null where it is never `auto`. promise: what a policy left of the
    bundle's promise for `auto`, whose evidence is all there is for a `tightened` one too; null
    where none applies. likeliest: the most probable label, where one of less expected cost was
    chosen. set: null unless asked for and calibrated.
    """

    label: str
    confidence: Confidence
    decision: Decision
    threshold: Confidence | None
    alternatives: list[Alternative]
    promise: Promised | None = None
    likeliest: Alternative | None = None
    set: PredictionSet | None = None


@dataclass(slots=True)
class ScopeReply:
    """Whether the ticket is like those that the bundle was trained on.

    score: the larger the stranger; inside: it is at most `threshold`. Outside, every decision is
    `human`.
    """

    score: float
    threshold: float
    inside: bool


@dataclass(slots=True)
class Timings:
    """Milliseconds: encoding the text, waiting, running the batch, and from arrival to reply."""

    tokenize: float
    queue: float
    infer: float
    total: float


@dataclass(slots=True, kw_only=True)
class Reply:
    """The routing of one ticket.

    scope: null where the bundle cannot tell. needs_human: some primary task's decision is `human`,
    or the ticket is out of scope. truncated: text beyond the token limit was not read. provider:
    what computed the answer; degraded: not where it was meant to be.
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


class BatchItem(Document):
    """One ticket's outcome: exactly one of the two."""

    # A model, which remembers which of the two was set: only that one is sent.
    reply: Reply | None = None
    problem: Problem | None = None


class BatchReply(Document):
    """The outcomes in the order of the tickets; all replies are by one bundle."""

    request_id: str
    bundle: BundleName
    results: list[BatchItem]


REPLY = TypeAdapter(Reply)
"""Reads a reply that comes in, and checks it."""

_reply_json = REPLY.serializer.to_json


def reply_json(reply: Reply) -> bytes:
    """A reply as JSON. It is not checked."""
    return _reply_json(reply)


def batch_json(reply: BatchReply) -> bytes:
    """The reply to a batch as JSON: what a problem or a legacy's late answer lacks is left out."""
    return reply.__pydantic_serializer__.to_json(reply, exclude_unset=True)


class VariantSummary(Document):
    """The graph that serves: its measured quality, and what it promises, with the evidence."""

    precision: str
    layout: str
    quality: dict[str, dict[str, float]]
    thresholds: dict[str, Threshold] = Field({})
    sets: dict[str, list[SetRule]] = Field({})
    scope: Scope | None = None


class RuleSummary(Document):
    """How a task is decided: by the bundle's thresholds as the policy left them.

    auto: by label, from which confidence on; null for never. suggest: null for never. human: a
    label that is expected to cost more is not `auto`; null where costs set no limit.
    """

    choose: Choice
    auto: dict[str, float | None]
    suggest: float | None
    human: float | None
    promise: Promised | None


class BundleSummary(Document):
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
    rules: dict[str, RuleSummary] = Field({})
    policy: str | None = None
