"""Errands come in; the oldest goes out, those that a caller waits for ahead of all others."""

import asyncio
from collections import deque

from service.shadow.errand import Errand


class Line:
    """The bounded queue of one legacy, on one event loop."""

    def __init__(self, limit: int) -> None:
        """limit: errands that may wait, and as many again that a caller waits for."""
        self._limit = limit
        self._urgent: deque[Errand] = deque()
        self._patient: deque[Errand] = deque()
        self._ready = asyncio.Semaphore(0)

    def __len__(self) -> int:
        return len(self._urgent) + len(self._patient)

    def add(self, errand: Errand, *, urgent: bool) -> bool:
        """Queues an errand; False where there is no room."""
        queue = self._urgent if urgent else self._patient
        if len(queue) >= self._limit:
            return False
        queue.append(errand)
        self._ready.release()
        return True

    async def take(self) -> Errand:
        """The next errand, once there is one. A cancellation takes none out."""
        await self._ready.acquire()
        return (self._urgent or self._patient).popleft()

    def clear(self) -> list[Errand]:
        """Empties the queue for good: nobody may take from it afterwards."""
        left = [*self._urgent, *self._patient]
        self._urgent.clear()
        self._patient.clear()
        return left
