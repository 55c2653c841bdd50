"""Lone tickets' lengths and times come in; the time that a ticket of any length takes goes out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tests.benchmarks.http.desk import Desk
from tests.benchmarks.http.plan import Measured

GROUPS = 24
LEAST_IN_A_GROUP = 5


@dataclass(frozen=True)
class OwnTimes:
    """Raw milliseconds of a ticket alone on one thread, by its length: `c0 + c1 L + c2 L^2`.

    coefficients: highest power first.
    """

    coefficients: tuple[float, ...]

    @classmethod
    def fit(cls, lengths: ArrayLike, ms: ArrayLike) -> "OwnTimes":
        """Least squares of relative errors through the medians of groups of like length, so that
        a stall of the machine bends nothing. At least one pair.
        """
        order = np.argsort(lengths, kind="stable")
        pairs = np.stack([np.asarray(lengths, dtype=float), np.asarray(ms, dtype=float)])[:, order]
        count = min(GROUPS, max(1, len(order) // LEAST_IN_A_GROUP))
        groups = np.array_split(pairs, count, axis=1)
        medians = np.array([np.median(group, axis=1) for group in groups])
        degree = min(2, len(np.unique(medians[:, 0])) - 1)
        found = np.polyfit(medians[:, 0], medians[:, 1], degree, w=1 / medians[:, 1])
        return cls(tuple(found.tolist()))

    def ms(self, lengths: ArrayLike) -> NDArray[np.float64]:
        """Of each length."""
        return np.polyval(self.coefficients, np.asarray(lengths, dtype=float))


@dataclass(frozen=True)
class Yardstick:
    """The desk with each ticket's own time, in milliseconds."""

    own_ms: NDArray[np.float64]

    @classmethod
    def of(cls, alone: Iterable[Measured], desk: Desk) -> "Yardstick":
        """alone: the slots of that kind of one setup, at least one."""
        slots = list(alone)
        lengths = np.asarray(desk.lengths)
        tickets = np.concatenate([slot.tickets for slot in slots])
        times = OwnTimes.fit(lengths[tickets], np.concatenate([s.latencies_ms for s in slots]))
        return cls(times.ms(lengths))

    @property
    def longest_ms(self) -> float:
        """Of the ticket that takes longest."""
        return float(self.own_ms.max())

    def of_tickets(self, tickets: Sequence[int]) -> NDArray[np.float64]:
        """Own time of each, in milliseconds."""
        return self.own_ms[np.asarray(tickets, dtype=np.int64)]

    def work_s(self, tickets: Sequence[int]) -> float:
        """Own seconds of all of them: what was done, whether it was many short or few long ones."""
        return float(self.of_tickets(tickets).sum()) / 1000
