"""A Parquet file comes in; its columns and records go out, numbers and times as their text."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from training.data.formats.record import Record, Records, from_values
from training.errors import DataError


def read_parquet(path: Path) -> Records:
    """Records of a Parquet file. Raises DataError."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path.name} cannot be read as Parquet: {reason}") from error
    return Records(frozenset(table.column_names), _records(table))


def _records(table: Any) -> Iterator[Record]:
    columns = {name: _values(table.column(name)) for name in table.column_names}
    for number in range(1, table.num_rows + 1):
        values = {name: column[number - 1] for name, column in columns.items()}
        yield from_values(number, None, values)


def _values(column: Any) -> list[Any]:
    """The column's Python values; text goes through bytes, since it may be in another encoding.

    Dates and times as text: Python's own know neither nanoseconds nor the year 10000.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_timestamp(column.type) and column.type.tz:
        column = column.cast(pa.timestamp(column.type.unit, "UTC"))
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        column = column.cast(pa.string())
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.large_binary())
    return [
        value.decode("utf-8", errors="surrogateescape") if isinstance(value, bytes) else value
        for value in column.to_pylist()
    ]
