"""Calls and how they ended come in; whether the next one may be made goes out."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from service.shadow.legacy import CircuitOpenError

Circuit = Literal["closed", "open", "half_open"]


class Breaker:
    """A circuit breaker; used on one event loop.

    Closed, it lets every call through. After `failures` calls in a row that failed it is open and
    lets none through. `cooldown_s` seconds later, half open, it lets one through: if that succeeds
    it is closed, if not it stays open for as long again.
    """

    def __init__(
        self, failures: int, cooldown_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._cooldown_s = cooldown_s
        self._clock = clock
        self._failures = 0
        self._retry_at: float | None = None
        self._probing = False
        self._openings = 0

    @property
    def state(self) -> Circuit:
        """Closed, open, or half open once the cooldown is over."""
        if self._retry_at is None:
            return "closed"
        return "half_open" if self._clock() >= self._retry_at else "open"

    @contextmanager
    def call(self) -> Iterator[None]:
        """Holds one call: an Exception in it is a failure, a cancellation is neither.

        Raises CircuitOpenError where the call must not be made. What a call that began before the
        circuit opened has to say counts no more.
        """
        state = self.state
        if state == "open" or self._probing:
            raise CircuitOpenError("the circuit is open")
        self._probing = state == "half_open"
        epoch = self._openings
        try:
            yield
        except Exception:
            self._end(epoch, failed=True)
            raise
        except BaseException:
            self._release(epoch)
            raise
        self._end(epoch, failed=False)

    def _end(self, epoch: int, *, failed: bool) -> None:
        if epoch != self._openings:
            return
        probe, self._probing = self._probing, False
        if not failed:
            self._close()
            return
        self._failures += 1
        if probe or self._failures >= self._limit:
            self._open()

    def _release(self, epoch: int) -> None:
        if epoch == self._openings:
            self._probing = False

    def _open(self) -> None:
        self._retry_at = self._clock() + self._cooldown_s
        self._openings += 1

    def _close(self) -> None:
        self._failures, self._retry_at = 0, None
