"""What the endpoints for final labels take and give."""

from typing import Annotated, Any, Self

from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from service.api.documents import Document, Problem
from service.contract.tasks import Label, TaskName
from service.ledger.records import FeedbackOutcome


class FeedbackRequest(Document):
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


class FeedbackBatchRequest(Document):
    """Final labels of many tickets; each is judged on its own."""

    model_config = ConfigDict(extra="forbid", strict=True)

    feedback: Annotated[list[Any], Field(min_length=1)]


class FeedbackLabel(Document):
    """What became of one final label.

    outcome: `stored` (the first), `corrected` (it replaces one), `duplicate` (it was known),
    `superseded` (a later one is known). known: whether the bundle that serves has such a label.
    """

    outcome: FeedbackOutcome
    known: bool


class FeedbackReply(Document):
    """What became of one ticket's final labels.

    matched: a decision on this ticket is in the ledger; if not, they are kept all the same.
    """

    request_id: str
    matched: bool
    labels: dict[str, FeedbackLabel]


class FeedbackItem(Document):
    """One ticket's outcome: exactly one of the two."""

    reply: FeedbackReply | None = None
    problem: Problem | None = None


class FeedbackBatchReply(Document):
    """The outcomes in the order of the request."""

    request_id: str
    results: list[FeedbackItem]
