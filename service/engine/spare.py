"""A way to open a session on the CPU comes in; that session goes out when the device is lost."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future

from service.engine.runner import Runner
from service.engine.trouble import DeviceLost

logger = logging.getLogger(__name__)


class Spare:
    """Opened in the background: neither the start nor the first batch after a loss waits for it."""

    def __init__(self, opener: Callable[[], Runner]) -> None:
        """opener: opens the session and proves it; called on a thread of its own."""
        self._opener = opener
        self._opened: Future[Runner] | None = None
        self._opening: threading.Thread | None = None
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Begins to open it, unless it is open or on its way; after a failure it begins anew."""
        with self._lock:
            opened = self._opened
            if opened is None or (opened.done() and opened.exception() is not None):
                self._opened = Future()
                self._begin(self._opened)

    def session(self) -> Runner:
        """The session, once it is open. Raises DeviceLost where it did not open."""
        if self._opened is None:
            self.prepare()
        assert self._opened is not None
        try:
            return self._opened.result()
        except Exception as error:
            raise DeviceLost(f"the device is lost, and there is no spare: {error}") from error

    def close(self) -> None:
        """Waits for an opening that is under way."""
        if self._opening is not None:
            self._opening.join()

    def _begin(self, opened: Future[Runner]) -> None:
        opening = threading.Thread(target=self._open, args=(opened,), name="harbor-spare")
        try:
            opening.start()
        except RuntimeError as error:  # The host allows no more threads; a probe tries again.
            opened.set_exception(error)
        else:
            self._opening = opening

    def _open(self, opened: Future[Runner]) -> None:
        try:
            opened.set_result(self._opener())
        except BaseException as error:  # Whoever waits for it is told.
            logger.warning("no spare session on the CPU: %s", error)
            opened.set_exception(error)
