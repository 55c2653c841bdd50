"""What a batching policy is to the simulation."""

from typing import Protocol

from tests.benchmarks.simulator.call import Call, Job


class Policy(Protocol):
    """Keeps the tickets that wait and says what runs next; one object a simulation."""

    name: str

    @property
    def waiting(self) -> int:
        """Tickets that wait."""
        ...

    def add(self, job: Job) -> None:
        """A ticket has arrived."""
        ...

    def next_call(self, now: float, /) -> Call | None:
        """The next call to start now, where a worker is free for it."""
        ...

    def wake_s(self) -> float:
        """When to ask again although nothing happens; infinity without a timer."""
        ...

    def finished(self, call: Call, seconds: float, /) -> None:
        """A call has ended."""
        ...
