"""A desk's past tickets and decisions as CSV files."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.tiny_bundle import WORDS


def text(number: int) -> str:
    """The body of a ticket, another one for each number up to fifteen."""
    return " ".join(WORDS[number * step % len(WORDS)] for step in (1, 3, 7))


def write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Path:
    """Writes a CSV file and returns its path."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([columns, *rows])
    return path


def past_rules(tmp_path: Path, rows: Iterable[Sequence[str]], columns: Sequence[str] = ()) -> Path:
    """Writes `rules.csv`; the columns are ticket_id and category unless told otherwise."""
    return write(tmp_path / "rules.csv", columns or ("ticket_id", "category"), rows)
