"""A ticket, an age or a size comes in; the rows that must go are deleted, and counted."""

import math
from collections.abc import Sequence

from sqlalchemy import Column, ColumnElement, Connection, Table, exists, func, not_, select, text

from service.ledger.rows import pages
from service.ledger.scope import Forgotten
from service.ledger.tables import (
    comparisons,
    decisions,
    feedback,
    metadata,
    predictions,
    prunings,
    texts,
)

_MIB = 1024 * 1024
_DAY_S = 86_400.0
# PostgreSQL: header, line pointer and padding of a row, then the index entries beside it.
_ROW_BYTES = 40
_INDEX_BYTES = {"decisions": 220, "predictions": 60, "comparisons": 130, "feedback": 120}


def forget_text(connection: Connection, ticket_id: str) -> Forgotten:
    """Deletes the text of a ticket."""
    ids = [decision for decision, _ in _of_ticket(connection, ticket_id)]
    return Forgotten(texts=_delete(connection, texts.c.decision_id, ids))


def forget_everything(connection: Connection, ticket_id: str) -> Forgotten:
    """Deletes all that belongs to a ticket, final labels included."""
    found = _of_ticket(connection, ticket_id)
    ids = [decision for decision, _ in found]
    return Forgotten(
        texts=_delete(connection, texts.c.decision_id, ids),
        decisions=_delete(connection, decisions.c.id, ids),
        predictions=_delete(connection, predictions.c.decision_id, ids),
        comparisons=_delete(connection, comparisons.c.decision_id, ids),
        feedback=_delete(connection, feedback.c.ticket_id, [ticket_id])
        + _drop_labels(connection, "request_id", [request for _, request in found]),
    )


def too_old(connection: Connection, before: float, most: int) -> int:
    """Deletes the oldest decisions made before a time, `most` at most, and labels of no decision
    that came in before it; how many decisions went.
    """
    gone = _drop_oldest(connection, decisions.c.at < before, most)
    if gone < most:
        stale = _orphans(feedback.c.received_at < before)
        _drop_numbers(connection, stale, most)
    return gone


def too_many(connection: Connection, surplus: float, most: int) -> int:
    """Deletes the oldest share `surplus` of the decisions, `most` at most; how many went.

    Labels that match no decision lose the same share.
    """
    count = connection.scalar(select(func.count()).select_from(decisions)) or 0
    orphans = connection.scalar(
        select(func.count()).select_from(feedback).where(_orphans(feedback.c.number > 0))
    )
    _drop_numbers(
        connection,
        _orphans(feedback.c.number > 0),
        min(most, math.ceil((orphans or 0) * surplus)),
    )
    everything = decisions.c.id.is_not(None)
    return _drop_oldest(connection, everything, min(most, math.ceil(count * surplus)))


def pruned_until(connection: Connection) -> float | None:
    """Time of the newest decision that retention has removed; None where it removed none."""
    until: float | None = connection.scalar(select(func.max(prunings.c.until)))
    return until


def size_bytes(connection: Connection) -> int:
    """Bytes of live rows and indexes; pages that deleted rows left free do not count."""
    if connection.dialect.name == "sqlite":
        return _sqlite_bytes(connection)
    return _postgresql_bytes(connection)


def surplus(connection: Connection, max_mb: float) -> float:
    """The share of the ledger beyond `max_mb` MiB, within [0, 1]."""
    if connection.dialect.name == "postgresql":
        for name in metadata.tables:
            connection.execute(text(f"ANALYZE {name}"))
    return max(0.0, 1.0 - max_mb * _MIB / max(size_bytes(connection), 1))


def before(now: float, keep_days: float) -> float:
    """The time before which decisions are too old."""
    return now - keep_days * _DAY_S


def _of_ticket(connection: Connection, ticket_id: str) -> list[tuple[str, str]]:
    query = select(decisions.c.id, decisions.c.request_id)
    rows = connection.execute(query.where(decisions.c.ticket_id == ticket_id))
    return [(row.id, row.request_id) for row in rows]


def _drop_oldest(connection: Connection, chosen: ColumnElement[bool], most: int) -> int:
    query = (
        select(decisions.c.id, decisions.c.ticket_id, decisions.c.request_id, decisions.c.at)
        .where(chosen)
        .order_by(decisions.c.at, decisions.c.id)
        .limit(most)
    )
    rows = connection.execute(query).all()
    ids = [row.id for row in rows]
    if rows:
        _remember(connection, rows[-1].at)
    for column in (texts.c.decision_id, predictions.c.decision_id, comparisons.c.decision_id):
        _delete(connection, column, ids)
    _delete(connection, decisions.c.id, ids)
    for name in ("ticket_id", "request_id"):
        _drop_labels(connection, name, [getattr(row, name) for row in rows])
    return len(ids)


def _remember(connection: Connection, at: float) -> None:
    """That a decision of this time, and so every older one, is gone."""
    until = max(at, pruned_until(connection) or at)
    connection.execute(prunings.delete())
    connection.execute(prunings.insert(), {"until": until})


def _drop_labels(connection: Connection, name: str, ids: Sequence[str | None]) -> int:
    """Deletes the labels of ids that no decision carries any more."""
    carried = exists().where(decisions.c[name] == feedback.c[name])
    known = list({owner: None for owner in ids if owner is not None})
    return _delete(connection, feedback.c[name], known, not_(carried))


def _delete(
    connection: Connection, column: Column[str], ids: Sequence[str], *also: ColumnElement[bool]
) -> int:
    table: Table = column.table
    gone = 0
    for page in pages(ids):
        gone += connection.execute(table.delete().where(column.in_(page), *also)).rowcount
    return gone


def _orphans(chosen: ColumnElement[bool]) -> ColumnElement[bool]:
    """The chosen labels whose id matches no decision."""
    by_ticket = exists().where(decisions.c.ticket_id == feedback.c.ticket_id)
    by_request = exists().where(decisions.c.request_id == feedback.c.request_id)
    return chosen & not_(by_ticket) & not_(by_request)


def _drop_numbers(connection: Connection, chosen: ColumnElement[bool], most: int) -> None:
    oldest = select(feedback.c.number).where(chosen).order_by(feedback.c.number).limit(most)
    connection.execute(feedback.delete().where(feedback.c.number.in_(oldest)))


def _sqlite_bytes(connection: Connection) -> int:
    names = ("page_count", "freelist_count", "page_size")
    pages, free, size = (connection.scalar(text(f"PRAGMA {name}")) or 0 for name in names)
    return int((pages - free) * size)


def _postgresql_bytes(connection: Connection) -> int:
    """Rows times their mean width: files do not shrink where rows are deleted from them."""
    query = text(
        "SELECT c.relname, c.reltuples, coalesce(sum(s.avg_width * (1 - s.null_frac)), 0)"
        " FROM pg_class c LEFT JOIN pg_stats s"
        " ON s.tablename = c.relname AND s.schemaname = current_schema()"
        " WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY(:names)"
        " GROUP BY c.relname, c.reltuples"
    )
    total = 0.0
    for name, rows, width in connection.execute(query, {"names": list(metadata.tables)}):
        total += max(rows, 0) * (width + _ROW_BYTES + _INDEX_BYTES.get(name, 40))
    return round(total)
