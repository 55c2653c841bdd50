"""A desk's nightly export as CSV comes in; final labels for `POST /feedback/batch` go out.

One row a ticket with a column for each task, or one row a label with the columns `task` and
`label`, as the review queue has it.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from service.shadow.spreadsheet import bare

# Where a row has both, `id` may well be that of the row.
_IDS = {"id": "ticket_id", "ticket_id": "ticket_id", "request_id": "request_id"}
_UNREADABLE = (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error)
_EXTRAS = ("labelled_at", "source")


class LabelsFileError(Exception):
    """The file cannot be read as final labels; the message names the row and the rule."""


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """One row: its number in the file, the header being 1, and the feedback it stands for."""

    number: int
    feedback: dict[str, Any]


def read_labels(path: Path, tasks: Sequence[str]) -> Iterator[LabelledRow]:
    """The rows that hold a label, in the order of the file; rows without one are skipped.

    tasks: names of the columns that hold labels. Raises LabelsFileError.
    """
    with _opened(path) as stream:
        reader = csv.DictReader(stream, delimiter=_delimiter(path, stream), strict=True)
        columns = _columns(path, reader, tasks)
        try:
            for row in reader:
                if feedback := _feedback(row, columns):
                    yield LabelledRow(reader.line_num, feedback)
        except (csv.Error, *_UNREADABLE) as error:
            raise LabelsFileError(f"{path.name} row {reader.line_num + 1}: {error}") from None


def _opened(path: Path) -> TextIO:
    try:
        if path.suffix == ".gz":
            return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise LabelsFileError(f"{path.name} cannot be read: {error.strerror}") from None


def _delimiter(path: Path, stream: TextIO) -> str:
    """A comma, or the semicolon that spreadsheets write where the comma is a decimal point."""
    try:
        head = stream.readline()
        stream.seek(0)
    except _UNREADABLE as error:
        raise LabelsFileError(f"{path.name} row 1: {error}") from None
    return ";" if head.count(";") > head.count(",") else ","


def _columns(path: Path, reader: "csv.DictReader[str]", tasks: Sequence[str]) -> list[str]:
    """The columns that hold labels: those of the tasks, or none where there is a row a label."""
    try:
        names = list(reader.fieldnames or [])
    except (csv.Error, *_UNREADABLE) as error:
        raise LabelsFileError(f"{path.name} row 1: {error}") from None
    if not any(name in _IDS for name in names):
        raise LabelsFileError(f"{path.name} needs a column ticket_id or request_id")
    if "task" in names and "label" in names:
        return []
    if found := [task for task in tasks if task in names]:
        return found
    raise LabelsFileError(
        f"{path.name} needs a column for a task ({', '.join(tasks)}), or the columns task and label"
    )


def _feedback(row: dict[str, str | None], columns: Sequence[str]) -> dict[str, Any]:
    """The row as feedback; empty where it holds no label."""
    filled = {name: bare(value.strip()) for name, value in row.items() if name and value}
    if columns:
        labels = {task: filled[task] for task in columns if filled.get(task)}
    else:
        task, label = filled.get("task"), filled.get("label")
        labels = {task: label} if task and label else {}
    if not labels:
        return {}
    # A row may name both; an agent judges the ticket, however often it was routed.
    ids = {_IDS[name]: filled[name] for name in _IDS if filled.get(name)}
    if "ticket_id" in ids:
        ids.pop("request_id", None)
    extras = {name: filled[name] for name in _EXTRAS if filled.get(name)}
    return {"labels": labels, **ids, **extras}
