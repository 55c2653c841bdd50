"""A way to open a lost device comes in; it is tried at growing intervals until it succeeds."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger(__name__)

CLOSE_S = 5.0
"""How long closing waits for an attempt."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds from a loss to the first probe, the most between two, and how long a device has to
    last for the next loss to begin anew.
    """

    first_s: float = 1.0
    most_s: float = 60.0
    healthy_s: float = 300.0


class Probe:
    """At most one attempt at a time, on a thread that lives from a loss to the recovery."""

    def __init__(
        self,
        attempt: Callable[[], None],
        backoff: Backoff,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """attempt: opens the device and puts it to use, or raises; no ticket waits for it."""
        self._attempt = attempt
        self._backoff = backoff
        self._clock = clock
        self._delay_s = backoff.first_s
        self._recovered = -float("inf")
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """The device was lost: probes until it is back. One that keeps failing soon after it came
        back is probed less and less often.
        """
        if self._closed.is_set():
            return
        if self._clock() - self._recovered >= self._backoff.healthy_s:
            self._delay_s = self._backoff.first_s
        # A call to a sick device may never return: it must not keep the process from ending.
        thread = threading.Thread(target=self._run, name="harbor-probe", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # The host allows no more threads.
            logger.warning("the device will not be probed: %s", error)
        else:
            self._thread = thread

    def close(self) -> None:
        """Ends it; waits a while for an attempt that is under way."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while not self._closed.wait(self._delay_s):
            self._delay_s = min(2.0 * self._delay_s, self._backoff.most_s)
            # A loss right after the recovery asks for the time of it.
            self._recovered = self._clock()
            try:
                self._attempt()
            except Exception as error:
                logger.warning("the device is still lost: %s", error)
            else:
                return
