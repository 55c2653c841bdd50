"""Compared cases with a final label come in; which of them count for what goes out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.ledger.records import REVIEW, Case
from service.shadow.findings.disagreement import rate
from service.shadow.findings.proofs import Accuracy, Counts
from service.statistics.paired import Pairs, paired_difference


@dataclass(frozen=True)
class Admitted:
    """The cases that count for a test, in the order in which their labels arrived."""

    cases: tuple[Case, ...]
    left_out_review: int
    left_out_early: int


def without_repeats(cases: Sequence[Case]) -> list[Case]:
    """The latest alone of labelled cases that share a request id and have no ticket id.

    They share their label too: a caller's retries would count one ticket several times.
    cases: oldest first.
    """
    latest = {_ticket(case): case for case in cases}
    return [case for case in cases if latest[_ticket(case)] is case]


def _ticket(case: Case) -> tuple[str, str]:
    if case.ticket_id is not None:
        return "ticket", case.ticket_id
    if case.final_label is not None:
        return "request", case.request_id
    return "decision", case.decision_id


def labelled(cases: Iterable[Case]) -> list[Case]:
    """Those with a final label, in the order in which the first label of each arrived."""
    found = [case for case in cases if case.final_label is not None]
    return sorted(found, key=lambda case: (case.labelled_at or 0.0, case.decision_id))


def by_agents(cases: Iterable[Case]) -> list[Case]:
    """Without the labels from the review queue: those are disagreements by choice."""
    return [case for case in cases if case.source != REVIEW]


def admit(cases: Sequence[Case], counted_since: float | None) -> Admitted:
    """What counts for the plan's test among labelled cases.

    Labels from the review queue do not: it over-represents disagreements, and among them the rare
    pairs of labels and the uncertain ones. Simulated with no gap at all, counting them promotes
    falsely in most runs.
    """
    kept = [case for case in cases if (case.labelled_at or 0.0) >= (counted_since or 0.0)]
    chosen = by_agents(kept)
    return Admitted(tuple(chosen), len(kept) - len(chosen), len(cases) - len(kept))


def rights(cases: Sequence[Case]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether the challenger, and whether the incumbent, gave the final label: (N,) each."""
    challenger = [case.challenger_label == case.final_label for case in cases]
    incumbent = [case.incumbent_label == case.final_label for case in cases]
    return np.array(challenger, dtype=bool), np.array(incumbent, dtype=bool)


def pairs_of(cases: Sequence[Case]) -> Pairs:
    """Labelled cases by who was right."""
    return Pairs.from_right(*rights(cases))


def counts(pairs: Pairs) -> Counts:
    """The same as a document."""
    return Counts(
        both=pairs.both,
        challenger=pairs.challenger,
        incumbent=pairs.incumbent,
        neither=pairs.neither,
        n=pairs.n,
    )


def accuracy(cases: Sequence[Case]) -> Accuracy:
    """Both models against the agents' final labels."""
    pairs = pairs_of(cases)
    interval = paired_difference(pairs)
    return Accuracy(
        counts=counts(pairs),
        challenger=rate(pairs.challenger_right, pairs.n),
        incumbent=rate(pairs.incumbent_right, pairs.n),
        gap=pairs.gap if pairs.n else None,
        low=interval.low,
        high=interval.high,
    )
