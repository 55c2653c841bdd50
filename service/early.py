"""Settings come in; their bundle is opened on a thread, while the program is still being loaded."""

import threading
from concurrent.futures import Future

from service.bundle import Bundle
from service.held import Reports
from service.opening import open_bundle
from service.settings import Settings


class Early:
    """The first bundle on its way.

    Most of its opening is arithmetic on another core, most of the program's start the loading of
    libraries: one after the other they take a third longer.
    """

    def __init__(self, settings: Settings) -> None:
        """Begins at once."""
        self.reports = Reports()
        self._settings = settings
        self._opened: Future[Bundle] = Future()
        threading.Thread(target=self._open, name="harbor-early").start()

    def result(self) -> Bundle:
        """Waits for it. Raises what `open_bundle` raises."""
        return self._opened.result()

    def _open(self) -> None:
        try:
            bundle = open_bundle(self._settings.bundle, self._settings, self.reports)
        except BaseException as error:  # Whoever waits for the result is told.
            self._opened.set_exception(error)
        else:
            self._opened.set_result(bundle)
