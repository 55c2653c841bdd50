"""What a legacy is: something with a name that says labels, in its own words, to a ticket."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

from service.contract.ticket import Ticket
from service.ledger.records import Role

Failure = Literal["timeout", "unreachable", "status", "malformed", "crashed"]


class LegacyFailedError(Exception):
    """A legacy gave no usable answer; `reason` is one of a closed set, and nothing is quoted."""

    def __init__(self, reason: Failure, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


class CircuitOpenError(Exception):
    """The circuit breaker holds calls back after repeated failures: nothing was sent."""


@dataclass(frozen=True, slots=True)
class Said:
    """A legacy's answer to one task: the label in its own words, and its confidence if it has one.

    confidence: within [0, 1].
    """

    label: str
    confidence: float | None = None


class Legacy(Protocol):
    """A model that runs in shadow. Asked by several tasks of one event loop at a time."""

    @property
    def name(self) -> str:
        """As configured; a metric's label."""
        ...

    @property
    def kind(self) -> str:
        """What stands behind the name: `bundle`, `v2` or `json`."""
        ...

    @property
    def identity(self) -> str:
        """Changes whenever another model, or another way of asking it, stands behind the name."""
        ...

    @property
    def role(self) -> Role:
        """Whether it is to be replaced or to replace; a promotion turns it round."""
        ...

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that it answers."""
        ...

    @property
    def concurrency(self) -> int:
        """How many tickets it may be asked at once."""
        ...

    @property
    def circuit(self) -> Literal["closed", "open", "half_open"] | None:
        """Whether calls are held back; None where there is no breaker."""
        ...

    def translate(self, task: str, label: str) -> str | None:
        """Its label in the words of the bundle that answers; None where nobody said how."""
        ...

    async def ask(self, ticket: Ticket) -> Mapping[str, Said]:
        """What it says to a ticket; a task it has no answer for is missing.

        Raises LegacyFailedError, CircuitOpenError; a cancellation leaves nothing behind.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
