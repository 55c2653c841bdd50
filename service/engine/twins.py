"""Equal tickets that are under way at the same time come in; one computation for all goes out.

A desk's webhook is often sent again before its first reply is there.
"""

import asyncio
from dataclasses import dataclass, field, replace

from service.engine.answer import Answer
from service.engine.batcher import Batcher
from service.engine.waiting import Entry

Waiter = asyncio.Future[Answer]
"""Whom an answer is for; the event loop alone sets it."""


@dataclass(slots=True, eq=False)
class Callers:
    """All who wait for one computation; each keeps its own deadline and may leave on its own.

    key: the ticket's token ids, as bytes. asked: when each of them came, in seconds.
    """

    key: bytes
    asked: dict[Waiter, float] = field(default_factory=dict)

    def done(self) -> bool:
        """Whether nobody waits any more; the only question that another thread may ask.

        Once it is true nobody may join: a worker may have passed the ticket over.
        """
        asked = list(self.asked)
        # Whoever joined meanwhile must not be missed.
        return all(waiter.done() for waiter in asked) and list(self.asked) == asked

    def settle(self, result: Answer | Exception, taken: float) -> int:
        """Gives each who waits the result, and returns how many got an answer.

        taken: when the batch began, in seconds; a caller who came later has not waited in a queue.
        """
        asked, self.asked = self.asked, {}
        answered = 0
        for waiter, since in asked.items():
            if waiter.done():
                continue
            if isinstance(result, Answer):
                waited = max(0.0, taken - since)
                own = result if waited == result.queue_s else replace(result, queue_s=waited)
                waiter.set_result(own)
                answered += 1
            else:
                waiter.set_exception(result)
        return answered


Queue = Batcher[Callers]
"""Where the tickets of an engine wait."""


class Twins:
    """What is under way, by its token ids; used on one event loop."""

    def __init__(self) -> None:
        self._entries: dict[bytes, Entry[Callers]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: bytes) -> Entry[Callers] | None:
        """The ticket under way with these token ids that somebody waits for."""
        entry = self._entries.get(key)
        return None if entry is None or entry.payload.done() else entry

    def begin(self, entry: Entry[Callers]) -> None:
        """The ticket is under way: whoever comes with an equal one may join its callers."""
        self._entries[entry.payload.key] = entry

    def end(self, callers: Callers) -> Entry[Callers] | None:
        """Nobody may join these callers any more: they are answered, or all have left.

        Returns their ticket; None where that has ended already.
        """
        entry = self._entries.get(callers.key)
        if entry is None or entry.payload is not callers:
            return None
        return self._entries.pop(callers.key)
