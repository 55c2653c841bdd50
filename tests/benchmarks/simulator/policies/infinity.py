"""Infinity: what waits is sorted by length and cut into batches of a fixed size."""

from tests.benchmarks.simulator.call import Job
from tests.benchmarks.simulator.machine import Machine
from tests.benchmarks.simulator.policies.line import Line


class Infinity(Line):
    """All that waits is sorted and cut into batches ahead; these run in turn.

    Tickets that come meanwhile wait until the last one of these batches has started.
    """

    name = "infinity"

    def __init__(self, machine: Machine, max_batch: int = 32) -> None:
        super().__init__(machine)
        self._max_batch = max_batch
        self._planned: list[list[Job]] = []

    def choose(self, now: float, /) -> list[Job]:
        """The next batch of the plan, which is made anew once it is used up."""
        while self._planned:
            batch = [job for job in self._planned.pop(0) if job.deadline_s > now]
            if batch:
                return batch
        ordered = sorted(self._line, key=lambda job: job.length)
        starts = range(0, len(ordered), self._max_batch)
        self._planned = [ordered[start : start + self._max_batch] for start in starts]
        return self._planned.pop(0)
