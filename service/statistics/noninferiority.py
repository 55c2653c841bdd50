"""The differences of several tasks and a margin come in; a verdict for each, and what would settle
an open one, go out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from service.statistics.intervals import Interval
from service.statistics.multiplicity import holm
from service.statistics.seeds import Gap

Verdict = Literal["helps", "neutral", "hurts", "inconclusive"]

MOST_TICKETS = 10_000_000
"""Beyond this no number of tickets is named."""


@dataclass(frozen=True)
class Judgement:
    """interval: of the difference alone. p: adjusted for the number of tasks (Holm).

    no_worse: the interval's low end is not below -margin, which is non-inferiority. needed: test
    tickets in all that would settle an inconclusive verdict if the difference stays as it is; None
    where the verdict stands, and where no number of tickets would (see `more_seeds`).
    more_seeds: the spread between seeds alone keeps the verdict open.
    """

    verdict: Verdict
    interval: Interval
    p: float
    no_worse: bool
    needed: int | None
    more_seeds: bool


def judge(gaps: Sequence[Gap], margin: float, level: float = 0.95) -> list[Judgement]:
    """One verdict a difference. margin: the loss that does not matter, above 0. Raises ValueError.

    helps: above 0 (two-sided, adjusted p at most 1 - level). hurts: below 0 by the same test, and a
    loss of more than the margin is not ruled out. neutral: the interval lies within +-margin (two
    one-sided tests: Schuirmann 1987, J. Pharmacokinetics and Biopharmaceutics 15), or it is below 0
    and within: a loss too small to matter. Otherwise inconclusive.

    So a recipe that is as good as the other is said to hurt any task with chance at most 1 - level,
    however many tasks there are, up to the error of the bootstrap.
    """
    if not margin > 0.0:
        raise ValueError(f"margin must be positive, found {margin}")
    return [
        _judge(one, float(p), margin, level, len(gaps))
        for one, p in zip(gaps, holm([one.p for one in gaps]), strict=True)
    ]


def _judge(one: Gap, p: float, margin: float, level: float, tests: int) -> Judgement:
    interval = one.interval(level)
    verdict = _verdict(one.estimate, interval, p, margin, 1.0 - level)
    needed = settling(one, margin, level, tests) if verdict == "inconclusive" else None
    return Judgement(
        verdict=verdict,
        interval=interval,
        p=p,
        no_worse=interval.low >= -margin,
        needed=needed,
        more_seeds=verdict == "inconclusive" and needed is None,
    )


def _verdict(estimate: float, interval: Interval, p: float, margin: float, alpha: float) -> Verdict:
    apart = p <= alpha
    if apart and estimate > 0.0:
        return "helps"
    if -margin <= interval.low and interval.high <= margin:
        return "neutral"
    if apart and estimate < 0.0:
        return "neutral" if interval.low >= -margin else "hurts"
    return "inconclusive"


def settling(one: Gap, margin: float, level: float = 0.95, tests: int = 1) -> int | None:
    """The test tickets in all at which the half-width is small enough for some verdict, if the
    difference stays as observed; more than there are. None where the seeds' spread alone is too
    wide, or beyond MOST_TICKETS.

    The half-width must fall below |difference| (helps, hurts) or below margin - |difference|
    (neutral), whichever is wider; it is that of the strictest of `tests` adjusted tests.
    """
    if one.error == 0.0:
        return max(math.ceil(math.log(1.0 - level) / math.log(1.0 - margin)), one.n + 1)
    wide = max(abs(one.estimate), margin - abs(one.estimate))
    variance = (wide / one.quantile(1.0 - (1.0 - level) / tests)) ** 2
    left = variance - (one.seed_variance or 0.0)
    if left <= 0.0:
        return None
    needed = max(math.ceil(one.n * one.ticket_variance / left), one.n + 1)
    return needed if needed <= MOST_TICKETS else None
