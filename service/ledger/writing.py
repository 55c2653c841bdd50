"""Records come in; rows are inserted, each of them once however often a batch is repeated."""

from collections.abc import Sequence

from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite

from service.ledger.faults import RecordRefusedError
from service.ledger.records import Comparison, Decision, Record
from service.ledger.rows import Row, comparison_row, decision_row, prediction_rows, text_rows
from service.ledger.tables import comparisons, decisions, predictions, texts


def rows_of(records: Sequence[Record]) -> dict[Table, list[Row]]:
    """The rows of each table. Raises RecordRefusedError."""
    told = [record for record in records if isinstance(record, Decision)]
    compared = [record for record in records if isinstance(record, Comparison)]
    try:
        return {
            decisions: [decision_row(record) for record in told],
            predictions: [row for record in told for row in prediction_rows(record)],
            texts: [row for record in told for row in text_rows(record)],
            comparisons: [comparison_row(record) for record in compared],
        }
    except (TypeError, ValueError, AttributeError) as error:
        raise RecordRefusedError(type(error).__name__) from error


def insert(connection: Connection, rows: dict[Table, list[Row]]) -> None:
    """Inserts the rows that are not there yet."""
    for table, new in rows.items():
        if new:
            connection.execute(_insert(connection, table), new)


def _insert(connection: Connection, table: Table) -> Insert:
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()
