"""A decision comes in; the ledger keeps it, and the shadow is offered its ticket."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from service.bundles import Bundles
from service.errors import LedgerUnavailable
from service.ledger.ledger import Ledger
from service.ledger.records import Decision
from service.logs import Log
from service.metrics import ShadowMetrics
from service.shadow.config import ShadowConfig
from service.shadow.documents import Standing
from service.shadow.errand import Asked
from service.shadow.legacy import Legacy
from service.shadow.memory import recall, register
from service.shadow.runner import Shadow, at_once

_RETRY_S = 5.0


class Witness:
    """Sees every routed ticket, while its `async with` is open.

    Nothing here waits, but for `shadow=wait`; nothing raises.
    """

    def __init__(
        self,
        ledger: Ledger,
        bundles: Bundles,
        log: Log,
        *,
        config: ShadowConfig | None = None,
        legacies: Callable[[ShadowConfig], dict[str, Legacy]] = lambda _: {},
        metrics: ShadowMetrics | None = None,
        spare: Callable[[], Awaitable[None]] = at_once,
    ) -> None:
        """config: None where no legacy runs.

        legacies: makes them, once the bundles are open. spare: returns once callers leave a core
        free.
        """
        self._spare = spare
        self._ledger = ledger
        self._bundles = bundles
        self._log = log
        self._config = config
        self._make = legacies
        self._metrics = metrics
        self._registering: asyncio.Task[None] | None = None
        self.legacies: dict[str, Legacy] = {}
        self.shadow: Shadow | None = None

    async def __aenter__(self) -> Self:
        """Opens the shadow. Raises ShadowRefused."""
        if self._config is None or self._metrics is None:
            return self
        self.legacies = self._make(self._config)
        shadow = Shadow(
            self._config,
            list(self.legacies.values()),
            lambda: self._bundles.active.tasks,
            self._metrics,
            self._ledger.record,
            self._log,
            spare=self._spare,
        )
        self.shadow = await shadow.__aenter__()
        await self._recall()
        self.seats_changed()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Drops what the shadow has not compared, and closes it."""
        if self._registering is not None:
            self._registering.cancel()
        if self.shadow is not None:
            await self.shadow.__aexit__(kind, error, traceback)

    def seats_changed(self) -> None:
        """Another bundle answers, or runs in shadow: its plan goes on record."""
        if self.shadow is None or not self._ledger.on:
            return
        if self._registering is not None:
            self._registering.cancel()
        self._registering = asyncio.create_task(self._register())

    def keep(self, decision: Decision) -> None:
        """The ledger has it; nothing else follows, as where no legacy runs."""
        self._ledger.record(decision)

    async def see(
        self, decision: Decision, asked: Asked | None, wait_s: float | None
    ) -> Standing | None:
        """The running disagreement of each legacy; None where none runs.

        wait_s: how long to wait for the legacies' answers to this very ticket, None for not at all.
        """
        self.keep(decision)
        if self.shadow is None or asked is None:
            return None
        return await self._standing(self.shadow, asked, wait_s)

    async def _standing(self, shadow: Shadow, asked: Asked, wait_s: float | None) -> Standing:
        if asked.primary != self._bundles.active.digest:
            # Seats changed while the ticket was under way: the pair it belongs to sits no more.
            shadow.miss(asked)
            return shadow.standing()
        if wait_s is not None and self._config is not None:
            return await shadow.answers(asked, min(wait_s, self._config.wait_s))
        shadow.offer(asked)
        return shadow.standing()

    async def _recall(self) -> None:
        if self._config is None or self.shadow is None or not self._ledger.on:
            return
        primary, window = self._bundles.active.digest, self._config.window
        try:
            for legacy in self.legacies.values():
                await recall(self._ledger, self.shadow, legacy, primary, window)
        except LedgerUnavailable as error:
            self._log.warning("disagreements start anew", reason=str(error))

    async def _register(self) -> None:
        assert self._config is not None
        primary = self._bundles.active.digest
        for legacy in self.legacies.values():
            while not await register(self._ledger, self._config, legacy, primary):  # noqa: ASYNC110
                await asyncio.sleep(_RETRY_S)  # The store tells nobody when it is back.
