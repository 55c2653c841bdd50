"""An event loop beats; whoever began its process feels whether it still does."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import mmap

BEAT_S = 1.0
"""From one beat to the next, and between two times of feeling for one."""

PATIENCE = 10
"""A heart that was felt for so many times in a row, in vain, has stopped."""


class Heart:
    """Of one process: a byte of memory that it shares with the one that began it.

    Only a live event loop beats: one that is stopped or blocked does not, one whose threads work
    for minutes does. 0 is a loop that does not serve yet, or any more, and owes no beat: how long
    a start or an end may take is nobody's to say.
    """

    def __init__(self) -> None:
        self._shared = mmap(-1, 1)
        self._felt = self._missed = 0

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Beats on the running event loop while it is open."""
        self._beat()
        beats = asyncio.get_running_loop().create_task(self._keep_beating())
        try:
            yield
        finally:
            beats.cancel()
            self.rest()

    def rest(self) -> None:
        """No beat is owed from now on, until there is one; what was felt before is forgotten."""
        self._shared[0] = self._felt = self._missed = 0

    def has_stopped(self) -> bool:
        """Feels for a beat, which is owed every `BEAT_S`. True once, the `PATIENCE`-th time in a
        row that there was none.
        """
        found = self._shared[0]
        self._missed = self._missed + 1 if found and found == self._felt else 0
        self._felt = found
        return self._missed == PATIENCE

    def _beat(self) -> None:
        self._shared[0] = self._shared[0] % 255 + 1

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            self._beat()
