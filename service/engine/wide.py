"""A way to open a session on every core comes in; that session goes out, once it is there."""

import logging
import threading
from collections.abc import Callable

from service.engine.runner import Runner

logger = logging.getLogger(__name__)


class Wide:
    """A session whose calls use every core, for a ticket that has the machine to itself.

    It is opened in the background when it is first wanted: the start does not wait for it, and an
    engine that never wants it never holds its memory. Until then, and for good where opening it
    fails, the engine's other sessions do without.
    """

    def __init__(self, opener: Callable[[], Runner]) -> None:
        """opener: opens the session and proves it; called on a thread of its own."""
        self._opener = opener
        self._session: Runner | None = None
        self._opening: threading.Thread | None = None
        self._lock = threading.Lock()

    def session(self) -> Runner | None:
        """The session, or None while it is not open; asking for it has it opened."""
        if self._session is None and self._opening is None:
            with self._lock:
                if self._opening is None:
                    self._begin()
        return self._session

    def close(self) -> None:
        """Waits for an opening that is under way."""
        if self._opening is not None:
            self._opening.join()

    def _begin(self) -> None:
        opening = threading.Thread(target=self._open, name="harbor-wide")
        try:
            opening.start()
        except RuntimeError as error:  # The host allows no more threads; the next one may find one.
            logger.warning("no call will use every core: %s", error)
        else:
            self._opening = opening

    def _open(self) -> None:
        try:
            self._session = self._opener()
        except Exception as error:
            logger.warning("no call will use every core: %s", error)
