"""The rates observed so far come in; the number of labels still needed for a verdict goes out."""

import math

from service.statistics.eprocess import Side, log_wealth
from service.statistics.paired import Pairs

MOST_LABELS = 10_000_000
"""Beyond this the answer is "never"."""


def labels_needed(
    pairs: Pairs, margin: float = 0.0, alpha: float = 0.05, side: Side = "better"
) -> int | None:
    """Further labels until the e-process crosses 1/alpha if the rates stay as observed.

    None where the observed gap leads nowhere (on the wrong side of -margin, or so close that it
    takes more than MOST_LABELS), and without labels: suppose rates then, with `labels_at`. 0 where
    it stands across now; one that crossed earlier has crossed, whatever this says.
    A median, not a promise: about half of the runs with these true rates need more.
    """
    if pairs.n == 0:
        return None
    rates = pairs.challenger / pairs.n, pairs.incumbent / pairs.n
    total = labels_at(*rates, margin, alpha, side, after=pairs.n)
    return None if total is None else total - pairs.n


def labels_at(
    win_rate: float,
    loss_rate: float,
    margin: float = 0.0,
    alpha: float = 0.05,
    side: Side = "better",
    after: int = 1,
) -> int | None:
    """The least number of labels, not below `after`, at which supposed rates cross 1/alpha.

    win_rate, loss_rate: shares of tickets that only the challenger, or only the incumbent, has
    right. None beyond MOST_LABELS. Along a ray of constant rates the log wealth is convex and
    starts at 0 (a log-sum-exp of lines through 0), so once above 1/alpha it stays above.
    Raises ValueError.
    """
    if min(win_rate, loss_rate) < 0.0 or win_rate + loss_rate > 1.0:
        raise ValueError(f"rates must be shares of one whole, found {win_rate} and {loss_rate}")
    tie_rate = max(0.0, 1.0 - win_rate - loss_rate)

    def crossed(n: int) -> bool:
        wealth = log_wealth(n * win_rate, n * loss_rate, n * tie_rate, margin, side)
        return float(wealth) >= -math.log(alpha)

    if crossed(after):
        return after
    low, high = after, after
    while not crossed(high):
        low, high = high, 2 * high
        if low > MOST_LABELS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if crossed(middle) else (middle, high)
    return high
