"""Arrivals, a policy and a machine come in; what became of every ticket goes out."""

import math

from tests.benchmarks.simulator.arrivals import Arrivals
from tests.benchmarks.simulator.call import Call, Job
from tests.benchmarks.simulator.clock import SimulatedClock
from tests.benchmarks.simulator.machine import Machine
from tests.benchmarks.simulator.policies.policy import Policy
from tests.benchmarks.simulator.results import Results


class Simulation:
    """From event to event: a ticket arrives, a call ends, or a policy's timer fires.

    Between events every call under way does work at the speed that the machine gives it.
    """

    def __init__(
        self, machine: Machine, arrivals: Arrivals, policy: Policy, clock: SimulatedClock
    ) -> None:
        """clock: the one that the policy reads, where it reads any."""
        self._machine = machine
        self._arrivals = arrivals
        self._policy = policy
        self._clock = clock
        self._calls: list[Call] = []
        self._results = Results(machine, policy.name)

    def run(self) -> Results:
        """Until no ticket is left and none will come."""
        while (at := self._next_s()) < math.inf:
            self._pass_time(at)
            self._finish()
            self._admit()
            self._dispatch()
            self._watch()
        return self._results

    def _next_s(self) -> float:
        ends = (
            self._clock.now_s + call.left_s / self._machine.speed(call, len(self._calls))
            for call in self._calls
        )
        return min(self._arrivals.next_s(), self._policy.wake_s(), *ends, math.inf)

    def _pass_time(self, at: float) -> None:
        passed = max(at - self._clock.now_s, 0.0)
        for call in self._calls:
            call.left_s -= passed * self._machine.speed(call, len(self._calls))
        self._clock.now_s = max(at, self._clock.now_s)

    def _finish(self) -> None:
        now = self._clock.now_s
        for call in [call for call in self._calls if call.left_s <= 1e-12]:
            self._calls.remove(call)
            self._policy.finished(call, now - call.started_s)
            self._results.answered(call, now)
            for job in call.jobs:
                self._arrivals.answered(job, now)

    def _admit(self) -> None:
        while self._arrivals.next_s() <= self._clock.now_s:
            job = self._arrivals.pop()
            self._results.jobs.append(job)
            self._policy.add(job)

    def _dispatch(self) -> None:
        now = self._clock.now_s
        while (call := self._policy.next_call(now)) is not None:
            for job in call.expired:
                self._expire(job, now)
            if not call.jobs:
                self._policy.finished(call, 0.0)
                continue
            call.alone_s = call.left_s = self._machine.seconds(len(call.jobs), call.length)
            call.started_s = now
            for job in call.jobs:
                job.started_s = now
            self._calls.append(call)

    def _expire(self, job: Job, now: float) -> None:
        job.expired = True
        self._arrivals.answered(job, now)

    def _watch(self) -> None:
        """Notes whether a core idles although a ticket waits."""
        general = sum(not call.express for call in self._calls)
        if self._policy.waiting and general < self._machine.workers:
            self._results.idle_while_waiting += 1
