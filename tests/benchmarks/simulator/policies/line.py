"""What the policies of other servers have in common: a line of tickets, and free workers."""

import math
from abc import ABC, abstractmethod

from tests.benchmarks.simulator.call import Call, Job
from tests.benchmarks.simulator.machine import Machine


class Line(ABC):
    """Tickets in order of arrival, and how many workers are free; says what no policy changes."""

    name = ""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._free = machine.workers
        self._line: list[Job] = []

    @property
    def waiting(self) -> int:
        """Tickets that wait."""
        return len(self._line)

    def add(self, job: Job) -> None:
        """A ticket has arrived."""
        self._line.append(job)

    def next_call(self, now: float, /) -> Call | None:
        """The next call, where a worker is free and the policy lets one go."""
        expired = [job for job in self._line if job.deadline_s <= now]
        if expired:
            self._line = [job for job in self._line if job.deadline_s > now]
            self._free -= 1
            return Call((), expired=expired)
        if not self._free or not self._line:
            return None
        jobs = self.choose(now)
        if not jobs:
            return None
        taken = set(map(id, jobs))
        self._line = [job for job in self._line if id(job) not in taken]
        self._free -= 1
        return Call(jobs)

    def wake_s(self) -> float:
        """Never; a policy with a window overrides this."""
        return math.inf

    def finished(self, _call: Call, _seconds: float, /) -> None:
        """A worker is free again."""
        self._free += 1

    @abstractmethod
    def choose(self, now: float, /) -> list[Job]:
        """The tickets of the next call, out of a line that is not empty; none to wait on."""
