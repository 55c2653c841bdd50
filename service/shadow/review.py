"""Cases come in; the unlabelled disagreements most worth an agent's minute go out.

A label pair of a task gets a share that grows with the square root of its count, so that rare
confusions are looked at too. Half of each share are the pair's least certain tickets, the other
half is drawn at random, so that sure mistakes are found as well.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from service.ledger.records import Case

Stratum = tuple[str, str | None, str | None]


def choose(cases: Iterable[Case], count: int, seed: int = 0) -> list[Case]:
    """At most `count` disagreements without a final label, in an order that hides the pair.

    The same cases and seed give the same choice, whatever their order. Raises ValueError.
    """
    if count < 0:
        raise ValueError(f"count must not be negative, found {count}")
    strata: dict[Stratum, list[Case]] = defaultdict(list)
    for case in cases:
        if worth_a_look(case):
            strata[case.task, case.incumbent_label, case.challenger_label].append(case)
    names = sorted(strata, key=str)
    shares = allocate([len(strata[name]) for name in names], count)
    chosen = [
        case
        for name, share in zip(names, shares, strict=True)
        for case in _within(strata[name], share, seed)
    ]
    return sorted(chosen, key=lambda case: _lot(case, seed))


def worth_a_look(case: Case) -> bool:
    """Whether the two differ on it and nobody has said yet who is right."""
    return (
        case.outcome == "compared"
        and case.final_label is None
        and case.primary_label != case.legacy_label
    )


def allocate(sizes: Sequence[int], count: int) -> list[int]:
    """How many of each stratum: by the square root of its size, never more than it holds.

    They sum to `count`, or to all there are. A place goes where it is owed most (Webster).
    """
    given = [0] * len(sizes)
    for _ in range(min(count, sum(sizes))):
        open_ = [at for at, size in enumerate(sizes) if given[at] < size]
        best = max(open_, key=lambda at: (math.sqrt(sizes[at]) / (2 * given[at] + 1), -at))
        given[best] += 1
    return given


def uncertainty(case: Case) -> float:
    """One less the mean of the confidences that are known, from 0 to 1."""
    known = [case.primary_confidence]
    if case.legacy_confidence is not None:
        known.append(case.legacy_confidence)
    return 1.0 - sum(known) / len(known)


def _within(cases: Sequence[Case], share: int, seed: int) -> list[Case]:
    ranked = sorted(cases, key=lambda case: (-uncertainty(case), case.decision_id))
    sure = math.ceil(share / 2)
    drawn = sorted(ranked[sure:], key=lambda case: _lot(case, seed))
    return [*ranked[:sure], *drawn[: share - sure]]


def _lot(case: Case, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{case.decision_id}:{case.task}".encode()).digest()
