"""Tickets of callers enter and leave; whoever has time to spare is told when a core is free."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, suppress

PATIENCE_S = 0.25
"""How long short work waits for a quiet moment: where requests always overlap, there is none."""


class Leftover:
    """The capacity that callers leave over; used on one event loop.

    Work that nobody waits for begins only while fewer tickets of callers are under way than batches
    can run side by side, and one piece at a time: it costs a caller one such piece at most.
    """

    def __init__(self, capacity: int) -> None:
        """capacity: batches that can run side by side."""
        self._busy = 0
        self._turn = asyncio.Lock()
        self._moment = asyncio.Lock()
        self._freed, self._quiet = asyncio.Event(), asyncio.Event()
        self._most = {self._freed: capacity - 1, self._quiet: capacity // 4}
        self._one_more = _OneMore(self._change)
        self._change(0)

    def busy(self) -> AbstractContextManager[None]:
        """While it is open, one ticket of a caller is under way."""
        return self._one_more

    async def spare(self) -> None:
        """Returns at a quiet moment, for work that takes the event loop a moment.

        Quiet is it while callers under way are at most a quarter of the capacity: none of 2, 4 of
        16. Nobody waits for it longer than PATIENCE_S, or that work would be done at quiet hours
        alone. One waiter is let go a turn of the event loop, so that a caller who comes meanwhile
        is ahead of the others.
        """
        latest = asyncio.get_running_loop().time() + PATIENCE_S
        async with self._moment:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(latest):
                    await self._quiet.wait()
            await asyncio.sleep(0)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits until nobody else has a turn and a core is free; holds the turn while open."""
        async with self._turn:
            await self._freed.wait()
            yield

    def _change(self, by: int) -> None:
        self._busy += by
        for event, most in self._most.items():
            if self._busy <= most:
                event.set()
            else:
                event.clear()


class _OneMore(AbstractContextManager[None]):
    """Counts who is inside; for every ticket anew a generator would cost five times as much."""

    def __init__(self, change: Callable[[int], None]) -> None:
        self._change = change

    def __enter__(self) -> None:
        self._change(1)

    def __exit__(self, *_: object) -> None:
        self._change(-1)
