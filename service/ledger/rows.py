"""Records come in; rows that every database takes go out: cleaned, cut, finite."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from service.contract.ticket import clean
from service.ledger.faults import RecordRefusedError
from service.ledger.records import Comparison, Decision, FinalLabel
from service.ledger.tables import ID, NAME

Row = dict[str, Any]
T = TypeVar("T")

# So many ids fit into one statement on either database.
_PAGE = 1_000


def pages(items: Iterable[T], size: int = _PAGE) -> Iterator[Sequence[T]]:
    """The items in lists of `size` at most, as few as a statement may hold."""
    page: list[T] = []
    for item in items:
        page.append(item)
        if len(page) == size:
            yield page
            page = []
    if page:
        yield page


def cut(text: str, limit: int) -> str:
    """PostgreSQL refuses NUL, both refuse a lone surrogate; what is too long loses its end."""
    return clean(text[:limit])


def key(given: str | None) -> str | None:
    """An id as it is stored, and must be looked up."""
    return None if given is None else cut(given, ID)


def decision_row(decision: Decision) -> Row:
    """A row of `decisions`."""
    return {
        "id": key(decision.id),
        "request_id": key(decision.request_id),
        "ticket_id": key(decision.ticket_id),
        "at": _finite(decision.at),
        "bundle_version": cut(decision.bundle_version, NAME),
        "bundle_digest": cut(decision.bundle_digest, NAME),
        "tokens": decision.tokens,
        "truncated": decision.truncated,
        "language": None if decision.language is None else cut(decision.language, 16),
        "metadata": {cut(k, 64): cut(v, 64) for k, v in decision.metadata.items()},
    }


def prediction_rows(decision: Decision) -> list[Row]:
    """Rows of `predictions`."""
    return [
        {
            "decision_id": key(decision.id),
            "task": cut(told.task, NAME),
            "label": cut(told.label, NAME),
            "confidence": _finite(told.confidence),
            "decision": cut(told.decision, 16),
            "likeliest": None if told.likeliest is None else cut(told.likeliest[0], NAME),
            "likeliest_confidence": told.likeliest and _finite(told.likeliest[1]),
        }
        for told in decision.predictions
    ]


def text_rows(decision: Decision) -> list[Row]:
    """A row of `texts`, or none."""
    if decision.text is None:
        return []
    subject, body = decision.text
    return [{"decision_id": key(decision.id), "subject": clean(subject), "body": clean(body)}]


def comparison_row(comparison: Comparison) -> Row:
    """A row of `comparisons`."""
    return {
        "decision_id": key(comparison.decision_id),
        "legacy": cut(comparison.legacy, NAME),
        "task": cut(comparison.task, NAME),
        "at": _finite(comparison.at),
        "identity": cut(comparison.identity, NAME),
        "role": comparison.role,
        "outcome": comparison.outcome,
        "reason": _cut(comparison.reason, 32),
        "label": _cut(comparison.label, NAME),
        "given_label": _cut(comparison.given_label, 64),
        "confidence": _finite_or_none(comparison.confidence),
        "seconds": _finite_or_none(comparison.seconds),
    }


def feedback_row(label: FinalLabel, now: float) -> Row:
    """A row of `feedback`."""
    if (label.ticket_id is None) == (label.request_id is None):
        raise RecordRefusedError("a final label needs exactly one of ticket_id and request_id")
    return {
        "ticket_id": key(label.ticket_id),
        "request_id": key(label.request_id),
        "task": cut(label.task, NAME),
        "label": cut(label.label, NAME),
        "labelled_at": _finite_or_none(label.labelled_at),
        "received_at": _finite(now),
        "source": cut(label.source, 64),
    }


def _cut(text: str | None, limit: int) -> str | None:
    return None if text is None else cut(text, limit)


def _finite(number: float) -> float:
    # SQLite would store NaN as NULL, PostgreSQL as NaN: neither is a measurement.
    if not math.isfinite(number):
        raise RecordRefusedError(f"a number must be finite, found {number}")
    return float(number)


def _finite_or_none(number: float | None) -> float | None:
    return None if number is None else _finite(number)
