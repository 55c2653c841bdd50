"""A way to open sessions that counts how many are being opened at a time."""

import threading
from pathlib import Path

from service.contract.tasks import Task
from service.engine.cuda import Cuda
from service.engine.device import Device
from service.engine.session import Session


class Crowded:
    """Each opening waits a while for another. most: that were under way at a time."""

    def __init__(self) -> None:
        self.most = self._now = 0
        self._changed = threading.Condition()

    def open(
        self,
        graph: Path,
        tasks: tuple[Task, ...],
        provider: Device,
        threads: int,
        cuda: Cuda = Cuda(),  # noqa: B008 - frozen
    ) -> Session:
        """As `Session.open`."""
        with self._changed:
            self._now += 1
            self.most = max(self.most, self._now)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most > 1, 0.3)
        try:
            return Session.open(graph, tasks, provider, threads, cuda)
        finally:
            with self._changed:
                self._now -= 1
