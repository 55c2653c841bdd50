"""A call's arrays come in; its outputs go out, through buffers of our own as long as these work."""

import logging
from collections.abc import Callable

from service.engine.cuda import call_error
from service.engine.slot import Feeds, FloatArray, Slots
from service.engine.trouble import DeviceLost, OutOfMemory
from service.errors import InferenceFailed

logger = logging.getLogger(__name__)


class Bound:
    """Calls through slots; where these fail and the runtime's own call does not, without them."""

    def __init__(self, slots: Slots | None, plain: Callable[[Feeds], list[FloatArray]]) -> None:
        """slots: None where the runtime's own buffers are to be used. plain: a call with those."""
        self._slots, self._plain = slots, plain

    def run(self, feeds: Feeds, batch: int) -> list[FloatArray]:
        """What is wanted of every batch, in order. Raises InferenceFailed."""
        if self._slots is None:
            return self._plain(feeds)
        try:
            return self._slots.run(feeds, batch)
        except Exception as error:
            failed = failure_of(error)
            if isinstance(failed, DeviceLost):
                raise failed from error
        arrays = self._plain(feeds)
        # For want of memory it may have been for once.
        if not isinstance(failed, OutOfMemory):
            logger.warning("from now on calls do without buffers of their own: %s", failed)
            self._slots = None
        return arrays


def failure_of(error: Exception) -> InferenceFailed:
    """The runtime raises a dozen types that share no base; callers know one, and its kinds."""
    return error if isinstance(error, InferenceFailed) else call_error(error)
