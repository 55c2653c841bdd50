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

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While it is open, one ticket of a caller is under way."""
        self._busy += 1
        if self._busy >= self._capacity:
            self._freed.clear()
        try:
            yield
        finally:
            self._busy -= 1
            if self._busy < self._capacity:
                self._freed.set()

    async def spare(self) -> None:
        """Returns once a core is free, for work that takes a moment alone: it holds no turn."""
        await self._freed.wait()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits until nobody else has a turn and a core is free; holds the turn while open."""
        async with self._turn:
            await self._freed.wait()
            yield
