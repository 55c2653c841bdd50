"""Triton's dynamic batcher: consecutive requests, preferred sizes, a delay at most."""

import math
from itertools import takewhile

from tests.benchmarks.simulator.call import Job
from tests.benchmarks.simulator.machine import Machine
from tests.benchmarks.simulator.policies.line import Line


class Triton(Line):
    """The head of the line, and those right behind it, go together; nobody overtakes.

    The largest preferred size that is there goes at once; less than the smallest waits until its
    oldest ticket has waited `delay_s`. Tickets of unequal shape do not share a batch unless the
    client pads them (`padded`).
    """

    def __init__(
        self,
        machine: Machine,
        *,
        padded: bool = True,
        preferred: tuple[int, ...] = (4, 8, 16, 32),
        delay_s: float = 0.0,
    ) -> None:
        super().__init__(machine)
        self.name = f"triton {'padded' if padded else 'equal shapes'}"
        self._padded = padded
        self._preferred = preferred
        self._delay_s = delay_s

    def choose(self, now: float, /) -> list[Job]:
        """The head of the line and those right behind it."""
        run = self._run()
        sizes = [size for size in self._preferred if size <= len(run)]
        if sizes:
            return run[: sizes[-1]]
        blocked = len(run) < len(self._line)
        over = now >= run[0].arrived_s + self._delay_s
        return run if over or blocked else []

    def wake_s(self) -> float:
        """When the head has waited long enough; while every worker is busy that changes nothing."""
        return self._line[0].arrived_s + self._delay_s if self._line and self._free else math.inf

    def _run(self) -> list[Job]:
        most = self._line[: self._preferred[-1]]
        if self._padded:
            return most
        return list(takewhile(lambda job: job.length == most[0].length, most))
