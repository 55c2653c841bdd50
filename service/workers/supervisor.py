"""Settings come in; one core and N fronts serve behind one port, and are replaced when they die
or hang.

SIGTERM, SIGINT  stop: the fronts first, as a single process stops; then the core.
SIGHUP           the core opens the active bundle's path again.
"""

import os
import signal
import time
from functools import partial

from service.garbage import for_good
from service.logs import Log
from service.settings import Settings
from service.workers.child import RELOAD, STOP, Child
from service.workers.core import READY, run_core
from service.workers.heart import Heart
from service.workers.sockets import Sockets, open_sockets
from service.workers.watch import Watch

_STOPS = (signal.SIGTERM, signal.SIGINT)
_SIGNALS = (*_STOPS, signal.SIGHUP, signal.SIGCHLD, READY)
_BEYOND_S = 10.0
"""A process that has not ended so long after its own patience is killed."""


def supervise(settings: Settings, log: Log) -> int:
    """Serves until told to stop; the exit status. Raises StartError."""
    with for_good():
        from service.workers.front import run_front

    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    supervisor = os.getpid()
    lifeline, held = os.pipe()
    log = log.bind(process="supervisor")
    with open_sockets(settings.host, settings.port, settings.workers) as sockets:

        def core(heart: Heart) -> int:
            os.close(held)
            return run_core(settings, sockets, lifeline, supervisor, heart)

        def front(number: int, heart: Heart) -> int:
            os.close(held)
            return run_front(settings, number, sockets, lifeline, heart)

        fronts = [
            Child(f"front-{number + 1}", partial(front, number))
            for number in range(settings.workers)
        ]
        return Supervisor(settings, sockets, Child("core", core), fronts, log).run()


class Supervisor:
    """Begins the core, then the fronts; waits for signals and for children that end."""

    def __init__(
        self, settings: Settings, sockets: Sockets, core: Child, fronts: list[Child], log: Log
    ) -> None:
        self._settings, self._sockets, self._log = settings, sockets, log
        self._core, self._fronts = core, fronts
        self._watch = Watch((core, *fronts), log)
        self._answered = self._stopping = self._core_told = False
        self._status = 0
        self._latest = float("inf")

    def run(self) -> int:
        """Until no process is left; the exit status."""
        self._core.begin(_SIGNALS)
        while self._running or not self._stopping:
            told = signal.sigtimedwait(_SIGNALS, self._wait_s())
            if told is None or told.si_signo not in _SIGNALS:
                # Where this process is stopped (SIGSTOP) beyond the time, CPython 3.11 returns what
                # happens to lie in memory.
                self._on_time()
            elif told.si_signo == signal.SIGCHLD:
                self._reap()
            elif told.si_signo == signal.SIGHUP:
                self._core.tell(RELOAD)
            elif told.si_signo == READY:
                self._begin_fronts()
            else:
                self._stop()
            self._go_on()
        return self._status

    @property
    def _running(self) -> list[Child]:
        return [child for child in (self._core, *self._fronts) if child.pid]

    def _wait_s(self) -> float:
        """Until a process is due to begin again, to be killed or to be felt for."""
        now = time.monotonic()
        waiting = [child.due for child in self._expected() if not child.pid]
        return max(0.0, min([self._latest, self._watch.due, *waiting]) - now)

    def _expected(self) -> list[Child]:
        """Who is to run."""
        if self._stopping:
            return []
        return [self._core, *(self._fronts if self._answered else ())]

    def _on_time(self) -> None:
        if time.monotonic() >= self._latest:
            for child in self._running:
                self._log.error("killed", process=child.name)
                child.tell(signal.SIGKILL)
            self._latest = float("inf")

    def _begin_fronts(self) -> None:
        self._answered = True

    def _go_on(self) -> None:
        """Kills who hangs and begins who is due; where all stop, ends the core after the last
        front.
        """
        self._watch.look()
        now = time.monotonic()
        for child in self._expected():
            if not child.pid and child.due <= now:
                child.begin(_SIGNALS)
        if self._stopping and not any(child.pid for child in self._fronts):
            self._end_core()

    def _end_core(self) -> None:
        if self._core.pid and not self._core_told:
            self._core_told = True
            self._core.tell(STOP)

    def _stop(self) -> None:
        """Again: skips the fronts' grace."""
        if not self._stopping:
            settings = self._settings
            self._latest = time.monotonic() + settings.grace_s + 2 * settings.drain_s + _BEYOND_S
            # A connection that came now would wait here, and nobody would take it.
            for listening in self._sockets.fronts:
                listening.close()
        self._stopping = True
        for child in self._fronts:
            child.tell(STOP)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for child in self._running:
                if child.pid == pid:
                    self._bury(child, os.waitstatus_to_exitcode(status))

    def _bury(self, child: Child, status: int) -> None:
        child.ended()
        if self._stopping:
            self._status = self._status or int(status not in (0, -STOP))
        elif child is self._core and not self._answered:
            # It never answered: what it was asked to serve cannot be served.
            self._stopping, self._status = True, 1
            if status < 0:  # Else it has said why.
                self._log.error("process lost", process=child.name, status=status)
        else:
            self._log.error("process lost", process=child.name, status=status)
