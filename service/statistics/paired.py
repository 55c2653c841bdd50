"""Two models' answers to the same tickets and the final labels come in; their difference in
accuracy, with an exact test and an interval, goes out.

Shapes: N tickets with a final label, R resamples, K tables of pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from service.statistics.difference import score_interval
from service.statistics.intervals import Interval, two_sided_quantile

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """How many tickets both models had right, the challenger alone, the incumbent alone, neither.

    Raises ValueError where a count is negative.
    """

    both: int
    challenger: int
    incumbent: int
    neither: int

    def __post_init__(self) -> None:
        if min(self.both, self.challenger, self.incumbent, self.neither) < 0:
            raise ValueError(f"counts must not be negative, found {self}")

    @classmethod
    def from_right(cls, challenger_N: BoolArray, incumbent_N: BoolArray) -> Self:
        """From whether each model was right, N each. Raises ValueError for two lengths."""
        if len(challenger_N) != len(incumbent_N):
            raise ValueError(f"need equally many, found {len(challenger_N)} and {len(incumbent_N)}")
        code_N = 2 * np.asarray(challenger_N, dtype=np.int64) + np.asarray(incumbent_N, np.int64)
        neither, incumbent, challenger, both = np.bincount(code_N, minlength=4).tolist()
        return cls(both, challenger, incumbent, neither)

    @classmethod
    def from_labels(
        cls, challenger: Sequence[str], incumbent: Sequence[str], final: Sequence[str]
    ) -> Self:
        """From what each said and the final label, N each. Raises ValueError for other lengths."""
        if not len(challenger) == len(incumbent) == len(final):
            raise ValueError(
                f"need equally many, found {len(challenger)}, {len(incumbent)} and {len(final)}"
            )
        return cls.from_right(right(challenger, final), right(incumbent, final))

    @property
    def n(self) -> int:
        """Tickets with a final label."""
        return self.both + self.challenger + self.incumbent + self.neither

    @property
    def discordant(self) -> int:
        """Tickets that exactly one of the two had right."""
        return self.challenger + self.incumbent

    @property
    def gap(self) -> float:
        """Accuracy of the challenger less that of the incumbent; 0.0 without tickets."""
        return (self.challenger - self.incumbent) / self.n if self.n else 0.0

    @property
    def challenger_right(self) -> int:
        """Tickets that the challenger had right."""
        return self.both + self.challenger

    @property
    def incumbent_right(self) -> int:
        """Tickets that the incumbent had right."""
        return self.both + self.incumbent


def right(said: Sequence[str], final: Sequence[str]) -> BoolArray:
    """Whether each label equals the final one: shape (N,)."""
    return np.fromiter((a == b for a, b in zip(said, final, strict=True)), bool, len(said))


def exact_mcnemar(pairs: Pairs) -> float:
    """Two-sided p of the exact McNemar test (McNemar 1947, Psychometrika 12): is the gap 0?

    Binomial on the discordant pairs; 1.0 where there are none. Valid once, at a number of labels
    that was fixed beforehand: watch `eprocess` instead.
    """
    fewer = min(pairs.challenger, pairs.incumbent)
    return min(1.0, 2.0 * float(binom.cdf(fewer, pairs.discordant, 0.5)))


def one_sided_mcnemar(pairs: Pairs) -> float:
    """P of the exact test of "the challenger is no worse": small where it is worse."""
    return float(binom.cdf(pairs.challenger, pairs.discordant, 0.5))


def paired_difference(pairs: Pairs, level: float = 0.95) -> Interval:
    """Tango's score interval for the gap (Tango 1998, Statistics in Medicine 17, 891-908).

    level: the two-sided coverage, within (0, 1). No tickets give [-1, 1]. Raises ValueError.
    """
    return paired_differences([pairs], level)[0]


def paired_differences(pairs: Sequence[Pairs], level: float = 0.95) -> list[Interval]:
    """`paired_difference` of each; forty cost little more than one. Raises ValueError."""
    counts = [(one.challenger, one.incumbent, one.n) for one in pairs]
    wins_K, losses_K, n_K = np.array(counts, dtype=np.int64).reshape(-1, 3).T
    low_K, high_K = score_interval(wins_K, losses_K, n_K, level)
    return [Interval(*bounds) for bounds in zip(low_K.tolist(), high_K.tolist(), strict=True)]


def bootstrap_difference(
    pairs: Pairs, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """The percentile bootstrap over tickets for the gap (Efron 1979): a second way, no formula.

    Tickets resampled with replacement are draws from a multinomial with the observed shares, so
    the counts alone are drawn. No tickets give [-1, 1]. Raises ValueError.
    """
    two_sided_quantile(level)
    if pairs.n == 0:
        return Interval(-1.0, 1.0)
    counts = np.array([pairs.challenger, pairs.incumbent, pairs.n - pairs.discordant])
    drawn_R3 = np.random.default_rng(seed).multinomial(pairs.n, counts / pairs.n, resamples)
    gap_R = (drawn_R3[:, 0] - drawn_R3[:, 1]) / pairs.n
    low, high = np.quantile(gap_R, [0.5 - level / 2.0, 0.5 + level / 2.0])
    return Interval(float(low), float(high))
