"""Cases come in; what each belongs to goes out: a column of values for every dimension."""

from bisect import bisect_right
from collections.abc import Sequence

from service.ledger.records import Case

_TOKENS = (33, 65, 129, 257, 513)
_LENGTHS = ("1-32", "33-64", "65-128", "129-256", "257-512", "513 or more")
_CONFIDENCES = (0.5, 0.7, 0.8, 0.9, 0.95)
_BANDS = ("below 0.5", "0.5-0.7", "0.7-0.8", "0.8-0.9", "0.9-0.95", "0.95 or more")

Columns = dict[str, list[str | None]]


def length_band(tokens: int) -> str:
    """The band of a ticket's length in tokens."""
    return _LENGTHS[bisect_right(_TOKENS, tokens)]


def confidence_band(confidence: float) -> str:
    """The band of a confidence, from 0 to 1."""
    return _BANDS[bisect_right(_CONFIDENCES, confidence)]


def value_of(case: Case, dimension: str, *, final: bool) -> str | None:
    """What a case belongs to along one dimension; None where nothing says so.

    dimension: a task's name, `language`, `length`, `confidence` (of the answer the caller got), or
    a field of the metadata; the first that fits. final: for a task its final label is meant,
    otherwise what the caller was answered.
    """
    if dimension in case.labels:
        return (case.finals if final else case.labels).get(dimension)
    if dimension == "language":
        return case.language
    if dimension == "length":
        return length_band(case.tokens)
    if dimension == "confidence":
        return confidence_band(case.primary_confidence)
    return case.metadata.get(dimension)


def columns(cases: Sequence[Case], *, final: bool) -> Columns:
    """A column for every dimension along which the cases differ; see `value_of`."""
    names = dict.fromkeys(name for case in cases for name in sorted(case.labels))
    names |= dict.fromkeys(("language", "length", "confidence"))
    names |= dict.fromkeys(sorted({name for case in cases for name in case.metadata}))
    found = {name: [value_of(case, name, final=final) for case in cases] for name in names}
    return {name: column for name, column in found.items() if len(set(column)) > 1}
