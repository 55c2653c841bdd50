"""Calls and recordings come in; calls go side by side, a recording goes alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Quiet:
    """While a thread records a CUDA graph no other thread of the process may allocate on a device
    or wait for one: it would fail, or the recording would.

    A call that comes while a recording waits goes after it: where calls always overlap it would
    never begin.
    """

    def __init__(self) -> None:
        self._calls = 0
        self._recordings = 0
        self._changed = threading.Condition()

    @contextmanager
    def call(self) -> Iterator[None]:
        """While open, nothing is recorded."""
        with self._changed:
            self._changed.wait_for(lambda: not self._recordings)
            self._calls += 1
        try:
            yield
        finally:
            with self._changed:
                self._calls -= 1
                self._changed.notify_all()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Opens once no call is under way; while open, whatever comes waits."""
        with self._changed:
            self._recordings += 1
            try:
                self._changed.wait_for(lambda: not self._calls)
                yield
            finally:
                self._recordings -= 1
                self._changed.notify_all()


QUIET = Quiet()
"""CUDA's rule holds for a process, so that there is one of them."""
