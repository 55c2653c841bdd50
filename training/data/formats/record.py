"""What every format yields: a record with text fields, or the rule that it broke."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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

    Bytes that are not UTF-8 stand in `fields` as lone surrogates. fault: of the whole record.
    faults: by column; one that no reader asks for is of no account.
    """

    number: int
    line: int | None
    fields: Mapping[str, str]
    fault: Fault | None = None
    faults: Mapping[str, Fault] = field(default_factory=dict)


@dataclass(frozen=True)
class Records:
    """A file's columns (for JSONL: those of any record) and its records, which can be read once."""

    columns: frozenset[str]
    records: Iterator[Record]


def to_text(value: Any) -> str | None:
    """A JSON or Parquet value as text; None where it is no text, number or time.

    Null is empty, and so is NaN: data frames write a missing value as one or the other.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return str(value) if isinstance(value, (int, float, Decimal)) else None


def from_values(number: int, line: int | None, values: Mapping[str, Any]) -> Record:
    """A record of JSON or Parquet values; a value that has no text is a fault of its column."""
    fields: dict[str, str] = {}
    faults: dict[str, Fault] = {}
    for column, value in values.items():
        text = to_text(value)
        if text is None:
            message = f"found a value of type {type(value).__name__}"
            faults[column] = Fault(column, "type", message)
        else:
            fields[column] = text
    return Record(number, line, fields, faults=faults)
