"""Fronts connect; each is told who answers, is answered, and is heard when metrics are read."""

import asyncio
import secrets
import socket
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

from service.bundle import Bundle
from service.core import Core
from service.errors import NotReady
from service.link import frames
from service.link.guest import Guest
from service.link.seat import Seat
from service.link.wire import Wire

COUNT_S = 0.5
"""How long a reading of the metrics waits for a front's own, at most; then its last ones count."""

HEAR_S = 1.0
"""How long a flush of the ledger waits for the decisions that a front has sent, at most."""

SETTLE_S = 1.0
"""How long a swap waits for a front to hear of it, at most: one that hangs must not hold it up."""


class Hub:
    """The core's end of every link, while its `async with` is open.

    Closing waits for the fronts to leave, for at most `drain_s` seconds.
    """

    def __init__(self, core: Core, listening: socket.socket) -> None:
        """listening: a Unix socket that fronts connect to; the caller closes it."""
        self._core = core
        self._listening = listening
        self._guests: set[Guest] = set()
        # A front may still ask for a seat of the core before this one: no two may share a number.
        self._seat = secrets.randbits(31)
        self._ready = self._seat, b""
        core.bundles.listen(self._seat_all)
        core.bundles.settle(self.settle)
        core.metrics.before_reading(self.count)
        core.ledger.before_flushing(self.hear)

    async def __aenter__(self) -> Self:
        """Takes the fronts that wait already."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._connected, sock=self._listening)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Answers what the fronts ask until they leave, and witnesses all that they have seen."""
        self._server.close()
        await _all(self._core.settings.drain_s, (guest.lost.wait() for guest in self._guests))
        await asyncio.gather(*(guest.end() for guest in self._guests))

    async def count(self) -> None:
        """Asks every front for what it counted, and waits for it a moment."""
        guests = self._present
        for guest in guests:
            guest.count()
        await _all(COUNT_S, (guest.counted.wait() for guest in guests))

    async def settle(self) -> None:
        """Waits a moment until every front asks the bundle that answers now."""
        await _all(SETTLE_S, (guest.seated.wait() for guest in self._present))

    async def hear(self) -> None:
        """Waits a moment until each decision that a caller knows of is with the ledger.

        A front replies to its caller once it has sent the decision, which may still be under way
        when that caller's label comes in by another connection.
        """
        await _all(HEAR_S, (guest.heard() for guest in self._present))

    @property
    def _present(self) -> list[Guest]:
        return [guest for guest in self._guests if guest.at_table]

    def _connected(self) -> Wire:
        guest = Guest(self._core, self._seat_one)
        self._guests = {other for other in self._guests if not other.lost.is_set()} | {guest}
        return guest.connected()

    def _seat_one(self, guest: Guest) -> None:
        with suppress(NotReady):
            guest.seat(self._seat, self._packed())

    def _packed(self) -> bytes:
        """The seat as it crosses; a tokenizer is packed once, not once for every front."""
        number, packed = self._ready
        if number != self._seat or not packed:
            packed = frames.pack(Seat.of(self._seat, self._core.bundles.active))
            self._ready = self._seat, packed
        return packed

    def _seat_all(self, _: Bundle) -> None:
        self._seat += 1
        for guest in self._present:
            self._seat_one(guest)


async def _all(seconds: float, waits: Iterable[Coroutine[None, None, object]]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*waits)
