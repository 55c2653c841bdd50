"""A kept comparison comes in; one row for each task and rival, ready for a page, goes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from training.compare.keep import KEY, comparison_rows
from training.report.formats import listed

_TONES: Mapping[str, Literal["good", "open", "bad"]] = {"helps": "good", "hurts": "bad"}
_RIVALS = {
    "single": "its own model",
    "transfer": "its model after the largest task's",
    "old": "the older checkpoint",
    "smaller": "fewer tasks",
}
_LED = {
    "hurts": "Learning together hurts {}.",
    "helps": "Learning together helps {}.",
    "neutral": "It makes no difference to {}.",
    "inconclusive": "The test split cannot tell for {}.",
}


@dataclass(frozen=True)
class Against:
    """One task against a rival, in shares of macro-F1. settles: what would settle it, in words."""

    task: str
    rival: str
    difference: float
    low: float
    high: float
    word: str
    tone: Literal["good", "open", "bad"]
    settles: str


@dataclass(frozen=True)
class Compared:
    """said: the verdict in a sentence or two. margin: the loss that does not matter. level: of
    the intervals.
    """

    said: str
    margin: float | None
    level: float
    rows: tuple[Against, ...]
    changes: tuple[str, ...]


def compared(metrics: Mapping[str, Any]) -> Compared | None:
    """What `harbor-train compare` kept; None where the run was not compared."""
    document: Mapping[str, Any] = metrics.get(KEY) or {}
    rows = tuple(_row(row) for row in comparison_rows(document))
    if not rows:
        return None
    return Compared(
        _said(rows),
        document.get("margin"),
        document.get("level", 0.95),
        rows,
        tuple(document.get("changes", ())),
    )


def _row(row: Mapping[str, Any]) -> Against:
    return Against(
        task=row["task"],
        rival=_RIVALS.get(row["kind"], row["kind"]),
        difference=row["difference"],
        low=row["low"],
        high=row["high"],
        word=row["verdict"],
        tone=_TONES.get(row["verdict"], "open"),
        settles=_settles(row),
    )


def _settles(row: Mapping[str, Any]) -> str:
    if row.get("needed") is not None:
        return f"about {row['needed']:,} test tickets"
    return "more seeds" if row.get("more_seeds") else ""


def _said(rows: tuple[Against, ...]) -> str:
    own = [row for row in rows if row.rival == _RIVALS["single"]]
    sentences = [_LED[word].format(listed(names)) for word, names in _by_word(own).items()]
    for rival in dict.fromkeys(row.rival for row in rows if row not in own):
        found = _by_word([row for row in rows if row.rival == rival])
        told = "; ".join(f"{word} {listed(names)}" for word, names in found.items())
        sentences.append(f"Against {rival}: {told}.")
    return " ".join(sentences)


def _by_word(rows: Sequence[Against]) -> dict[str, list[str]]:
    """Tasks by verdict, the bad ones first."""
    found = {word: [row.task for row in rows if row.word == word] for word in _LED}
    return {word: names for word, names in found.items() if names}
