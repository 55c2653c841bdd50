"""Batches come in and are answered although the device may be short of memory, or lost.

Shapes: B batch, L padded length.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from service.contract.tokens import IntArray
from service.engine.answer import DeviceReport
from service.engine.fitting import Fitting
from service.engine.layout import Arrays, Flat, Padded
from service.engine.outputs import Outputs
from service.engine.probe import Backoff, Probe
from service.engine.runner import Runner, run
from service.engine.spare import Spare
from service.engine.trouble import DeviceLost, OutOfMemory

logger = logging.getLogger(__name__)


def _ignore(_: DeviceReport) -> None:
    """Where nobody listens."""


class Guard:
    """A session on a device, and what stands in for it; may be called from several threads.

    A batch that does not fit is halved, and a ticket that does not fit alone runs on the CPU. A
    batch whose device is lost runs at once on the spare session on the CPU, and so do those that
    follow, until a probe has opened the device anew and proved it; the answers say so.
    """

    def __init__(
        self,
        session: Runner,
        reopen: Callable[[], Runner],
        spare: Spare | None,
        *,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """reopen: opens the device's session and proves it; called on a thread of its own. spare:
        None where no graph of the bundle runs on the CPU: while the device is lost batches fail.
        """
        self.tasks, self.has_scope = session.tasks, session.has_scope
        self._session: Runner | None = session
        self._reopen = reopen
        self._spare = spare
        self._listener: Callable[[DeviceReport], None] = _ignore
        self._fitting = Fitting(lambda: self._report(retries=1), clock, self._on_spare_alone)
        self._probe = Probe(self._recover, backoff or Backoff(), clock)
        self._lock = threading.Lock()

    @property
    def lost(self) -> bool:
        """Whether batches run on the spare session, or fail."""
        return self._session is None

    def start(self, listener: Callable[[DeviceReport], None]) -> None:
        """Has the spare opened in the background. listener: hears of trouble, on any thread."""
        self._listener = listener
        if self._spare is not None:
            self._spare.prepare()

    def close(self) -> None:
        """Ends the probing; waits for what is being opened."""
        self._probe.close()
        if self._spare is not None:
            self._spare.close()

    def run(self, ids_BL: IntArray, mask_BL: IntArray) -> Outputs:
        """What the model says to a batch. Raises InferenceFailed."""
        return self._run(Padded(ids_BL, mask_BL))

    def run_ragged(self, flat: Flat) -> Outputs:
        """As `run`, without padding."""
        return self._run(flat)

    def _run(self, arrays: Arrays) -> Outputs:
        session = self._session
        if session is None:
            return replace(self._on_spare(arrays), degraded=True)
        try:
            return self._fitting.run(session, arrays)
        except DeviceLost as error:
            self._lose(session, error)
        outputs = self._on_spare(arrays)
        return replace(outputs, degraded=True, calls=outputs.calls + 1)

    def _on_spare_alone(self, arrays: Arrays, error: OutOfMemory) -> Outputs:
        """A ticket too large for the device's memory, or one for which others leave no room."""
        if self._spare is None:
            raise error
        outputs = self._on_spare(arrays)
        return replace(outputs, degraded=True, calls=outputs.calls + 1)

    def _on_spare(self, arrays: Arrays) -> Outputs:
        if self._spare is None:
            raise DeviceLost("the device is lost, and no graph of the bundle runs on the CPU")
        return run(self._spare.session(), arrays)

    def _lose(self, session: Runner, error: DeviceLost) -> None:
        with self._lock:
            # Another batch may have found out, or the device may have come back since.
            if self._session is not session:
                return
            self._session = None
            logger.warning("the device is lost, the CPU stands in for it: %s", error)
            self._probe.begin()
        self._report(losses=1)

    def _recover(self) -> None:
        if self._spare is not None:
            self._spare.prepare()
        session = self._reopen()
        with self._lock:
            self._session = session
        logger.warning("the device is back")
        self._report(recoveries=1)

    def _report(self, *, retries: int = 0, losses: int = 0, recoveries: int = 0) -> None:
        self._listener(
            DeviceReport("cpu" if self.lost else "cuda", self.lost, retries, losses, recoveries)
        )
