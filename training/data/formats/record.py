"""What every format yields: a record with text fields, or the rule that it broke."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Fault:
    """The rule that a record broke, in which column (empty for all of it), with the value found."""

    column: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Record:
    """One record. number: 1 for the first. line: where it starts in a text file, else None.

    Bytes that are not UTF-8 stand in `fields` as lone surrogates.
    """

    number: int
    line: int | None
    fields: Mapping[str, str]
    fault: Fault | None = None


@dataclass(frozen=True)
class Records:
    """A file's columns (for JSONL: those of any record) and its records, which can be read once."""

    columns: frozenset[str]
    records: Iterator[Record]


def to_text(value: Any) -> str | None:
    """A JSON or Parquet value as text, null as empty; None where it is no text, number or time."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return str(value) if isinstance(value, (int, float, Decimal)) else None


def from_values(number: int, line: int | None, values: Mapping[str, Any]) -> Record:
    """A record of JSON or Parquet values; a value that has no text makes it a fault."""
    fields: dict[str, str] = {}
    for column, value in values.items():
        text = to_text(value)
        if text is None:
            fault = Fault(column, "type", f"found a value of type {type(value).__name__}")
            return Record(number, line, {}, fault)
        fields[column] = text
    return Record(number, line, fields)
