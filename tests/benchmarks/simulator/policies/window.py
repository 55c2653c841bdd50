"""Fixed windows: so many tickets, or so many milliseconds, whichever comes first."""

import math

from tests.benchmarks.simulator.call import Job
from tests.benchmarks.simulator.machine import Machine
from tests.benchmarks.simulator.policies.line import Line


class Window(Line):
    """As LitServe, BentoML, MLServer and Ray Serve batch: in order of arrival, padded.

    A batch goes once it holds `max_batch` tickets, or once its oldest ticket has waited `wait_s`.
    """

    def __init__(self, machine: Machine, max_batch: int = 8, wait_s: float = 0.01) -> None:
        super().__init__(machine)
        self.name = f"window {max_batch} / {wait_s * 1000:g} ms"
        self._max_batch = max_batch
        self._wait_s = wait_s

    def choose(self, now: float, /) -> list[Job]:
        """The oldest tickets, once there are enough of them or the window is over."""
        over = now >= self._line[0].arrived_s + self._wait_s
        return self._line[: self._max_batch] if over or len(self._line) >= self._max_batch else []

    def wake_s(self) -> float:
        """The end of the window; while every worker is busy its end changes nothing."""
        return self._line[0].arrived_s + self._wait_s if self._line and self._free else math.inf
