"""Processes come in; one whose event loop hangs is killed, and so replaced like one that died."""

import signal
import time
from collections.abc import Callable, Sequence

from service.logs import Log
from service.workers.child import Child
from service.workers.heart import BEAT_S, PATIENCE


class Watch:
    """Feels every process's heart. due: when next, on the clock.

    It counts its own looks, not seconds: where the whole machine, or this process with the others,
    was stopped for an hour, that is one look.
    """

    def __init__(
        self, children: Sequence[Child], log: Log, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.due = 0.0
        self._children, self._log, self._clock = children, log, clock

    def look(self) -> None:
        """Once every `BEAT_S` at most, however often it is called."""
        now = self._clock()
        if now < self.due:
            return
        self.due = now + BEAT_S
        for child in self._children:
            if child.pid and child.heart.has_stopped():
                self._log.error("process hangs", process=child.name, silent_s=PATIENCE * BEAT_S)
                child.tell(signal.SIGKILL)
