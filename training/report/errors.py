"""A run's test tickets come in; those that the model got wrong while it was surest go out, their
text redacted.

Shapes: N labelled test tickets of a task.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from training.data.dataset import UNLABELLED
from training.data.table import Row
from training.predictions import Predictions
from training.report.outcome import Outcome, Told

MOST = 8
"""Tickets shown of a task."""

KNOWN = 20
"""A word that fewer training tickets have is hidden: it may name a person."""

WORDS = 40
"""Words shown of a ticket at most."""

_HIDDEN = re.compile(r"[\d@/\\_]|\w[.]\w|www")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Tickets:
    """ids: of the test split, in the order of its predictions. rows: by id, those of the test
    split; None where the file of tickets is gone, for which `missing` has the reason in words.

    common: the words that at least KNOWN training tickets have.
    """

    ids: tuple[str, ...]
    rows: Mapping[str, Row] | None = None
    common: frozenset[str] = frozenset()
    missing: str = ""


@dataclass(frozen=True)
class Wrong:
    """words: of the text, a hidden one is None; None where the text is not known."""

    id: str
    given: str
    said: str
    confidence: float
    words: tuple[str | None, ...] | None


@dataclass(frozen=True)
class Errors:
    """The surest of `count` errors."""

    count: int
    worst: tuple[Wrong, ...]
    missing: str


def errors(
    outcome: Outcome, told: Told, predictions: Predictions, tickets: Tickets | None
) -> Errors | None:
    """None where the run's list of test tickets is not known, or is not the predictions'."""
    if tickets is None or len(tickets.ids) != len(predictions):
        return None
    labels = outcome.task.labels
    place_N = np.flatnonzero(predictions.labels[outcome.task.name] != UNLABELLED)
    wrong = np.flatnonzero(~told.right_N)
    surest = wrong[np.argsort(-told.confidence_N[wrong], kind="stable")][:MOST]
    worst = tuple(
        Wrong(
            tickets.ids[place_N[at]],
            labels[outcome.labels_N[at]],
            labels[told.chosen_N[at]],
            float(told.confidence_N[at]),
            _text(tickets, tickets.ids[place_N[at]]),
        )
        for at in surest
    )
    return Errors(len(wrong), worst, tickets.missing)


def common_words(rows: Iterable[Row], least: int = KNOWN) -> frozenset[str]:
    """The words, in lower case, that at least `least` of the rows have."""
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(set(_WORD.findall(row.text.lower())))
    return frozenset(word for word, count in counts.items() if count >= least)


def redacted(text: str, common: Collection[str], most: int = WORDS) -> tuple[str | None, ...]:
    """The text's words in lower case; None for one or more that are hidden.

    Hidden are words that are not common, and everything with a digit, an address or a path.
    """
    found: list[str | None] = []
    for part in text.lower().split():
        words = [None] if _HIDDEN.search(part) else _WORD.findall(part)
        for word in words:
            shown = word if word in common else None
            if shown is not None or not found or found[-1] is not None:
                found.append(shown)
        if len(found) >= most:
            break
    return tuple(found[:most])


def _text(tickets: Tickets, ticket: str) -> tuple[str | None, ...] | None:
    if tickets.rows is None or ticket not in tickets.rows:
        return None
    return redacted(tickets.rows[ticket].text, tickets.common)
