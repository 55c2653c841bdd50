"""The text of a CSV file comes in (RFC 4180, commas); its header's columns and records go out."""

import csv
from collections.abc import Iterator
from pathlib import Path

from training.data.formats.record import Fault, Record, Records
from training.data.formats.text import lines_of, read_text
from training.errors import DataError

FIELD_LIMIT = 64 * 1024 * 1024
"""Characters of a field; the csv module's own 131,072 is less than bodies with logs in them."""


def read_csv(path: Path) -> Records:
    """Records of a CSV file. Raises DataError where the header cannot be used."""
    csv.field_size_limit(FIELD_LIMIT)
    lines = lines_of(read_text(path))
    header = _header(path, lines)
    return Records(frozenset(header), _records(lines, header))


def _header(path: Path, lines: list[str]) -> list[str]:
    try:
        header = [name.strip() for name in next(csv.reader(lines[:1], strict=True), [])]
    except csv.Error as error:
        raise DataError(f"{path.name}: the header is not CSV: {error}") from error
    if not header:
        raise DataError(f"{path.name} is empty: the first line must name the columns")
    if len(set(header)) != len(header):
        raise DataError(f"{path.name}: a column stands twice in the header")
    if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        raise DataError(f"{path.name}: columns must be separated by commas")
    return header


def _records(lines: list[str], header: list[str]) -> Iterator[Record]:
    """Every record; after a fault of quoting, reading goes on one line below its start.

    So a stray quote swallows no good row; the lines of a broken one may count as rows each.
    """
    number, start = 0, 1
    while start < len(lines):
        for values, end in _rows(lines, start):
            if values != []:  # A blank line is no row.
                number += 1
                yield _record(number, start + 1, header, values)
            start = end


def _rows(lines: list[str], start: int) -> Iterator[tuple[list[str] | None, int]]:
    """Each row's fields from line index `start` on, with the index after it; stops after a fault.

    A fault of quoting is None, with the index of the line below its start.
    """
    reader, end = csv.reader((lines[at] for at in range(start, len(lines))), strict=True), start
    while True:
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield None, end + 1
            return
        end = start + reader.line_num
        yield values, end


def _record(number: int, line: int, header: list[str], values: list[str] | None) -> Record:
    if values is None:
        message = "a quote is not closed, or not doubled"
        return Record(number, line, {}, Fault("", "quoting", message))
    if len(values) != len(header):
        message = f"found {len(values)} fields, the header has {len(header)}"
        return Record(number, line, {}, Fault("", "columns", message))
    return Record(number, line, dict(zip(header, values, strict=True)))
