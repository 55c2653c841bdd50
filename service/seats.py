"""Promotions and roll-backs come in and are put on record; what the record says comes back."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self, TypeVar

from service.errors import LedgerUnavailable
from service.ledger.ledger import Ledger
from service.ledger.records import Seating
from service.ledger.store import Store
from service.logs import Log

T = TypeVar("T")

_NEWEST = 1000
_PATIENCE_S = 10.0
_RETRY_S = 5.0


class SeatRecord:
    """The decisions on seats as the ledger has them, while its `async with` is open.

    While the store is down a roll-back waits here to be recorded, and what is on record to be
    read; both happen once it is back.
    """

    def __init__(
        self,
        ledger: Ledger,
        log: Log,
        restore: Callable[[Sequence[Seating]], Awaitable[None]],
        *,
        retry_s: float = _RETRY_S,
    ) -> None:
        """restore: called once, with what is on record, newest first."""
        self._ledger, self._log, self._restore = ledger, log, restore
        self._retry_s = retry_s
        self._turn = asyncio.Lock()
        self._read = False
        self._waiting: deque[Seating] = deque()
        self._catching_up: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Reads what is on record, or leaves it for later."""
        async with self.turn():
            return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """What could not be recorded is lost, and the log says so."""
        if self._catching_up is not None:
            self._catching_up.cancel()
        if self._waiting:
            self._log.error("seats not recorded", decisions=len(self._waiting))

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One decision at a time, each after what is on record, if that can be read."""
        async with self._turn:
            await self._settle()
            yield

    async def add(self, seating: Seating, *, must: bool) -> bool:
        """Whether a decision is on record; within `turn`.

        One that need not be is recorded later. Raises LedgerUnavailable where it must be.
        """
        try:
            if self._waiting:
                raise LedgerUnavailable("an earlier decision on the seats is not on record yet")
            await self._ask(lambda store: store.seat(seating))
        except LedgerUnavailable:
            if must:
                raise
            if self._ledger.on:
                # It was decided on the seats as they are: an older record does not change them.
                self._read = True
                self._waiting.append(seating)
                self._catch_up_later()
            return False
        return True

    async def _settle(self) -> None:
        if not self._ledger.on:
            return
        try:
            if not self._read:
                await self._restore(await self._ask(lambda store: store.seatings(_NEWEST)))
                self._read = True
            while self._waiting:
                await self._ask(lambda store: store.seat(self._waiting[0]))
                self._waiting.popleft()
        except LedgerUnavailable as error:
            if self._catching_up is None:
                self._log.error("seats unknown", reason=str(error), bundle="as configured")
            self._catch_up_later()

    def _catch_up_later(self) -> None:
        if self._catching_up is None:
            self._catching_up = asyncio.create_task(self._catch_up())

    async def _catch_up(self) -> None:
        while not self._read or self._waiting:
            await asyncio.sleep(self._retry_s)  # The store tells nobody when it is back.
            async with self.turn():
                pass
        self._catching_up = None

    async def _ask(self, function: Callable[[Store], T]) -> T:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._ledger.read(function)
        except TimeoutError:
            raise LedgerUnavailable("the ledger's store does not answer") from None


def exchanges(seatings: Iterable[Seating]) -> Iterator[Seating]:
    """One seating for each time that its legacy and the primary changed places, in order.

    seatings: on one configuration, oldest first. What sat in the shadow's seat before a decision
    tells of an exchange that is not on record: of a roll-back that never got there. Or it is the
    same decision, taken on a second server that shares the ledger, and then it counts once.
    """
    last: dict[str, Seating] = {}
    for seating in seatings:
        known = last.get(seating.legacy)
        found = seating.primary if seating.swapped else seating.shadow
        if known is not None and found == known.primary != known.shadow:
            yield seating
        if seating.swapped:
            yield seating
        last[seating.legacy] = seating
