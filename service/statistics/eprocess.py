"""Wins, losses and ties, one after the other, come in; evidence to be watched at any time goes out.

A ticket's difference D is 1 (a win: only the challenger was right), -1 (a loss: only the incumbent)
or 0 (a tie). Shapes: N tickets, L looks; S is any one shape of counts.

Against "the mean of D, given the past, is at most -margin" one bets a share of one's wealth on
every ticket: it is multiplied by 1 + bet (D + margin), which under that hypothesis does not grow in
the mean. Wealth is then a test supermartingale, and the chance that it ever reaches 1/alpha is at
most alpha, however often one looks (Ville 1939; Waudby-Smith & Ramdas 2024, JRSS B 86,
arXiv:2010.09686; Ramdas, Grunwald, Vovk & Shafer 2023, Statistical Science 38). That is so while
the sequence only grows: tickets that are put in or changed afterwards make it another one. Wealth
is the mean over BETS, the method of mixtures (Howard et al. 2021, Annals of Statistics 49): it
depends on the three counts alone.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from service.statistics.difference import falls_through

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Side = Literal["better", "worse"]
"""What the evidence is for: the gap is above -margin (`better`), or below -margin (`worse`)."""

BETS: FloatArray = np.geomspace(1.0 / 64.0, 0.9, 24)
"""Shares of the largest bet that cannot ruin; equal weights, evenly spaced in the logarithm.

The best bet is about (gap + margin) / discordance: 1/8 for a gain of .01 at a discordance of .08.
The grid reaches from an eighth of that (many labels, small gains) to near ruin (a few, all wins).
"""


@dataclass(frozen=True)
class Tally:
    """Cumulative counts at the looks; each array has shape (L,)."""

    wins: IntArray
    losses: IntArray
    ties: IntArray


@dataclass(frozen=True)
class Evidence:
    """What N labels say for one side.

    log_wealth: natural logarithm of the wealth now. best: the largest it ever was, at least 0 (the
    wealth before the first label is 1). crossed_at: labels at which 1/alpha was first reached, None
    where it never was.
    """

    log_wealth: float
    best: float
    crossed_at: int | None

    @property
    def p(self) -> float:
        """The always-valid p: one over the largest wealth."""
        return math.exp(-self.best)


def log_wealth(
    wins: ArrayLike,
    losses: ArrayLike,
    ties: ArrayLike,
    margin: ArrayLike = 0.0,
    side: Side = "better",
) -> FloatArray:
    """The natural logarithm of the wealth after so many wins, losses and ties: shape S.

    margin: within (-1, 1); the boundary is a gap of -margin. Evidence that the gap is below +m is
    `worse` with the margin -m. At margin 0 ties change nothing. Raises ValueError.
    """
    margin_S = np.asarray(margin, dtype=np.float64)
    if not np.all(np.abs(margin_S) < 1.0):
        raise ValueError(f"margin must lie within -1 and 1, found {margin_S}")
    sign = 1.0 if side == "better" else -1.0
    largest_S = 1.0 - sign * margin_S
    win_S, loss_S, tie_S = (sign * (step + margin_S) / largest_S for step in (1.0, -1.0, 0.0))
    wins_S, losses_S, ties_S = (np.asarray(count, np.float64) for count in (wins, losses, ties))
    total_S = np.asarray(-np.inf)
    for bet in BETS:
        total_S = np.logaddexp(
            total_S,
            wins_S * np.log1p(bet * win_S)
            + losses_S * np.log1p(bet * loss_S)
            + ties_S * np.log1p(bet * tie_S),
        )
    return np.asarray(total_S - math.log(len(BETS)))


def looks(n: int, most: int = 200) -> IntArray:
    """At most `most` counts of labels, evenly spaced, that end at n: shape (L,); none for n = 0."""
    count = min(n, most)
    return np.arange(1, count + 1, dtype=np.int64) * n // max(1, count)


def tally(difference_N: ArrayLike, looks_L: IntArray | None = None) -> Tally:
    """Counts after so many tickets; by default after every one (L = N).

    difference_N: -1, 0 or 1 in the order in which the tickets count. Raises ValueError.
    """
    step_N = np.asarray(difference_N, dtype=np.int64)
    if np.any(np.abs(step_N) > 1):
        raise ValueError("differences must be -1, 0 or 1")
    seen_L = np.arange(1, len(step_N) + 1) if looks_L is None else looks_L
    wins_L, losses_L = (np.cumsum(step_N == sign)[seen_L - 1] for sign in (1, -1))
    return Tally(wins_L, losses_L, seen_L - wins_L - losses_L)


def evidence(
    difference_N: ArrayLike, margin: float = 0.0, side: Side = "better", alpha: float = 0.05
) -> Evidence:
    """The evidence along these labels, one after the other. Raises ValueError.

    What `best` and `crossed_at` say of earlier looks holds for the labels as they stand now.
    """
    counts = tally(difference_N)
    path_N = log_wealth(counts.wins, counts.losses, counts.ties, margin, side)
    if not len(path_N):
        return Evidence(0.0, 0.0, None)
    crossed_N = path_N >= -math.log(alpha)
    crossed_at = int(np.argmax(crossed_N)) + 1 if crossed_N.any() else None
    return Evidence(float(path_N[-1]), max(0.0, float(path_N.max())), crossed_at)


def confidence_sequence(counts: Tally, alpha: float = 0.05) -> tuple[FloatArray, FloatArray]:
    """Bounds of the gap that hold at all looks at once with chance 1 - alpha: (low_L, high_L).

    A look's bounds are the margins that wealth 2/alpha has not refuted on either side; later looks
    intersect the earlier ones. Low above high means that the gap has moved meanwhile (chance at
    most alpha where it has not).
    """
    enough, shape = math.log(2.0 / alpha), counts.wins.shape

    def against(side: Side, sign: float) -> FloatArray:
        return falls_through(
            lambda bound_L: (
                log_wealth(counts.wins, counts.losses, counts.ties, -sign * bound_L, side) - enough
            ),
            shape,
        )

    low_L, high_L = against("better", 1.0), -against("worse", -1.0)
    return np.maximum.accumulate(low_L), np.minimum.accumulate(high_L)
