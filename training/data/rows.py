"""A record and the run's tasks come in; a row of the table, or the rule that it broke, goes out."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Protocol

from training.data.formats.record import Fault, Record
from training.data.table import Row, text_key
from training.data.votes import BrokenVotes, majority, parse_votes

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_PLAIN_VALUE = re.compile(r"[\w.:/+-]{1,40}")
_LONGEST_ID = 200
_LONGEST_LABEL = 64


class TaskSpec(Protocol):
    """What reading needs to know of a task: its name, and its labels where the run fixes them."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> Sequence[str] | None: ...


class BrokenRule(Exception):
    """A record broke a rule; `fault` says which. It never leaves this package."""

    def __init__(self, column: str, rule: str, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(column, rule, message)


def to_row(
    record: Record,
    tasks: Mapping[str, Collection[str] | None],
    votes: Mapping[str, str] = MappingProxyType({}),
) -> Row:
    """The record as a row; without an id it gets one made from its text.

    tasks: name to the labels allowed, None for any. votes: task to the column with its votes; a
    task that has votes and no label gets the label that most of them are for. Raises BrokenRule.
    """
    wanted = ("id", "subject", "body", "created_at", "source", *tasks, *votes.values())
    for fault in (record.fault, *map(record.faults.get, wanted)):
        if fault:
            raise BrokenRule(fault.column, fault.rule, fault.message)
    fields = {column: _decoded(column, record.fields.get(column, "")) for column in wanted}
    found = {task: _votes(column, fields[column]) for task, column in votes.items()}
    row = Row(
        id=fields["id"].strip(),
        subject=_line_ends(fields["subject"]),
        body=_line_ends(fields["body"]),
        labels=_labels(fields, tasks, found),
        created_at=_time(fields["created_at"].strip()),
        source=fields["source"].strip(),
        votes={task: counts for task, counts in found.items() if counts},
    )
    return _with_id(row)


def made_id(text: str) -> str:
    """The id of a row that brings none: 16 hexadecimal digits of its text's key."""
    return text_key(text)[:16]


def _with_id(row: Row) -> Row:
    if not row.text:
        raise BrokenRule("body", "empty_text", "subject and body hold no text")
    if len(row.id) > _LONGEST_ID or _CONTROL.search(row.id):
        raise BrokenRule("id", "id", f"found {len(row.id)} characters, or a control character")
    if row.id:
        return row
    return replace(row, id=made_id(row.text))


def _decoded(column: str, value: str) -> str:
    if found := _SURROGATES.search(value):
        code = ord(found.group())
        what = f"byte 0x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else "a lone surrogate"
        raise BrokenRule(column, "encoding", f"{what} at character {found.start()} is not UTF-8")
    return value


def _line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _labels(
    fields: Mapping[str, str],
    tasks: Mapping[str, Collection[str] | None],
    votes: Mapping[str, dict[str, int]],
) -> dict[str, str]:
    told = {task: majority(counts) or "" for task, counts in votes.items()}
    given = {task: fields[task].strip() or told.get(task, "") for task in tasks}
    labels = {task: label for task, label in given.items() if label}
    for task, label in labels.items():
        _check_label(task, label, tasks[task])
    return labels


def _votes(column: str, value: str) -> dict[str, int]:
    try:
        return parse_votes(value)
    except BrokenVotes as error:
        raise BrokenRule(column, "votes", str(error)) from None


def _check_label(task: str, label: str, allowed: Collection[str] | None) -> None:
    if len(label) > _LONGEST_LABEL or _CONTROL.search(label):
        raise BrokenRule(task, "label", f"found {_shown(label)}")
    if allowed is not None and label not in allowed:
        raise BrokenRule(task, "unknown_label", f"found {_shown(label)}")


def _shown(value: str) -> str:
    """A value that looks like a slug, else its length: in a shifted row it could be ticket text."""
    return repr(value) if _PLAIN_VALUE.fullmatch(value) else f"{len(value)} characters"


def _time(value: str) -> datetime | None:
    if not value:
        return None
    try:
        when = datetime.fromisoformat(value)
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"found {_shown(value)}, which is no ISO 8601 date or time"
        raise BrokenRule("created_at", "created_at", message) from None
