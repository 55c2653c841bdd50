"""Two JSON documents come in, what a report says and what was computed a second time; where they
differ by more than 1e-12 goes out.
"""

import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.benchmarks.recompute.rows import Row

TOLERANCE = 1e-12
_NUMBER = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")


@dataclass(frozen=True)
class Ranked:
    """The first `most` of these rows are wanted, found by `key`; those of one rank in any order."""

    rows: Sequence[Any]
    key: Callable[[Row], Hashable]
    rank: Callable[[Row], tuple[float, ...]] = lambda _: ()
    most: int = 1_000


@dataclass(frozen=True)
class OneOf:
    """Any of these is right: they stand equal."""

    choices: Sequence[Any]


@dataclass(frozen=True)
class Sentence:
    """A sentence that holds these words and, beside them, these numbers; its wording is free."""

    numbers: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@dataclass
class Result:
    """differences: what is not equal. figures: numbers compared. largest: over max(1, |x|)."""

    differences: list[str] = field(default_factory=list)
    figures: int = 0
    largest: float = 0.0

    def equal(self, where: str, said: Any, found: Any) -> None:
        """Compares two JSON values all the way down."""
        if isinstance(found, Ranked):
            self._ranked(where, said, found)
        elif isinstance(found, OneOf):
            self._one_of(where, said, found)
        elif isinstance(found, Sentence):
            self._sentence(where, said, found)
        elif isinstance(found, dict):
            self._keys(where, said, found)
        elif isinstance(found, (list, tuple)):
            self._entries(where, said, found)
        elif isinstance(found, float) and isinstance(said, (int, float)):
            self._number(where, said, found)
        else:
            self.figures += isinstance(found, int)
            self._same(where, said, found)

    def _same(self, where: str, said: Any, found: Any) -> None:
        if said != found or isinstance(said, bool) != isinstance(found, bool):
            self.differences.append(f"{where}: {said!r}, found {found!r}")

    def _number(self, where: str, said: float, found: float) -> None:
        self.figures += 1
        apart = abs(said - found) / max(1.0, abs(found))
        self.largest = max(self.largest, apart)
        if not apart <= TOLERANCE:
            self.differences.append(f"{where}: {said!r}, found {found!r}")

    def _keys(self, where: str, said: Any, found: Row) -> None:
        if not isinstance(said, dict) or said.keys() != found.keys():
            self.differences.append(f"{where}: {said!r}, found {sorted(found)}")
            return
        for key in found:
            self.equal(f"{where}.{key}" if where else key, said[key], found[key])

    def _entries(self, where: str, said: Any, found: Sequence[Any]) -> None:
        if len(said) != len(found):
            self.differences.append(f"{where}: {len(said)} entries, found {len(found)}")
        for at, (one, other) in enumerate(zip(said, found, strict=False)):
            self.equal(f"{where}[{at}]", one, other)

    def _ranked(self, where: str, said: Sequence[Row], found: Ranked) -> None:
        wanted = min(found.most, len(found.rows))
        if len({found.key(row) for row in said}) != wanted or len(said) != wanted:
            self.differences.append(f"{where}: {len(said)} rows, found {wanted}")
        mine = {found.key(row): row for row in map(_first, found.rows)}
        rows = {found.key(_first(row)): row for row in found.rows}
        for row in said:
            key = found.key(row)
            if key in rows:
                self.equal(f"{where}.{key}", row, rows[key])
            else:
                self.differences.append(f"{where}.{key}: not found")
        ranks = [found.rank(mine[found.key(row)]) for row in said if found.key(row) in mine]
        if any(_is_after(one, other) for one, other in pairwise(ranks)):
            self.differences.append(f"{where}: not in order")

    def _one_of(self, where: str, said: Any, found: OneOf) -> None:
        tries = []
        for choice in found.choices:
            tries.append(Result())
            tries[-1].equal(where, said, choice)
        best = min(tries, key=lambda one: len(one.differences))
        self.differences += best.differences
        self.figures += best.figures
        self.largest = max(self.largest, best.largest)

    def _sentence(self, where: str, said: Any, found: Sentence) -> None:
        left = str(said)
        for word in found.words:
            if word not in left:
                self.differences.append(f"{where}: {said!r} lacks {word!r}")
            left = left.replace(word, "", 1)
        numbers = tuple(one.rstrip(",") for one in _NUMBER.findall(left))
        self.figures += len(found.numbers)
        if numbers != found.numbers:
            self.differences.append(f"{where}: {said!r}, found {found.numbers}")


def _first(row: Any) -> Row:
    found: Row = row.choices[0] if isinstance(row, OneOf) else row
    return found


def _is_after(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether the first rank stands behind the second by more than rounding."""
    for a, b in zip(one, other, strict=True):
        if abs(a - b) > 1e-9 * max(1.0, abs(b)):
            return a > b
    return False
