"""Tickets of callers enter and leave; whoever has time to spare is told when a core is free."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


class Leftover:
    """The capacity that callers leave over; used on one event loop.

    Work that nobody waits for begins only while fewer tickets of callers are under way than batches
    can run side by side, and one piece at a time: it costs a caller one such piece at most.
    """

    def __init__(self, capacity: int) -> None:
        """capacity: batches that can run side by side."""
        self._capacity = capacity
        self._busy = 0
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()
        self._freed.set()
        self._moment = asyncio.Lock()
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While it is open, one ticket of a caller is under way."""
        self._busy += 1
        self._idle.clear()
        if self._busy >= self._capacity:
            self._freed.clear()
        try:
            yield
        finally:
            self._busy -= 1
            if self._busy < self._capacity:
                self._freed.set()
            if not self._busy:
                self._idle.set()

    async def spare(self) -> None:
        """Returns once no caller is under way, for work that takes the event loop a moment.

        One waiter is let go a turn of the event loop, so that a caller who comes meanwhile is
        ahead of the others.
        """
        async with self._moment:
            await self._idle.wait()
            await asyncio.sleep(0)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits until nobody else has a turn and a core is free; holds the turn while open."""
        async with self._turn:
            await self._freed.wait()
            yield
