"""The text of a JSONL file comes in; one record for each line's object goes out."""

import json
from collections.abc import Iterator
from pathlib import Path

from training.data.formats.record import Fault, Record, Records, from_values
from training.data.formats.text import lines_of, read_text
from training.errors import DataError


def read_jsonl(path: Path) -> Records:
    """Records of a JSONL file; a column that a line leaves out is empty there. Raises DataError."""
    records = list(_records(lines_of(read_text(path))))
    columns = frozenset(column for record in records for column in (*record.fields, *record.faults))
    if not columns:
        rule = "every line must be a JSON object with named fields"
        raise DataError(f"{path.name}: {rule}, none of its {len(records)} is")
    return Records(columns, iter(records))


def _records(lines: list[str]) -> Iterator[Record]:
    number = 0
    for line, text in enumerate(lines, start=1):
        if text.strip():
            number += 1
            yield _record(number, line, text)


def _record(number: int, line: int, text: str) -> Record:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        message = getattr(error, "msg", "the line is not JSON")
        return Record(number, line, {}, Fault("", "json", message))
    if not isinstance(value, dict):
        return Record(number, line, {}, Fault("", "json", f"found a {type(value).__name__}"))
    return from_values(number, line, value)
