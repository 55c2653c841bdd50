"""Ticket lengths come in; when each ticket arrives goes out."""

import heapq
from collections.abc import Callable, Sequence
from itertools import count
from typing import Protocol

import numpy as np

from tests.benchmarks.simulator.call import Job

Dress = Callable[[Job], None]
"""Gives a new job its priority and deadline."""


class Arrivals(Protocol):
    """What brings tickets; `answered` is how a closed loop hears that its client is free."""

    def next_s(self) -> float:
        """When the next ticket arrives; infinity where none will before another is answered."""
        ...

    def pop(self) -> Job:
        """The next ticket."""
        ...

    def answered(self, job: Job, now: float) -> None:
        """A ticket has been answered, or refused."""
        ...


def plain(_: Job) -> None:
    """Live tickets without a deadline."""


class OpenLoop:
    """Poisson arrivals at `per_s` tickets a second, whatever becomes of them."""

    def __init__(
        self,
        lengths: Sequence[int],
        per_s: float,
        seed: int = 0,
        *,
        kind: str = "",
        dress: Dress = plain,
    ) -> None:
        """lengths: one ticket each, in this order."""
        gaps = np.random.default_rng(seed).exponential(1.0 / per_s, len(lengths))
        times = np.cumsum(gaps).tolist()
        self._jobs = [
            Job(number, length, at, kind=kind)
            for number, (length, at) in enumerate(zip(lengths, times, strict=True))
        ]
        for job in self._jobs:
            dress(job)
        self._jobs.reverse()

    def next_s(self) -> float:
        """When the next ticket arrives."""
        return self._jobs[-1].arrived_s if self._jobs else float("inf")

    def pop(self) -> Job:
        """The next ticket."""
        return self._jobs.pop()

    def answered(self, job: Job, now: float) -> None:
        """Makes no difference."""


class ClosedLoop:
    """So many clients, each of which sends the next ticket as soon as it has its last answer."""

    def __init__(
        self,
        lengths: Sequence[int],
        clients: int,
        *,
        kind: str = "",
        until_s: float = float("inf"),
        dress: Dress = plain,
    ) -> None:
        """until_s: no ticket is sent after this time."""
        self._lengths = list(reversed(lengths))
        self._ready = [0.0] * min(clients, len(lengths))
        self._numbers = count()
        self._kind, self._until_s, self._dress = kind, until_s, dress

    def next_s(self) -> float:
        """When the next client is free."""
        if not self._lengths or not self._ready or self._ready[0] > self._until_s:
            return float("inf")
        return self._ready[0]

    def pop(self) -> Job:
        """The next ticket."""
        at = heapq.heappop(self._ready)
        job = Job(next(self._numbers), self._lengths.pop(), at, kind=self._kind)
        self._dress(job)
        return job

    def answered(self, job: Job, now: float) -> None:
        """The client is free."""
        if job.kind == self._kind:
            heapq.heappush(self._ready, now)


class Mixed:
    """Several arrivals at once, such as a flood and what must live beside it."""

    def __init__(self, *parts: Arrivals) -> None:
        self._parts = parts

    def next_s(self) -> float:
        """When the next ticket of any of them arrives."""
        return min(part.next_s() for part in self._parts)

    def pop(self) -> Job:
        """The next ticket of any of them."""
        return min(self._parts, key=lambda part: part.next_s()).pop()

    def answered(self, job: Job, now: float) -> None:
        """Told to all of them."""
        for part in self._parts:
            part.answered(job, now)
