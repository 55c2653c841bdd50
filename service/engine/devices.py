"""The guarded devices of one engine come in; what became of them as a whole goes out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from service.engine.answer import BatchReport, DeviceReport
from service.engine.batcher import Batcher, Limits
from service.engine.cost import CostModel
from service.engine.guard import Guard


class Devices:
    """All that computes for one engine and may be lost; none of it on the CPU.

    spare_limits: of batches while every one of them is lost; what the CPU takes for them is learned
    apart.
    """

    def __init__(self, guards: Sequence[Guard] = (), spare_limits: Limits | None = None) -> None:
        self.guards = tuple(guards)
        self._spare_limits = spare_limits or Limits()
        self._spare_cost = CostModel()

    @property
    def degraded(self) -> bool:
        """Whether at least one of them is lost."""
        return any(guard.lost for guard in self.guards)

    @property
    def lost(self) -> bool:
        """Whether every one of them is lost."""
        return bool(self.guards) and all(guard.lost for guard in self.guards)

    def spares(self, session: object) -> bool:
        """Whether this is a lost device whose tickets another one answers sooner than the CPU."""
        return not self.lost and any(guard is session and guard.lost for guard in self.guards)

    def start(self, listener: Callable[[DeviceReport], None]) -> None:
        """listener: hears of trouble with any of them, on any thread."""
        for guard in self.guards:
            guard.start(listener)

    def close(self) -> None:
        """Waits for what is being opened."""
        for guard in self.guards:
            guard.close()

    def cut(self, queue: Batcher[Any], limits: Limits, cost: CostModel) -> None:
        """Batches are cut for what computes now. limits, cost: of the devices themselves."""
        home = not self.lost
        now, its_cost = (limits, cost) if home else (self._spare_limits, self._spare_cost)
        if now is not queue.limits:
            queue.move(now, its_cost, home=home)

    def noted(self, report: BatchReport) -> BatchReport:
        """The report of a batch, with the state of the devices while one of them is lost."""
        if report.device is not None or not self.degraded:
            return report
        return replace(report, device=self.summary(DeviceReport("cpu", degraded=True)))

    def summary(self, report: DeviceReport) -> DeviceReport:
        """What one of them reported, with the state that all of them are in now."""
        return replace(report, provider="cpu" if self.lost else "cuda", degraded=self.degraded)
