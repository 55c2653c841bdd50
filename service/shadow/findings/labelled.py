"""Compared cases with a final label come in; which of them count for what goes out.

Shapes: N labelled cases, G guards.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.ledger.records import REVIEW, Case
from service.shadow.findings.dimensions import value_of
from service.shadow.findings.disagreement import rate
from service.shadow.findings.proofs import Accuracy, Counts
from service.shadow.plan import Guard
from service.statistics.paired import Pairs, paired_difference

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

AMPLE = 2.5
"""Labels of which nine in ten come within a day leave three days as planned. Simulated with no gap
and the challenger's mistakes alone labelled up to twelve days late, 3.5 % of fortnights promote
falsely with 30 decisive labels a day, 6.8 % with four; at twice what nine in ten took it were 7 %
with 30.
"""
LEAST_DECISIVE = 10
"""Decisive labels, of both models together, that tell how long labels take: the first few do not.

Not of each: where mistakes are labelled late, few of their labels are there when a verdict could be
wrong. Simulated so, a third of those fortnights promote falsely.
"""
LONGEST_S = 60 * 86_400.0
"""No ticket waits longer: labels so late came in bulk, and tell nothing of the desk."""

_CHALLENGER, _INCUMBENT, _REVIEW = 1, 2, 4


@dataclass(frozen=True)
class Labels:
    """What a verdict needs of every labelled case, in the order of the decisions.

    Some twenty bytes each, so that a test of years is read whole. at_N: of the decision. delay_N:
    until the first final label came in, in seconds. challenger_N, incumbent_N: whether it gave the
    final label. review_N: whether that came from the review queue. inside_GN: whether the case lies
    in a guard's segment.
    """

    at_N: FloatArray
    delay_N: FloatArray
    challenger_N: BoolArray
    incumbent_N: BoolArray
    review_N: BoolArray
    inside_GN: BoolArray

    def __len__(self) -> int:
        return len(self.at_N)

    def among(self, kept_N: BoolArray) -> "Labels":
        """Those that are kept."""
        return Labels(
            self.at_N[kept_N],
            self.delay_N[kept_N],
            self.challenger_N[kept_N],
            self.incumbent_N[kept_N],
            self.review_N[kept_N],
            self.inside_GN[:, kept_N],
        )

    @property
    def by_agents(self) -> "Labels":
        """Without the labels from the review queue: those are disagreements by choice."""
        return self.among(~self.review_N)

    @property
    def pairs(self) -> Pairs:
        """By who was right."""
        return Pairs.from_right(self.challenger_N, self.incumbent_N)


class Age(NamedTuple):
    """matured_s: from which a ticket counts, in seconds.

    delay_s: what nine in ten decisive labels of the slower model took, in seconds, where that
    raised the age above the plan's; else None.
    """

    matured_s: float
    delay_s: float | None = None


@dataclass(frozen=True)
class Admitted:
    """The labels that count for a test, and how many do not, by reason.

    matured_s, delay_s: see `Age`. Each label is left out for one reason: left_out_early before
    left_out_review before left_out_recent, so that the last are those that count later.
    """

    labels: Labels
    matured_s: float
    delay_s: float | None
    left_out_review: int
    left_out_early: int
    left_out_recent: int


def without_repeats(cases: Iterable[Case]) -> Iterator[Case]:
    """The latest alone of labelled cases that share a request id and have no ticket id.

    They share their label too: a caller's retries would count one ticket several times.
    cases: newest first.
    """
    seen: set[str] = set()
    for case in cases:
        if case.ticket_id is None and case.final_label is not None:
            if case.request_id in seen:
                continue
            seen.add(case.request_id)
        yield case


def collect(cases: Iterable[Case], guards: Sequence[Guard] = ()) -> Labels:
    """The labelled ones among the cases, newest first, of which only one is held at a time."""
    at, delay, bits, inside = array("d"), array("d"), bytearray(), bytearray()
    for case in filter(is_labelled, cases):
        at.append(case.at)
        delay.append((case.labelled_at or 0.0) - case.at)
        bits.append(
            _CHALLENGER * (case.challenger_label == case.final_label)
            | _INCUMBENT * (case.incumbent_label == case.final_label)
            | _REVIEW * (case.source == REVIEW)
        )
        inside.extend(value_of(case, one.dimension, final=True) == one.value for one in guards)
    # The newest came first.
    bits_N = np.frombuffer(bits, dtype=np.uint8)[::-1]
    inside_NG = np.frombuffer(inside, dtype=np.bool_).reshape(len(at), len(guards))[::-1]
    return Labels(
        at_N=np.frombuffer(at, dtype=np.float64)[::-1],
        delay_N=np.frombuffer(delay, dtype=np.float64)[::-1],
        challenger_N=(bits_N & _CHALLENGER) > 0,
        incumbent_N=(bits_N & _INCUMBENT) > 0,
        review_N=(bits_N & _REVIEW) > 0,
        inside_GN=inside_NG.T,
    )


def admit(labels: Labels, now: float, maturity_s: float, since: float = 0.0) -> Admitted:
    """What counts for the plan's test: tickets decided from `since` on that are mature by `now`, in
    the order of their decisions.

    In the order in which labels arrive, a model whose mistakes are labelled late is ahead at every
    early look, and evidence that may be watched at any time is reached by that alone. A ticket is
    therefore looked at when it is old enough for its label to have come, whoever was right; one
    that comes later yet takes its ticket's place. For a roll-back it is no other. Labels from the
    review queue do not count: it over-represents disagreements, and among them the rare pairs of
    labels and the uncertain ones. Simulated with no gap at all, counting them promotes falsely in
    most runs.

    The error of the test that follows is at most alpha, as a theorem, only where every label that
    will come has arrived by that age, whether it comes does not depend on who was right, and none
    is corrected later. Elsewhere the tickets that count change between two looks, and what was
    simulated (`AMPLE`) is all there is.
    """
    early_N = labels.at_N < since
    review_N = ~early_N & labels.review_N
    age = maturity(labels.among(~early_N), maturity_s)
    recent_N = ~early_N & ~review_N & (labels.at_N > now - age.matured_s)
    return Admitted(
        labels.among(~early_N & ~review_N & ~recent_N),
        *age,
        *(int(np.count_nonzero(out_N)) for out_N in (review_N, early_N, recent_N)),
    )


def maturity(labels: Labels, planned_s: float) -> Age:
    """The age from which a ticket counts.

    As planned, but where the decisive labels take longer: then AMPLE times what nine in ten of the
    model's took that waits longer for them, at most LONGEST_S. So it is ahead of delays early in a
    test too, when none can have been seen that is longer than the test. Fewer than LEAST_DECISIVE
    tell nothing. 0 stays 0: the labels came with the tickets, or in bulk.
    """
    own = labels.by_agents
    sides = (own.challenger_N & ~own.incumbent_N, own.incumbent_N & ~own.challenger_N)
    delays = [own.delay_N[side_N] for side_N in sides if side_N.any()]
    if planned_s == 0.0 or sum(map(len, delays)) < LEAST_DECISIVE:
        return Age(planned_s)
    slowest = max(float(np.quantile(one, 0.9, method="higher")) for one in delays)
    raised_s = min(LONGEST_S, AMPLE * slowest)
    return Age(raised_s, slowest) if raised_s > planned_s else Age(planned_s)


def is_labelled(case: Case) -> bool:
    """Whether both models answered, and an agent said what is right."""
    return case.outcome == "compared" and None not in (case.legacy_label, case.final_label)


def by_agents(cases: Iterable[Case]) -> list[Case]:
    """Labelled cases without those of the review queue."""
    return [case for case in cases if is_labelled(case) and case.source != REVIEW]


def rights(cases: Sequence[Case]) -> tuple[BoolArray, BoolArray]:
    """Whether the challenger, and whether the incumbent, gave the final label: (N,) each."""
    challenger = [case.challenger_label == case.final_label for case in cases]
    incumbent = [case.incumbent_label == case.final_label for case in cases]
    return np.array(challenger, dtype=bool), np.array(incumbent, dtype=bool)


def counts(pairs: Pairs) -> Counts:
    """The same as a document."""
    return Counts(
        both=pairs.both,
        challenger=pairs.challenger,
        incumbent=pairs.incumbent,
        neither=pairs.neither,
        n=pairs.n,
    )


def accuracy(pairs: Pairs) -> Accuracy:
    """Both models against the agents' final labels."""
    interval = paired_difference(pairs)
    return Accuracy(
        counts=counts(pairs),
        challenger=rate(pairs.challenger_right, pairs.n),
        incumbent=rate(pairs.incumbent_right, pairs.n),
        gap=pairs.gap if pairs.n else None,
        low=interval.low,
        high=interval.high,
    )
