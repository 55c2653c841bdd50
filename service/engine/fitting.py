"""A batch comes in; its answers go out, from as many calls as the device's memory asks for."""

import logging
import math
import time
from collections.abc import Callable

from service.engine.layout import Arrays
from service.engine.outputs import Outputs
from service.engine.runner import Runner, run
from service.engine.trouble import OutOfMemory

logger = logging.getLogger(__name__)

REMEMBER_S = 60.0
"""How long a batch that did not fit is remembered: what took the memory may be gone again."""


def _refuse(_: Arrays, error: OutOfMemory) -> Outputs:
    """Where nothing else can answer."""
    raise error


class Fitting:
    """Halves a batch that does not fit, down to single tickets, and remembers how much did not."""

    def __init__(
        self,
        on_retry: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        alone: Callable[[Arrays, OutOfMemory], Outputs] = _refuse,
    ) -> None:
        """on_retry: called on the caller's thread for every batch that is halved. alone: answers a
        ticket that does not fit by itself, or raises.
        """
        self._on_retry = on_retry
        self._alone = alone
        self._clock = clock
        self._remembered = (math.inf, -math.inf)

    @property
    def most_tokens(self) -> float:
        """What a call may compute on at present."""
        tokens, until = self._remembered
        return tokens if self._clock() < until else math.inf

    def run(self, session: Runner, arrays: Arrays) -> Outputs:
        """The whole batch's answers. Raises what `alone` and the session raise."""
        parts = self._parts(session, arrays)
        return parts[0] if len(parts) == 1 else Outputs.join(parts, calls=len(parts))

    def _parts(self, session: Runner, arrays: Arrays) -> list[Outputs]:
        count = len(arrays)
        if count == 1 or arrays.tokens <= self.most_tokens:
            try:
                return [run(session, arrays)]
            except OutOfMemory as error:
                if count == 1:
                    return [self._alone(arrays, error)]
                self._remember(arrays, error)
        half = count // 2
        first, rest = arrays.part(0, half), arrays.part(half, count)
        return [*self._parts(session, first), *self._parts(session, rest)]

    def _remember(self, arrays: Arrays, error: OutOfMemory) -> None:
        tokens = arrays.tokens // 2
        self._remembered = (tokens, self._clock() + REMEMBER_S)
        logger.warning(
            "%d tickets of %d tokens did not fit into the device's memory: %s",
            len(arrays),
            arrays.tokens,
            error,
        )
        self._on_retry()
