"""A process of our own: begun by a fork, begun again after a pause where it ended too soon."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

_FIRST_S, _LONGEST_S, _SETTLED_S = 0.1, 5.0, 10.0


@dataclass(slots=True, eq=False)
class Child:
    """One process.

    main: its life, which gives its exit status. pid: 0 while it does not run. due: when it is to be
    begun again, on `time.monotonic()`.
    """

    name: str
    main: Callable[[], int]
    pid: int = 0
    due: float = 0.0
    _began: float = 0.0
    _failures: int = field(default=0)

    def begin(self, blocked: Sequence[signal.Signals]) -> None:
        """Forks. blocked: the signals that this process waits for, and the child shall not."""
        self._began = time.monotonic()
        self.pid = os.fork()
        if not self.pid:
            os._exit(_live(self.main, blocked))

    def ended(self) -> None:
        """It has ended: when it is due again depends on how long it lived."""
        self.pid, now = 0, time.monotonic()
        if now - self._began >= _SETTLED_S:
            self._failures = 0
        pause_s = min(_FIRST_S * 2**self._failures, _LONGEST_S) if self._failures else 0.0
        self._failures += 1
        self.due = now + pause_s

    def tell(self, number: signal.Signals) -> None:
        """Sends a signal, where it runs."""
        if self.pid:
            os.kill(self.pid, number)


def _live(main: Callable[[], int], blocked: Sequence[signal.Signals]) -> int:
    # Ctrl+C reaches every process of a terminal; the supervisor alone says who stops when.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
    status = 1
    try:
        status = main()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return status
