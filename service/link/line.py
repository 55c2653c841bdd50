"""A front's tickets come in; the core's answers go out, over a connection that is made anew."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from service.bundle import Bundle
from service.contract.tasks import Task
from service.contract.tokens import Tokens
from service.engine.answer import Answer, Priority
from service.errors import DeadlineExceeded, NotReady
from service.ledger.records import Decision
from service.link import frames
from service.link.faults import error_of
from service.link.frames import Fault, Kind, Load, Question, Seen
from service.link.lent import Lent
from service.link.seat import Seat
from service.link.wire import Wire
from service.metrics import Counts
from service.shadow.documents import Standing
from service.shadow.errand import Asked

GONE = "the core process is not there; it is being started"

_RETRY_S = 0.05
_COUNT_S = 2.0
_PATIENCE_S = 0.25
"""The core answers by the deadline; a front waits so much longer for it to say so."""


class Line:
    """The way to the core, while its `async with` is open.

    Where the core is lost, whatever was asked fails with NotReady at once, and so does what comes
    until it is there again.
    """

    def __init__(self, name: str, path: Path, counts: Callable[[], Counts]) -> None:
        """name: of this front. path: of the core's socket. counts: what this process counted."""
        self.load = Load()
        self.seated = asyncio.Event()
        self._name, self._path, self._counts = name, path, counts
        self._wire: Wire | None = None
        self._seat: Lent | None = None
        self._last = self._questions = 0
        self._before = Counts({})
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._listeners: list[Callable[[Bundle], None]] = []
        self._lost = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Begins to connect, and goes on whenever the connection is lost."""
        self._connecting = asyncio.create_task(self._stay_connected())
        self._counting = asyncio.create_task(self._keep_counting())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Sends what was counted, as the last thing, and hangs up."""
        self._connecting.cancel()
        self._counting.cancel()
        if self._wire is not None:
            self._send_counts()
            self._wire.close()
            await self._lost.wait()

    def listen(self, listener: Callable[[Bundle], None]) -> None:
        """Calls `listener` with each bundle that answers from then on."""
        self._listeners.append(listener)

    @property
    def busy(self) -> bool:
        """Whether a ticket that was asked about is not answered yet."""
        return self._questions > 0

    def lease(self) -> AbstractContextManager[Bundle]:
        """The bundle that answers, open until the lease ends. Raises NotReady."""
        if self._seat is None:
            raise NotReady(GONE)
        return self._seat

    async def ask(
        self,
        seat: int,
        tokens: Tokens,
        deadline: float,
        priority: Priority,
        tasks: tuple[Task, ...],
    ) -> Answer:
        """What the core's engine says to a ticket. Raises as `Engine.submit` does, and NotReady."""
        number = self._number()
        question = Question(number, seat, deadline, priority, tokens.ids)
        self._questions += 1
        try:
            body = await self._reply_to(number, Kind.QUESTION, question.pack(), deadline)
        finally:
            self._questions -= 1
        self.load, answer = frames.unpack_answer(body, tasks)
        return answer

    async def see(
        self, decision: Decision, asked: Asked | None, wait_s: float | None
    ) -> Standing | None:
        """Tells the core's witness; waits for its word only where a legacy runs."""
        if asked is None:
            self._send(Kind.SEEN, Seen(0, decision, None, None).pack())
            return None
        number = self._number()
        body = Seen(number, decision, asked, wait_s).pack()
        latest = time.monotonic() + max(wait_s or 0.0, 0.0) + 1.0
        standing: Standing | None = await self._reply_to(number, Kind.SEEN, body, latest)
        return standing

    def _number(self) -> int:
        """Of the next question; four bytes on the wire."""
        self._last = (self._last + 1) % 2**32
        return self._last

    async def _reply_to(self, number: int, kind: Kind, body: bytes, deadline: float) -> Any:
        if self._wire is None:
            raise NotReady(GONE)
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Any] = loop.create_future()
        self._waiting[number] = waiting
        late_s = deadline - time.monotonic() + _PATIENCE_S
        timer = loop.call_later(max(late_s, 0.0), _expire, waiting)
        self._wire.send(kind, body)
        try:
            return await waiting
        except asyncio.CancelledError:
            self._send(Kind.LEAVE, frames.pack_number(number))
            raise
        finally:
            timer.cancel()
            self._waiting.pop(number, None)

    async def _stay_connected(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._lost.clear()
            try:
                _, self._wire = await loop.create_unix_connection(self._end, str(self._path))
            except OSError:
                await asyncio.sleep(_RETRY_S)
                continue
            self._wire.send(Kind.HELLO, frames.pack(self._name))
            await self._lost.wait()
            await asyncio.sleep(_RETRY_S)

    def _end(self) -> Wire:
        return Wire(self._hear, self._leave)

    async def _keep_counting(self) -> None:
        while True:
            await asyncio.sleep(_COUNT_S)
            self._send_counts()

    def _hear(self, kind: Kind, body: bytes) -> None:
        match kind:
            case Kind.ANSWER:
                self._settle(frames.number_of(body), body)
            case Kind.FAULT:
                self._fail(frames.unpack(body))
            case Kind.STANDING:
                self._settle(*frames.unpack(body))
            case Kind.SEAT:
                self._take_seat(frames.unpack(body))
            case Kind.COUNT:
                self._send_counts()
            case Kind.ECHO:
                self._send(Kind.ECHOED, body)

    def _settle(self, number: int, result: Any) -> None:
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(result)

    def _fail(self, fault: Fault) -> None:
        self.load = fault.load
        waiting = self._waiting.get(fault.number)
        if waiting is not None and not waiting.done():
            waiting.set_exception(error_of(fault))

    def _take_seat(self, seat: Seat) -> None:
        earlier, self._seat = self._seat, Lent(seat, self, self._release)
        if earlier is not None:
            earlier.retire()
        for listener in self._listeners:
            listener(self._seat.bundle)
        self._before = self._before.still_in(self._counts())
        self.seated.set()
        self._send(Kind.SEATED, frames.pack_number(seat.number))

    def _release(self, number: int) -> None:
        self._send(Kind.RELEASE, frames.pack_number(number))

    def _leave(self) -> None:
        self._wire = self._seat = None
        self.seated.clear()
        self.load = Load()
        # The core's sum begins anew with the next one, and so must what is added to it.
        self._before = self._counts()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(NotReady(GONE))
        self._lost.set()

    def _send_counts(self) -> None:
        self._send(Kind.COUNTS, frames.pack(self._counts().since(self._before)))

    def _send(self, kind: Kind, body: bytes = b"") -> None:
        if self._wire is not None:
            self._wire.send(kind, body)


def _expire(waiting: asyncio.Future[Any]) -> None:
    if not waiting.done():
        waiting.set_exception(DeadlineExceeded("the core did not answer by the deadline"))
