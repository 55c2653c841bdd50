"""Latencies of interleaved slots come in; their p99s, compared with intervals, go out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Slots = Sequence[NDArray[np.float64]]
"""An array of seconds for each round."""

RESAMPLES = 1000


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def p99(slots: Slots) -> float:
    """The 99th percentile of all slots together, in seconds."""
    return _Pooled(slots).p99(np.ones(len(slots), dtype=np.int64))


def ratio(slots: Slots, over: Slots, seed: int = 0) -> Estimate:
    """p99 of `slots` over that of `over`."""
    return _estimate(slots, over, lambda one, other: one / other, seed)


def difference(slots: Slots, over: Slots, seed: int = 0) -> Estimate:
    """p99 of `slots` less that of `over`, in seconds."""
    return _estimate(slots, over, lambda one, other: one - other, seed)


class _Pooled:
    """All slots in one order, so that a p99 is cheap for any number of times each is drawn."""

    def __init__(self, slots: Slots) -> None:
        seconds = np.concatenate(list(slots))
        order = np.argsort(seconds)
        self._seconds = seconds[order]
        self._slot_of = np.repeat(np.arange(len(slots)), [len(slot) for slot in slots])[order]

    def p99(self, times: NDArray[np.int64]) -> float:
        """The least value that 99 % do not exceed, each slot taken so many times."""
        reached = np.cumsum(times[self._slot_of])
        return float(self._seconds[np.searchsorted(reached, 0.99 * reached[-1])])


def _estimate(
    slots: Slots, over: Slots, figure: Callable[[float, float], float], seed: int
) -> Estimate:
    """The bootstrap of rounds: both sides of a round are drawn together (percentile interval).

    Requests of a slot share its luck (a neighbour's burst), so rounds are drawn and not requests.
    """
    random = np.random.default_rng(seed)
    one, other, rounds = _Pooled(slots), _Pooled(over), len(slots)
    drawn = random.multinomial(rounds, [1 / rounds] * rounds, RESAMPLES)
    found = [figure(one.p99(times), other.p99(times)) for times in drawn]
    low, high = np.percentile(found, [2.5, 97.5])
    return Estimate(figure(p99(slots), p99(over)), float(low), float(high))
