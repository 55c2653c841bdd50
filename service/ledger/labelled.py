"""A bundle's digest comes in; its newest decisions go out, those with a final label and all."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    distinct,
    exists,
    func,
    or_,
    select,
    tuple_,
)

from service.ledger.final_labels import current, histories
from service.ledger.records import REVIEW
from service.ledger.tables import decisions, feedback, predictions

REACH = 100_000
"""Decisions, of any bundle, among which is looked: a ledger of millions is not read every minute
for the sake of a label that came months late."""

_PAGE = 1_000
_CURSOR = (decisions.c.at, decisions.c.id)
_NEWEST_FIRST = tuple(column.desc() for column in _CURSOR)

Near = tuple[ColumnElement[bool], ...]
"""What a decision must meet to be looked at."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a reply said about one task. decision: `auto`, `suggest` or `human`."""

    label: str
    confidence: float
    decision: str


@dataclass(frozen=True, slots=True)
class Labelled(Said):
    """A decision made at `at`, in seconds since the epoch, with the label that counts."""

    at: float
    final: str

    @property
    def right(self) -> bool:
        """Whether the reply gave the final label."""
        return self.label == self.final


@dataclass(frozen=True, slots=True)
class Recent:
    """One task's newest decisions, oldest first.

    labelled: with a label of the desk's own, one for each ticket. told: labelled or not. tickets:
    decided since the oldest of `labelled`, which are some of them.
    """

    labelled: tuple[Labelled, ...] = ()
    told: tuple[Said, ...] = ()
    tickets: int = 0


def newest_label(connection: Connection) -> int:
    """The number of the label that was kept last; 0 before the first."""
    return connection.scalar(select(func.max(feedback.c.number))) or 0


def labelled(
    connection: Connection, digest: str, tasks: Sequence[str], limit: int, reach: int = REACH
) -> dict[str, Recent]:
    """By task, `limit` decisions of each kind at most, among the newest `reach` of any bundle.

    Of a ticket the latest labelled decision counts; those without a ticket id count each. A label
    by request id beats one by ticket id, the desk's later one its earlier. Those of the review
    queue are left out: they were asked for because two models differ, and would make the bundle
    look worse than it is.
    """
    near = (decisions.c.bundle_digest == digest, decisions.c.at >= _since(connection, reach))
    found = {task: _with_labels(connection, near, task, limit) for task in tasks}
    finals = _finals(connection, [row for rows in found.values() for row in rows])
    result = {}
    for task, rows in found.items():
        kept = tuple(
            Labelled(row.label, row.confidence, row.decision, row.at, final)
            for row in reversed(rows)
            if (final := finals(row, task)) is not None
        )
        tickets = _tickets(connection, near, kept[0].at) if kept else 0
        result[task] = Recent(kept, _told(connection, near, task, limit), tickets)
    return result


def _since(connection: Connection, reach: int) -> float:
    """The time of the oldest decision that is looked at."""
    query = select(decisions.c.at).order_by(*_NEWEST_FIRST).offset(reach - 1).limit(1)
    found = connection.scalar(query)
    return -math.inf if found is None else found


def _with_labels(connection: Connection, near: Near, task: str, limit: int) -> list[Any]:
    """The decisions, newest first, each of another ticket."""
    query = (
        _said(task, *_CURSOR, decisions.c.ticket_id, decisions.c.request_id)
        .where(*near, _has_label(task))
        .limit(_PAGE)
    )
    kept: dict[str, Any] = {}
    page = connection.execute(query).all()
    while page:
        for row in page:
            # The blank keeps a ticket's id apart from a decision's: the service makes those.
            kept.setdefault(f" {row.id}" if row.ticket_id is None else row.ticket_id, row)
        last = page[-1]
        # The first condition follows from the second; it is the one that an index answers.
        after = (decisions.c.at <= last.at, tuple_(*_CURSOR) < tuple_(last.at, last.id))
        more = len(page) == _PAGE and len(kept) < limit
        page = connection.execute(query.where(*after)).all() if more else []
    return list(kept.values())[:limit]


def _told(connection: Connection, near: Near, task: str, limit: int) -> tuple[Said, ...]:
    """Oldest first."""
    rows = connection.execute(_said(task).where(*near).limit(limit)).all()
    return tuple(Said(*row) for row in rows[::-1])


def _said(task: str, *others: ColumnElement[Any]) -> Select[Any]:
    """What was said about a task, newest first."""
    is_of = and_(predictions.c.decision_id == decisions.c.id, predictions.c.task == task)
    said = (predictions.c.label, predictions.c.confidence, predictions.c.decision)
    return (
        select(*said, *others)
        .select_from(decisions)
        .join(predictions, is_of)
        .order_by(*_NEWEST_FIRST)
    )


def _tickets(connection: Connection, near: Near, since: float) -> int:
    """How many were decided since then."""
    ticket = func.coalesce(decisions.c.ticket_id, " " + decisions.c.id)
    within = (*near, decisions.c.at >= since)
    return connection.scalar(select(func.count(distinct(ticket))).where(*within)) or 0


def _has_label(task: str) -> ColumnElement[bool]:
    own = and_(feedback.c.task == task, feedback.c.source != REVIEW)
    return or_(
        exists().where(feedback.c.ticket_id == decisions.c.ticket_id, own),
        exists().where(feedback.c.request_id == decisions.c.request_id, own),
    )


def _finals(connection: Connection, rows: Sequence[Any]) -> Callable[[Any, str], str | None]:
    """The label that counts, of a decision and task."""
    tickets = {row.ticket_id: None for row in rows if row.ticket_id is not None}
    by_ticket = histories(connection, feedback.c.ticket_id, tickets)
    requests = {row.request_id: None for row in rows}
    by_request = histories(connection, feedback.c.request_id, requests)

    def final(row: Any, task: str) -> str | None:
        for history in (by_request.get(row.request_id, {}), by_ticket.get(row.ticket_id, {})):
            if own := [given for given in history.get(task, []) if given.own]:
                return current(own).label
        return None

    return final
