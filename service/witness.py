"""A reply comes in; the ledger keeps what was decided, and the shadow is offered the ticket."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import islice
from types import TracebackType
from typing import Self

from service.api.schema import Reply
from service.bundles import Bundles
from service.contract.ticket import Ticket
from service.contract.tokens import Tokens
from service.decisions import told
from service.errors import LedgerUnavailable
from service.ids import new_id
from service.ledger.language import declared
from service.ledger.ledger import Ledger
from service.ledger.records import Decision
from service.logs import Log
from service.metrics import ShadowMetrics
from service.shadow.config import ShadowConfig
from service.shadow.legacy import Legacy
from service.shadow.memory import recall, register
from service.shadow.runner import Asked, Shadow, Standing, at_once

EXCERPT = 400
"""Characters from which the language of a ticket is told."""

KEPT = 8000
"""Characters of a text that the ledger keeps at most: its queue holds thousands of them."""

LONGEST = 65_536
"""Characters of a subject, and of a body, that a legacy gets to see: a thousand may wait."""

_FIELDS, _FIELD = 64, 1000
"""Metadata fields that a legacy gets to see, and the characters of one."""

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
        keeps_text: bool,
        config: ShadowConfig | None = None,
        legacies: Callable[[ShadowConfig], dict[str, Legacy]] = lambda _: {},
        metrics: ShadowMetrics | None = None,
        spare: Callable[[], Awaitable[None]] = at_once,
    ) -> None:
        """keeps_text: whether the ledger may. config: None where no legacy runs.

        legacies: makes them, once the bundles are open. spare: returns once callers leave a core
        free.
        """
        self._spare = spare
        self._ledger = ledger
        self._bundles = bundles
        self._log = log
        self._keeps_text = keeps_text
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

    async def see(
        self, ticket: Ticket, tokens: Tokens, reply: Reply, wait_s: float | None
    ) -> Reply:
        """The reply as its caller gets it: with the running disagreement of each legacy.

        wait_s: how long to wait for the legacies' answers to this very ticket, None for not at all.
        """
        at, decision_id = time.time(), new_id()
        self._ledger.record(self._decision(decision_id, at, ticket, tokens, reply))
        if self.shadow is None:
            return reply
        asked = Asked(
            decision_id,
            _bounded(ticket),
            {name: told(name, said).best for name, said in reply.predictions.items()},
            reply.bundle.digest,
            at,
        )
        standing = await self._standing(self.shadow, asked, wait_s)
        return reply.model_copy(update={"shadow": standing})

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

    def _decision(
        self, decision_id: str, at: float, ticket: Ticket, tokens: Tokens, reply: Reply
    ) -> Decision:
        return Decision(
            id=decision_id,
            request_id=reply.request_id,
            ticket_id=ticket.ticket_id,
            at=at,
            bundle_version=reply.bundle.version,
            bundle_digest=reply.bundle.digest,
            tokens=len(tokens),
            truncated=reply.truncated,
            predictions=tuple(told(name, said) for name, said in reply.predictions.items()),
            language=declared(ticket.metadata),
            metadata=self._ledger.metadata(ticket.metadata),
            excerpt="" if self.shadow is None else _excerpt(ticket),
            text=(ticket.subject[:KEPT], ticket.body[:KEPT]) if self._keeps_text else None,
        )


def _excerpt(ticket: Ticket) -> str:
    subject = ticket.subject[:EXCERPT]
    return f"{subject}\n{ticket.body[: EXCERPT - len(subject)]}"


def _bounded(ticket: Ticket) -> Ticket:
    """The ticket as the shadow's queue may hold it; nearly every one is so already."""
    short = len(ticket.subject) <= LONGEST and len(ticket.body) <= LONGEST
    if short and not ticket.metadata:
        return ticket
    fields = islice((ticket.metadata or {}).items(), _FIELDS)
    return Ticket(
        subject=ticket.subject[:LONGEST],
        body=ticket.body[:LONGEST],
        ticket_id=ticket.ticket_id,
        metadata={
            name[:_FIELD]: value[:_FIELD] if isinstance(value, str) else value
            for name, value in fields
            if isinstance(value, str | bool | float)
            or (isinstance(value, int) and abs(value) < 1e18)
        },
    )
