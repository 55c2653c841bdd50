"""Final labels come in and are kept beside the earlier ones; which of them counts goes out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Select, distinct, exists, func, select, union_all

from service.ledger.records import REVIEW, FeedbackOutcome
from service.ledger.rows import Row, pages
from service.ledger.scope import FeedbackCounts, FeedbackReceipt, Unmatched
from service.ledger.tables import decisions, feedback

_ADVISORY_LOCK = 5_101_172_641
_NEWEST = 100


@dataclass(frozen=True, slots=True)
class Given:
    """One label of a history. number: the order in which labels came in."""

    number: int
    label: str
    labelled_at: float | None
    received_at: float
    source: str

    @property
    def own(self) -> bool:
        """Whether it came of the desk's own work, not of the review queue."""
        return self.source != REVIEW

    @property
    def rank(self) -> tuple[bool, float, int]:
        """Of two labels the one of higher rank counts: the desk's own, decided later, received
        later.
        """
        at = self.received_at if self.labelled_at is None else self.labelled_at
        return self.own, at, self.number


History = dict[str, list[Given]]
"""By task."""


class _Told:
    """One history as the next label needs to know it, however long it is."""

    def __init__(self, history: Sequence[Given]) -> None:
        self._counting = current(history) if history else None
        self._said = {(given.label, given.labelled_at, given.own) for given in history}

    def add(self, new: Given) -> tuple[FeedbackOutcome, bool]:
        """What a label is beside the earlier ones, and whether it is kept."""
        counting, said = self._counting, (new.label, new.labelled_at, new.own)
        if counting is not None:
            repeats = new.label == counting.label if new.labelled_at is None else said in self._said
            # What the desk says by itself is kept even where a review said it before.
            if repeats and counting.own >= new.own:
                return "duplicate", False
        self._said.add(said)
        if counting is not None and new.rank < counting.rank:
            return "superseded", True
        self._counting = new
        if counting is None:
            return "stored", True
        return ("duplicate" if new.label == counting.label else "corrected"), True


def current(history: Sequence[Given]) -> Given:
    """The label that counts."""
    return max(history, key=lambda given: given.rank)


def histories(
    connection: Connection, column: Column[str], ids: Iterable[str]
) -> dict[str, History]:
    """What was said about each id, oldest first. column: `ticket_id` or `request_id`."""
    found: dict[str, History] = defaultdict(lambda: defaultdict(list))
    for page in pages(ids):
        query = select(feedback).where(column.in_(page)).order_by(feedback.c.number)
        for row in connection.execute(query).mappings().all():
            found[row[column.name]][row["task"]].append(_given(row))
    return found


def add(connection: Connection, rows: Sequence[Row]) -> FeedbackReceipt:
    """Inserts what is new; rows: of `feedback`, without their numbers."""
    if connection.dialect.name == "postgresql":
        # Two batches that carry the same label at once would both take it for the first.
        connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
    known = {name: _known(connection, name, rows) for name in ("ticket_id", "request_id")}
    told: dict[tuple[str, str, str], _Told] = {}
    fresh: list[Row] = []
    outcomes: list[FeedbackOutcome] = []
    for number, row in enumerate(rows, start=_highest(connection) + 1):
        name, owner = _owner(row)
        where = (name, owner, row["task"])
        if where not in told:
            told[where] = _Told(known[name][owner][row["task"]])
        outcome, keep = told[where].add(_given({**row, "number": number}))
        outcomes.append(outcome)
        if keep:
            fresh.append(row)
    if fresh:
        connection.execute(feedback.insert(), fresh)
    return FeedbackReceipt(tuple(outcomes), _unknown(connection, rows), len(fresh))


def unmatched(connection: Connection) -> Unmatched:
    """The ids that no decision carries."""
    ids = union_all(*(_orphans(name) for name in ("ticket_id", "request_id"))).subquery()
    newest = select(ids.c.id).order_by(ids.c.at.desc(), ids.c.id).limit(_NEWEST)
    total = connection.scalar(select(func.count()).select_from(ids))
    return Unmatched(total or 0, tuple(connection.scalars(newest)))


def counts(connection: Connection) -> FeedbackCounts:
    """How many labels there are."""
    # Several columns under one DISTINCT count are beyond SQLite: two levels.
    each = (
        select(func.count().label("n"), func.count(distinct(feedback.c.label)).label("labels"))
        .group_by(feedback.c.ticket_id, feedback.c.request_id, feedback.c.task)
        .subquery()
    )
    corrected = func.count().filter(each.c.labels > 1)
    row = connection.execute(select(func.sum(each.c.n), func.count(), corrected).select_from(each))
    received, labelled, changed = row.one()
    return FeedbackCounts(int(received or 0), labelled, changed)


def _known(connection: Connection, name: str, rows: Sequence[Row]) -> Mapping[str, History]:
    ids = {row[name]: None for row in rows if row[name] is not None}
    return histories(connection, feedback.c[name], ids)


def _unknown(connection: Connection, rows: Sequence[Row]) -> tuple[int, ...]:
    """Positions of the rows whose id no decision carries."""
    seen: set[tuple[str, str]] = set()
    for name in ("ticket_id", "request_id"):
        column = decisions.c[name]
        for page in pages({row[name]: None for row in rows if row[name] is not None}):
            found = connection.scalars(select(column).where(column.in_(page)).distinct())
            seen.update((name, owner) for owner in found)
    return tuple(place for place, row in enumerate(rows) if _owner(row) not in seen)


def _owner(row: Row) -> tuple[str, str]:
    name = "ticket_id" if row["ticket_id"] is not None else "request_id"
    return name, row[name]


def _orphans(name: str) -> Select[tuple[str, float]]:
    column = feedback.c[name]
    return (
        select(column.label("id"), func.max(feedback.c.received_at).label("at"))
        .where(column.is_not(None), ~exists().where(decisions.c[name] == column))
        .group_by(column)
    )


def _highest(connection: Connection) -> int:
    return connection.scalar(select(func.max(feedback.c.number))) or 0


def _given(row: Mapping[Any, Any]) -> Given:
    names = ("number", "label", "labelled_at", "received_at", "source")
    return Given(**{name: row[name] for name in names})
