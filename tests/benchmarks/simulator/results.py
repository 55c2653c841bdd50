"""Calls that ended come in; throughput, tails, fairness and padding go out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.simulator.call import Call, Job
from tests.benchmarks.simulator.machine import Machine


@dataclass
class Results:
    """What became of every ticket. idle_while_waiting: events after which a worker idled so."""

    machine: Machine
    policy: str
    jobs: list[Job] = field(default_factory=list)
    calls: int = 0
    wide: int = 0
    express: int = 0
    real_tokens: int = 0
    padded_tokens: int = 0
    expired_run: int = 0
    idle_while_waiting: int = 0
    ended_s: float = 0.0

    def answered(self, call: Call, now: float) -> None:
        """Notes one call that has ended."""
        self.calls += 1
        self.wide += call.wide
        self.express += call.express
        self.real_tokens += sum(job.length for job in call.jobs)
        self.padded_tokens += len(call.jobs) * call.length
        self.expired_run += sum(call.started_s >= job.deadline_s for job in call.jobs)
        self.ended_s = max(self.ended_s, now)
        for job in call.jobs:
            assert job.answered_s is None
            job.answered_s = now

    def done(self, kind: str | None = None) -> list[Job]:
        """The tickets that were answered, of one kind or of all."""
        wanted = (job for job in self.jobs if kind is None or job.kind == kind)
        return [job for job in wanted if job.answered_s is not None]

    @property
    def per_s(self) -> float:
        """Tickets answered a second, from the first arrival on."""
        return len(self.done()) / self.ended_s

    @property
    def padding_efficiency(self) -> float:
        """Real tokens over those computed."""
        return self.real_tokens / self.padded_tokens

    @property
    def longest_raw_s(self) -> float:
        """What the longest ticket takes alone on one core."""
        return self.machine.seconds(1, max(job.length for job in self.jobs))

    def latency_s(self, q: float, kind: str | None = None) -> float:
        """The q-th percentile of the latency."""
        return float(np.percentile(latencies(self.done(kind)), q))

    def slowdown(self, q: float) -> float:
        """The q-th percentile of a ticket's latency over its own time alone on one core."""
        jobs = self.done()
        raw = np.array([self.machine.seconds(1, job.length) for job in jobs])
        return float(np.percentile(latencies(jobs) / raw, q))

    @property
    def longest_wait_s(self) -> float:
        """The longest time that a ticket waited before its call started."""
        return max((job.started_s or job.arrived_s) - job.arrived_s for job in self.jobs)


def latencies(jobs: Sequence[Job]) -> NDArray[np.float64]:
    """Seconds from arrival to answer, of tickets that were answered."""
    return np.array([(job.answered_s or 0.0) - job.arrived_s for job in jobs])
