"""A text file comes in, gzipped or not; its lines go out one at a time, each of bounded length."""

import codecs
import gzip
import io
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from training.errors import DataError

MOST_CHARACTERS = 1 << 24
"""Of a line, and of a row: what stands in memory at once. A log of 16 MB still is one ticket."""

_OTHER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class TooLong(Exception):
    """A row is longer than MOST_CHARACTERS. It never leaves this package."""


def read_lines(path: Path) -> Iterator[str]:
    r"""Lines with their ends, as `formats.text.lines_of` gives them; bytes beyond UTF-8 as lone
    surrogates.

    Raises DataError, also where a line is longer than MOST_CHARACTERS.
    """
    try:
        _check_encoding(path)
        with _open(path) as stream:
            while line := stream.readline(MOST_CHARACTERS):
                if len(line) == MOST_CHARACTERS:
                    rule = f"a line must be shorter than {MOST_CHARACTERS:,} characters"
                    raise DataError(f"{path.name}: {rule} where a run streams its tickets")
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be read: {error}") from error


class Rewindable:
    """Lines that come again from the one below the row's start, where the row turns out broken."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._held: list[str] = []
        self._ahead: deque[str] = deque()
        self._characters = 0

    def __iter__(self) -> "Rewindable":
        return self

    def __next__(self) -> str:
        if self._characters > MOST_CHARACTERS:
            raise TooLong
        line = self._ahead.popleft() if self._ahead else next(self._lines)
        self._held.append(line)
        self._characters += len(line)
        return line

    def end_row(self) -> int:
        """Lets the row's lines go; returns how many they are."""
        count, self._held, self._characters = len(self._held), [], 0
        return count

    def go_back(self) -> None:
        """All lines of the row but its first are to come again."""
        self._ahead.extendleft(reversed(self._held[1:]))
        self.end_row()


def _check_encoding(path: Path) -> None:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        if stream.read(2) in _OTHER_MARKS:
            raise DataError(f"{path.name} must be UTF-8, found the byte order mark of UTF-16")


def _open(path: Path) -> IO[str]:
    raw: Any = gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115 (closed with the wrapper)
    return io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
