"""A bundle's digest comes in; its newest decisions go out, those with a final label and all.

The search begins with the labels: a desk that sends its labels every night has decided a hundred
thousand tickets more by then, and only the index over ticket ids leads from one to the other.
Replayed decisions are left out: nobody was told them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from service.ledger.final_labels import current, histories
from service.ledger.records import REVIEW
from service.ledger.tables import decisions, feedback, predictions

REACH = 100_000
"""Rows that are looked at, from the newest on: labels, and decisions. A ledger of millions is not
read every minute for the sake of a label that came months late."""

_PAGE = 1_000
_ROWS = 10_000
"""Decisions that a page of labels gives at most: many may share one ticket's id."""

_REPLAYED = "replay-"
_NEWEST_FIRST = (decisions.c.at.desc(), decisions.c.id.desc())
_SAID = (predictions.c.label, predictions.c.confidence, predictions.c.decision, decisions.c.at)
_OWNERS = ("ticket_id", "request_id")


@dataclass(frozen=True, slots=True)
class Said:
    """What a reply said about one task. decision: `auto`, `suggest` or `human`. at: when, in
    seconds since the epoch.
    """

    label: str
    confidence: float
    decision: str
    at: float


@dataclass(frozen=True, slots=True)
class Labelled(Said):
    """A decision with the label that counts."""

    final: str

    @property
    def right(self) -> bool:
        """Whether the reply gave the final label."""
        return self.label == self.final


@dataclass(frozen=True, slots=True)
class Recent:
    """One task's newest decisions, oldest first.

    labelled: with a label of the desk's own, one for each ticket; those that were labelled last.
    told: labelled or not. share: of the decisions between the oldest and the newest of `labelled`,
    how many have a label; None without one. cut: the search came to its bound, and there may be
    more of `labelled`.
    """

    labelled: tuple[Labelled, ...] = ()
    told: tuple[Said, ...] = ()
    share: float | None = None
    cut: bool = False


def newest_label(connection: Connection) -> int:
    """The number of the label that was kept last; 0 before the first."""
    return connection.scalar(select(func.max(feedback.c.number))) or 0


def labelled(
    connection: Connection, digest: str, tasks: Sequence[str], limit: int, reach: int = REACH
) -> dict[str, Recent]:
    """By task, `limit` decisions of each kind at most, found by looking at `reach` rows at most.

    Of a ticket the latest labelled decision counts; those without a ticket id count each. A label
    by request id beats one by ticket id, the desk's later one its earlier. Those of the review
    queue are left out: they were asked for because two models differ, and would make the bundle
    look worse than it is.
    """
    near = _Near(connection, digest, reach)
    search = _Search(near, {task: {} for task in tasks}, limit)
    unfinished = search.run()
    finals = _finals(connection, [row for rows in search.found.values() for row in rows.values()])
    result = {}
    for task, rows in search.found.items():
        newest = sorted(rows.values(), key=lambda row: (row.at, row.id))[-limit:]
        kept = tuple(
            Labelled(row.label, row.confidence, row.decision, row.at, final)
            for row in newest
            if (final := finals(row, task)) is not None
        )
        share = near.share(task, kept, limit)
        result[task] = Recent(kept, near.told(task, limit), share, task in unfinished)
    return result


class _Near(NamedTuple):
    """One bundle's decisions among the newest `reach` rows."""

    connection: Connection
    digest: str
    reach: int

    @property
    def own(self) -> tuple[ColumnElement[bool], ...]:
        """What a decision must meet to be the bundle's, told to somebody."""
        return decisions.c.bundle_digest == self.digest, ~decisions.c.id.startswith(_REPLAYED)

    def told(self, task: str, limit: int) -> tuple[Said, ...]:
        """Oldest first."""
        is_of = and_(predictions.c.decision_id == decisions.c.id, predictions.c.task == task)
        query = select(*_SAID).select_from(decisions).join(predictions, is_of)
        query = query.where(*self.own, decisions.c.at >= self._since())
        rows = self.connection.execute(query.order_by(*_NEWEST_FIRST).limit(limit)).all()
        return tuple(Said(*row) for row in rows[::-1])

    def share(self, task: str, kept: Sequence[Labelled], limit: int) -> float | None:
        """Of the newest `limit` decisions between the first and the last of `kept`."""
        if not kept:
            return None
        span = decisions.c.at.between(kept[0].at, kept[-1].at)
        ids = (decisions.c[name] for name in ("id", "bundle_digest", *_OWNERS))
        every = select(*ids).where(span).order_by(*_NEWEST_FIRST).limit(self.reach).subquery()
        is_own = every.c.bundle_digest == self.digest, ~every.c.id.startswith(_REPLAYED)
        some = select(every).where(*is_own).limit(limit).subquery()
        own = and_(feedback.c.task == task, feedback.c.source != REVIEW)
        # Under one EXISTS with an OR within, a database may read all of the feedback.
        has_label = or_(
            *(exists().where(feedback.c[name] == some.c[name], own) for name in _OWNERS)
        )
        query = select(func.count(), func.count().filter(has_label)).select_from(some)
        number, labelled = self.connection.execute(query).one()
        return labelled / number if number else None

    def _since(self) -> float:
        """The time of the oldest decision that is looked at."""
        query = select(decisions.c.at).order_by(*_NEWEST_FIRST).offset(self.reach - 1).limit(1)
        found = self.connection.scalar(query)
        return -math.inf if found is None else found


class _Search(NamedTuple):
    """found: by task and ticket the latest labelled decision. limit: tickets that are enough."""

    near: _Near
    found: dict[str, dict[str, Any]]
    limit: int

    def run(self) -> set[str]:
        """The tasks of which the search has not seen all that it was to find."""
        cut: set[str] = set()
        for page in self._labels():
            wanted = {task for task, rows in self.found.items() if len(rows) < self.limit}
            if page is None or not wanted:
                return cut | wanted
            for name in _OWNERS:
                if not self._match(name, [row for row in page if row.task in wanted]):
                    cut |= wanted
        return cut

    def _labels(self) -> Iterator[Sequence[Any] | None]:
        """Pages of labels, the newest first; None where more are left than may be looked at."""
        names = (feedback.c[name] for name in ("number", "task", "source", *_OWNERS))
        query = select(*names).order_by(feedback.c.number.desc())
        upto, left = newest_label(self.near.connection), self.near.reach
        while True:
            next_page = query.where(feedback.c.number <= upto).limit(min(_PAGE, left) or 1)
            page = self.near.connection.execute(next_page).all()
            if not page:
                return
            yield [row for row in page if row.source != REVIEW] if left else None
            upto, left = page[-1].number - 1, left - len(page)

    def _match(self, name: str, labels: Sequence[Any]) -> bool:
        """Takes the decisions of a page of labels; whether these are all.

        name: of the id by which the labels say whose they are.
        """
        given = {(row.task, getattr(row, name)) for row in labels}
        owners = {owner for _, owner in given if owner is not None}
        if not owners:
            return True
        ids = (decisions.c.id, *(decisions.c[owner] for owner in _OWNERS), predictions.c.task)
        query = (
            select(*_SAID, *ids)
            .select_from(decisions)
            .join(predictions, predictions.c.decision_id == decisions.c.id)
            .where(decisions.c[name].in_(owners), *self.near.own)
            .where(predictions.c.task.in_({row.task for row in labels}))
            .order_by(*_NEWEST_FIRST)
            .limit(_ROWS)
        )
        rows = self.near.connection.execute(query).all()
        for row in rows:
            if (row.task, getattr(row, name)) in given:
                self._take(row)
        return len(rows) < _ROWS

    def _take(self, row: Any) -> None:
        # The blank keeps a ticket's id apart from a decision's: the service makes those.
        ticket = f" {row.id}" if row.ticket_id is None else row.ticket_id
        known = self.found[row.task].setdefault(ticket, row)
        if (known.at, known.id) < (row.at, row.id):
            self.found[row.task][ticket] = row


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
