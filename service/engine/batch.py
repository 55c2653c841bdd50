"""What one call runs, and the tickets that were found too late to run."""

from dataclasses import dataclass
from typing import Generic

from service.engine.answer import Released
from service.engine.waiting import Entry, Payload


@dataclass(slots=True, eq=False)
class Batch(Generic[Payload]):
    """Either list may be empty.

    predicted_s: what the cost model expects the call to take. released: why it went as it is.
    wide: nothing else waits or runs, so that the call may use every core.
    """

    entries: list[Entry[Payload]]
    expired: list[Entry[Payload]]
    predicted_s: float = 0.0
    released: Released = "emptied"
    wide: bool = False

    @property
    def length(self) -> int:
        """Tokens of the longest ticket."""
        return max((len(entry.tokens) for entry in self.entries), default=0)
