"""The slots of a race come in; rates as shares of raw, latencies and slowdowns go out.

A rate counts work and not tickets: the sum of the own times of what was answered, a second. A
server that put long tickets off until the slot was over would gain nothing by it.
"""

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.contender import Setup
from tests.benchmarks.http.desk import Desk
from tests.benchmarks.http.own_time import Yardstick
from tests.benchmarks.http.plan import Kind, Measured
from tests.benchmarks.http.raw import NAME
from tests.benchmarks.ratios import Estimate

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Side:
    """One contender in one setup; NAME is raw, whose setup does not batch."""

    contender: str
    setup: Setup


def remaining(client_cpu_s: float, wall_s: float, cores: int) -> float:
    """The share of the machine that the load generator left to the server."""
    return 1.0 - client_cpu_s / (cores * wall_s)


def spread(values: Sequence[float]) -> Estimate:
    """The median of the rounds, with the lowest and the highest. At least one value."""
    return Estimate(statistics.median(values), min(values), max(values))


class Results:
    """What a race found, by side."""

    def __init__(self, measured: Sequence[Measured], desk: Desk, cores: int | None = None) -> None:
        """cores: those of this process by default."""
        self._measured = [one for one in measured if one.slot.round >= 0]
        self._desk = desk
        self._yardsticks: dict[Setup, Yardstick] = {}
        self.cores = cores or len(os.sched_getaffinity(0))

    def sides(self) -> list[Side]:
        """Contenders, in the order in which they first ran; raw is none of them."""
        sides = (Side(one.slot.contender, one.slot.setup) for one in self._measured)
        return list(dict.fromkeys(side for side in sides if side.contender != NAME))

    def slots(self, side: Side, kind: Kind, level: float | None = None) -> list[Measured]:
        """Round by round; of every level without one."""
        found = [
            one
            for one in self._measured
            if (one.slot.contender, one.slot.setup, one.slot.kind)
            == (side.contender, side.setup, kind)
            and level in (None, one.slot.level)
        ]
        return sorted(found, key=lambda one: one.slot.round)

    def yardstick(self, setup: Setup) -> Yardstick:
        """Each ticket's own time under that graph."""
        if setup not in self._yardsticks:
            alone = self.slots(_raw(setup), "alone")
            self._yardsticks[setup] = Yardstick.of(alone, self._desk)
        return self._yardsticks[setup]

    def best_raw(self, setup: Setup) -> list[Measured]:
        """The slots of the arrangement with the highest median rate."""
        slots = self.slots(_raw(setup), "raw")
        levels = {slot.slot.level for slot in slots}
        yardstick = self.yardstick(setup)

        def rate(level: float) -> float:
            return statistics.median(
                work_rate(slot, yardstick) for slot in slots if slot.slot.level == level
            )

        best = max(levels, key=rate)
        return [slot for slot in slots if slot.slot.level == best]

    def shares(
        self, side: Side, kind: Kind, level: float, *, corrected: bool = True
    ) -> dict[int, float]:
        """Rate over raw's of the same round; corrected: raw is given only what of the machine the
        load generator left.
        """
        yardstick = self.yardstick(side.setup)
        raw = {one.slot.round: work_rate(one, yardstick) for one in self.best_raw(side.setup)}
        found = {}
        for one in self.slots(side, kind, level):
            left = remaining(one.client_cpu_s, one.wall_s, self.cores) if corrected else 1.0
            found[one.slot.round] = work_rate(one, yardstick) / (raw[one.slot.round] * left)
        return found

    def latencies_ms(self, side: Side, kind: Kind, level: float) -> Array:
        """Of all rounds together."""
        slots = self.slots(side, kind, level)
        return np.array([ms for one in slots for ms in one.latencies_ms], dtype=np.float64)

    def slowdowns(self, side: Side, kind: Kind, level: float) -> Array:
        """Each latency over its ticket's own time, all rounds together."""
        tickets = [place for one in self.slots(side, kind, level) for place in one.tickets]
        return self.latencies_ms(side, kind, level) / self.yardstick(side.setup).of_tickets(tickets)


def work_rate(measured: Measured, yardstick: Yardstick) -> float:
    """Own seconds of the tickets answered in time, a second."""
    return yardstick.work_s(measured.tickets[: measured.in_time]) / measured.wall_s


def _raw(setup: Setup) -> Side:
    return Side(NAME, replace(setup, batching=False))
