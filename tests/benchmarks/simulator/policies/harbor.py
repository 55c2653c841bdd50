"""Harbor's own batcher, the very class that serves, on the simulation's clock."""

import math

import numpy as np

from service.contract.tokens import Tokens
from service.engine.batcher import WEIGHTS, Batch, Batcher, Limits
from service.engine.cost import CostModel
from tests.benchmarks.simulator.call import Call, Job
from tests.benchmarks.simulator.clock import SimulatedClock
from tests.benchmarks.simulator.machine import Machine

NEVER_S = 1e12
_IDS = np.zeros(8192, dtype=np.int64)


class Harbor:
    """Its workers, its express worker and its wide call, where the machine has them."""

    name = "harbor"

    def __init__(
        self,
        machine: Machine,
        clock: SimulatedClock,
        limits: Limits | None = None,
        cost: CostModel | None = None,
    ) -> None:
        """limits: a batch of 32 and room for every ticket by default."""
        self._machine = machine
        self._general = 0
        self._express = 0
        self.batcher: Batcher[Job] = Batcher(
            limits or Limits(max_queue=100_000), cost or CostModel(), machine.workers, clock
        )

    @property
    def waiting(self) -> int:
        """Tickets that wait."""
        return len(self.batcher)

    def add(self, job: Job) -> None:
        """A ticket has arrived."""
        tokens = Tokens(_IDS[: job.length], truncated=False)
        deadline_s = min(job.deadline_s, NEVER_S)
        self.batcher.add(tokens, deadline_s, WEIGHTS[job.priority], job)

    def next_call(self, _now: float, /) -> Call | None:
        """What the batcher gives a general worker, or else the express one."""
        if self._general < self._machine.workers:
            return self._call(self.batcher.poll(), express=False)
        if self._machine.express and not self._express:
            return self._call(self.batcher.poll(express=True), express=True)
        return None

    def wake_s(self) -> float:
        """Never: no timer holds a ticket back."""
        return math.inf

    def finished(self, call: Call, seconds: float, /) -> None:
        """The batcher hears of it as from a worker."""
        assert isinstance(call.handle, Batch)
        if call.jobs:
            self.batcher.learn(len(call.jobs), call.length, seconds, wide=call.wide)
        self.batcher.done(call.handle)
        self._general -= not call.express
        self._express -= call.express

    def _call(self, batch: Batch[Job] | None, *, express: bool) -> Call | None:
        if batch is None:
            return None
        self._general += not express
        self._express += express
        return Call(
            [entry.payload for entry in batch.entries],
            batch.wide and self._machine.wide_speed > 1.0,
            express,
            batch,
            [entry.payload for entry in batch.expired],
        )
