"""A process of our own: begun by a fork, begun again after a pause where it ended too soon."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from service.workers.heart import Heart

STOP, RELOAD = signal.SIGUSR2, signal.SIGUSR1
"""What a process of our own is told to do by its supervisor alone."""

_FIRST_S, _LONGEST_S, _SETTLED_S = 0.1, 5.0, 10.0


@dataclass(slots=True, eq=False)
class Child:
    """One process.

    main: its life, which gives its exit status. pid: 0 while it does not run. due: when it is to be
    begun again, on `time.monotonic()`. heart: beats while it serves.
    """

    name: str
    main: Callable[[Heart], int]
    pid: int = 0
    due: float = 0.0
    heart: Heart = field(default_factory=Heart)
    _began: float = 0.0
    _failures: int = field(default=0)

    def begin(self, blocked: Sequence[signal.Signals]) -> None:
        """Forks. blocked: the signals that this process waits for, and the child shall not."""
        self._began = time.monotonic()
        self.heart.rest()
        try:
            self.pid = os.fork()
        except OSError:  # The host has no room for a process now.
            self.ended()
            return
        if not self.pid:
            status = 1
            try:
                status = _live(partial(self.main, self.heart), blocked)
            finally:  # Whatever happens, nothing of the supervisor's must be unwound here.
                os._exit(status)

    def ended(self) -> None:
        """It has ended: when it is due again depends on how long it lived."""
        self.pid, now = 0, time.monotonic()
        if now - self._began >= _SETTLED_S:
            self._failures = 0
        doubled_s = _FIRST_S * 2 ** min(self._failures, 10)
        pause_s = min(doubled_s, _LONGEST_S) if self._failures else 0.0
        self._failures += 1
        self.due = now + pause_s

    def tell(self, number: signal.Signals) -> None:
        """Sends a signal, where it runs."""
        if self.pid:
            os.kill(self.pid, number)


def _ignore(*_: object) -> None:
    """Of a signal that is not for this process."""


def _live(main: Callable[[], int], blocked: Sequence[signal.Signals]) -> int:
    # These reach every process of a terminal or a service; the supervisor says who stops when.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, RELOAD):
        signal.signal(number, _ignore)  # Not SIG_IGN, which programs begun by this one would keep.
    # Nothing has been accepted before there is an event loop to hear it.
    signal.signal(STOP, lambda *_: os._exit(0))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
    status = 1
    try:
        status = main()
    except BaseException:
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # A full disk, or a reader that has gone.
            stream.flush()
    return status
