"""A CSV file comes in, plain or gzipped; its rows go out one by one, bad ones counted and named."""

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from service.errors import ShadowRefused

FIELD_LIMIT = 4 * 1024 * 1024
"""Characters of a field. A quote that is never closed swallows no more than that."""

NAMED = 20
_IDS = ("ticket_id", "id")
_ID_LENGTH = 200


class BrokenRow(Exception):
    """A row breaks a rule, which the message states without quoting the row."""


@dataclass(slots=True)
class Faults:
    """Rows that were left out: how many of each file, and the first of them by number."""

    counts: Counter[str] = field(default_factory=Counter)
    named: list[str] = field(default_factory=list)

    def add(self, file: str, row: int, rule: str) -> None:
        """One row. row: its number, the one below the header being 1."""
        self.counts[file] += 1
        if len(self.named) < NAMED:
            self.named.append(f"{file} row {row}: {rule}")


@contextmanager
def open_rows(path: Path, faults: Faults) -> "Iterator[Rows]":
    """The rows of a file, open. Raises ShadowRefused where it or its header cannot be used."""
    csv.field_size_limit(FIELD_LIMIT)
    with _readable(path.name):
        stream = _open(path)
    with stream:
        yield Rows(path.name, stream, faults)


class Rows:
    """The rows of an open file.

    columns: of the header. number: of the present row, the one below the header being 1.
    """

    def __init__(self, name: str, stream: IO[str], faults: Faults) -> None:
        self.name, self.number = name, 0
        self._faults = faults
        self._reader = csv.reader(stream, strict=True)
        self.columns = self._header()

    def __iter__(self) -> Iterator[dict[str, str]]:
        """The values by column; a row that is not CSV is a fault, and reading goes on below it."""
        while True:
            try:
                with _readable(self.name):
                    values = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                self.number += 1
                self.refuse(str(error))
                continue
            if values:
                self.number += 1
                if (row := self._row(values)) is not None:
                    yield row

    def refuse(self, rule: str) -> None:
        """Counts the present row as a bad one."""
        self._faults.add(self.name, self.number, rule)

    def id_of(self, row: dict[str, str]) -> str:
        """The row's ticket id. Raises BrokenRow."""
        column = next(name for name in _IDS if name in self.columns)
        given = row[column].strip()
        if not 0 < len(given) <= _ID_LENGTH:
            raise BrokenRow(f"{column} must have 1 to {_ID_LENGTH} characters, found {len(given)}")
        return given

    def _row(self, values: Sequence[str]) -> dict[str, str] | None:
        if len(values) != len(self.columns):
            self.refuse(f"found {len(values)} fields, the header has {len(self.columns)}")
            return None
        row = dict(zip(self.columns, values, strict=True))
        # Bytes that are not UTF-8 were read as lone surrogates.
        broken = [name for name, value in row.items() if not value.isascii() and _is_torn(value)]
        if broken:
            self.refuse(f"{broken[0]} is not UTF-8")
            return None
        return row

    def _header(self) -> tuple[str, ...]:
        try:
            with _readable(self.name):
                columns = tuple(name.strip() for name in next(self._reader, []))
        except csv.Error as error:
            raise ShadowRefused(f"{self.name}: the header is not CSV: {error}") from None
        if len(set(columns)) != len(columns):
            raise ShadowRefused(f"{self.name}: a column stands twice in the header")
        if not any(name in columns for name in _IDS):
            raise ShadowRefused(
                f"{self.name}: the header, separated by commas, needs ticket_id or id"
            )
        return columns


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "the compressed data are damaged"
        raise ShadowRefused(f"{name} cannot be read: {reason}") from None


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="")
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _is_torn(value: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in value)
