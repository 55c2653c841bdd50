"""A seat comes in; a bundle whose tickets the core computes goes out, and who holds it."""

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from service.bundle import Bundle
from service.contract.tasks import Task
from service.contract.tokens import Tokens
from service.engine.answer import Answer, Priority
from service.link.frames import Load
from service.link.seat import Seat


class Asking(Protocol):
    """The way to the core; `service.link.line.Line` is the real one.

    load: of the core, when it last spoke. busy: whether a ticket is not answered yet.
    """

    load: Load

    @property
    def busy(self) -> bool: ...

    async def ask(
        self,
        seat: int,
        tokens: Tokens,
        deadline: float,
        priority: Priority,
        tasks: tuple[Task, ...],
    ) -> Answer:
        """What the engine of a seat's bundle says to a ticket."""
        ...


class Lent:
    """A bundle of the core's, as long as a ticket here holds it or it is the one that answers."""

    def __init__(self, seat: Seat, line: Asking, release: Callable[[int], None]) -> None:
        """release: hears the seat's number once nobody here will ask it any more."""
        self.bundle = seat.bundle(Remote(seat, line))
        self._number, self._release = seat.number, release
        self._leases = 0
        self._retired = False

    def __enter__(self) -> Bundle:
        """A ticket begins, one of many at a time: the bundle is not given back before it ends."""
        self._leases += 1
        return self.bundle

    def __exit__(self, *_: object) -> None:
        """A ticket has its reply."""
        self._leases -= 1
        self._end()

    def retire(self) -> None:
        """Another one answers from now on."""
        self._retired = True
        self._end()

    def _end(self) -> None:
        if self._retired and not self._leases:
            self._release(self._number)


class Remote:
    """The core's engine, as a front asks it."""

    def __init__(self, seat: Seat, line: Asking) -> None:
        self._seat, self._tasks, self._line = seat.number, seat.manifest.tasks, line

    async def __aenter__(self) -> Self:
        """There is nothing to start."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """There is nothing to close."""

    @property
    def depth(self) -> int:
        """How many tickets waited when the core last spoke; 0 where this front awaits nothing."""
        return self._line.load.depth if self._line.busy else 0

    @property
    def alive(self) -> bool:
        """Of the engine the core alone knows: `GET /readyz` is the core's to answer."""
        return True

    @property
    def predicted_wait_s(self) -> float:
        """As of when the core last spoke, in seconds."""
        return self._line.load.wait_s

    async def submit(self, tokens: Tokens, deadline: float, priority: Priority = "live") -> Answer:
        """As `Engine.submit`; raises NotReady where the core is lost."""
        return await self._line.ask(self._seat, tokens, deadline, priority, self._tasks)
