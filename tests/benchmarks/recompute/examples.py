"""Cases come in; the disagreements that a report shows go out, chosen and told a second time."""

import hashlib
import math
import sqlite3
from collections import defaultdict
from collections.abc import Sequence

from tests.benchmarks.recompute.counts import differs
from tests.benchmarks.recompute.rows import Row

SHOWN = 20
Texts = dict[str, tuple[str, str]]


def texts(connection: sqlite3.Connection) -> Texts:
    """Subject and body, redacted, by decision."""
    rows = connection.execute("select decision_id, subject, body from texts")
    return {decision: (subject, body) for decision, subject, body in rows}


def top(cases: Sequence[Row], kept: Texts) -> list[Row]:
    """Those on which the less sure of the two models is surest."""

    def doubt(case: Row) -> tuple[float, str]:
        known = [case[side][1] for side in "ic" if case[side][1] is not None]
        return -min(known), case["decision_id"]

    return [_shown(case, kept) for case in sorted(filter(differs, cases), key=doubt)[:SHOWN]]


def review(cases: Sequence[Row], kept: Texts) -> list[Row]:
    """The unlabelled ones: a stratum is a pair of labels."""
    strata: dict[str, list[Row]] = defaultdict(list)
    for case in cases:
        if differs(case) and case["final"] is None:
            strata[str((case["task"], case["i"][0], case["c"][0]))].append(case)
    names = sorted(strata)
    shares = _shares([len(strata[name]) for name in names])
    chosen = [
        case
        for name, share in zip(names, shares, strict=True)
        for case in _from(strata[name], share)
    ]
    return [_shown(case, kept) for case in sorted(chosen, key=_lot)]


def _shares(sizes: Sequence[int]) -> list[int]:
    """A place at a time to where the root of the size, over twice the places plus 1, is largest."""
    given = [0] * len(sizes)
    for _ in range(min(SHOWN, sum(sizes))):
        owed = [
            -1.0 if one >= size else math.sqrt(size) / (2 * one + 1)
            for one, size in zip(given, sizes, strict=True)
        ]
        given[owed.index(max(owed))] += 1
    return given


def _from(cases: Sequence[Row], share: int) -> list[Row]:
    """The least certain for one half, rounded up; the other half by lot."""

    def certainty(case: Row) -> tuple[float, str]:
        known = [case["told"][case["task"]]["confidence"]]
        known += [case["confidence"]] if case["confidence"] is not None else []
        return -(1.0 - sum(known) / len(known)), case["decision_id"]

    ranked = sorted(cases, key=certainty)
    half = (share + 1) // 2
    return ranked[:half] + sorted(ranked[half:], key=_lot)[: share - half]


def _lot(case: Row) -> str:
    return hashlib.sha256(f"0:{case['decision_id']}:{case['task']}".encode()).hexdigest()


def _shown(case: Row, kept: Texts) -> Row:
    subject, body = kept.get(case["decision_id"], (None, None))
    return {
        **{name: case[name] for name in ("decision_id", "request_id", "ticket_id")},
        "at": case["decided"],
        "incumbent": case["i"][0],
        "challenger": case["c"][0],
        "incumbent_confidence": case["i"][1],
        "challenger_confidence": case["c"][1],
        "final_label": case["final"],
        "subject": _cut(subject, 120),
        "excerpt": _cut(body, 280),
    }


def _cut(text: str | None, most: int) -> str | None:
    if text is None:
        return None
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
