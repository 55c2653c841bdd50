"""One front's frames come in at the core; its tickets are answered and its decisions witnessed."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack

from service.bundle import Bundle
from service.contract.tokens import Tokens
from service.core import Core
from service.engine.answer import Answering
from service.errors import NotReady, ServiceError
from service.link import frames
from service.link.faults import fault_of
from service.link.frames import Fault, Kind, Load, Question, Seen
from service.link.wire import Wire
from service.logs import failure
from service.metrics import Counts


class Guest:
    """One front at the core.

    It holds a lease on each bundle that the front may still ask, so that a bundle which has been
    replaced closes only after the last of its tickets.
    """

    def __init__(self, core: Core, entered: Callable[["Guest"], None]) -> None:
        """entered: called once the front has said who it is; it is to be seated then."""
        self.wire: Wire | None = None
        self.counted, self.seated = asyncio.Event(), asyncio.Event()
        self.lost = asyncio.Event()
        self._core, self._entered = core, entered
        self._name, self._number = "", 0
        self._seats: dict[int, tuple[Bundle, ExitStack]] = {}
        self._asked: dict[int, asyncio.Task[None]] = {}
        self._others: set[asyncio.Task[None]] = set()
        self._echoes: dict[int, asyncio.Event] = {}
        self._echo = 0

    @property
    def at_table(self) -> bool:
        """Whether it has said who it is and is still there."""
        return self._number > 0 and not self.lost.is_set()

    def connected(self) -> Wire:
        """The core's end of the connection."""
        self.wire = Wire(self._hear, self._leave)
        return self.wire

    def seat(self, number: int, packed: bytes) -> None:
        """Tells the front of the bundle that answers from now on. packed: its seat."""
        lease = ExitStack()
        bundle = lease.enter_context(self._core.bundles.lease())
        self._seats[number] = bundle, lease
        self.seated.clear()
        self._send(Kind.SEAT, packed)

    def count(self) -> None:
        """Asks for what the front counted; `counted` is set once it is there."""
        self.counted.clear()
        self._send(Kind.COUNT)

    async def heard(self) -> None:
        """Returns once all that the front had said when this was called is in, or it is lost."""
        if self.lost.is_set():
            return
        self._echo = number = (self._echo + 1) % 2**32
        self._echoes[number] = echoed = asyncio.Event()
        self._send(Kind.ECHO, frames.pack_number(number))
        try:
            await echoed.wait()
        finally:
            self._echoes.pop(number, None)

    async def end(self) -> None:
        """Witnesses what was seen, then hangs up."""
        await asyncio.gather(*self._others, return_exceptions=True)
        if self.wire is not None:
            self.wire.close()

    def _hear(self, kind: Kind, body: bytes) -> None:
        match kind:
            case Kind.QUESTION:
                self._ask(frames.unpack_question(body))
            case Kind.LEAVE:
                if task := self._asked.pop(frames.number_of(body), None):
                    task.cancel()
            case Kind.SEEN:
                self._witness(frames.unpack_seen(body))
            case Kind.RELEASE:
                self._release(frames.number_of(body))
            case Kind.SEATED:
                if frames.number_of(body) == max(self._seats, default=None):
                    self.seated.set()
            case Kind.ECHOED:
                if echoed := self._echoes.get(frames.number_of(body)):
                    echoed.set()
            case Kind.COUNTS:
                self._count(frames.unpack(body))
            case Kind.HELLO:
                self._enter(frames.unpack(body))

    def _ask(self, question: Question) -> None:
        self._asked[question.number] = asyncio.create_task(self._answer(question))

    async def _answer(self, question: Question) -> None:
        found = self._seats.get(question.seat)
        if found is None:
            self._asked.pop(question.number, None)
            self._fail(question.number, Load(), NotReady("this bundle has been given back"))
            return
        engine, tasks = found[0].engine, found[0].tasks
        tokens = Tokens(question.ids_L, truncated=False)
        try:
            with self._core.leftover.busy():
                answer = await engine.submit(tokens, question.deadline, question.priority)
        except Exception as error:
            if not isinstance(error, ServiceError):
                self._core.log.error("unexpected", **failure(error))
            self._fail(question.number, self._load(engine), error)
        else:
            load = self._load(engine)
            self._send(Kind.ANSWER, frames.pack_answer(question.number, load, answer, tasks))
        finally:
            self._asked.pop(question.number, None)

    def _fail(self, number: int, load: Load, error: Exception) -> None:
        fault: Fault = fault_of(number, load, error)
        self._send(Kind.FAULT, frames.pack(fault))

    def _witness(self, seen: Seen) -> None:
        if seen.asked is None:
            self._core.witness.keep(seen.decision)
        else:
            self._keep(asyncio.create_task(self._see(seen)))

    async def _see(self, seen: Seen) -> None:
        try:
            standing = await self._core.witness.see(seen.decision, seen.asked, seen.wait_s)
        except Exception as error:
            self._core.log.error("unexpected", **failure(error))
            standing = None
        self._send(Kind.STANDING, frames.pack((seen.number, standing)))

    def _count(self, counts: Counts) -> None:
        self._core.metrics.fronts.update(self._number, counts)
        self.counted.set()

    def _enter(self, name: str) -> None:
        self._name, self._number = name, self._core.metrics.enter(name)
        self._core.log.info("front connected", front=name)
        self._entered(self)

    def _release(self, number: int) -> None:
        if found := self._seats.pop(number, None):
            found[1].close()

    def _leave(self) -> None:
        """The front is gone: nobody waits for its tickets any more."""
        self.wire = None
        for task in self._asked.values():
            task.cancel()
        for _, lease in self._seats.values():
            lease.close()
        self._seats.clear()
        if self._number:
            self._core.metrics.fronts.leave(self._number)
            self._core.log.info("front gone", front=self._name)
        for event in (self.counted, self.seated, self.lost, *self._echoes.values()):
            event.set()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._others.add(task)
        task.add_done_callback(self._others.discard)

    def _send(self, kind: Kind, body: bytes = b"") -> None:
        if self.wire is not None:
            self.wire.send(kind, body)

    def _load(self, engine: Answering) -> Load:
        """The wait is predicted where somebody will be told of it."""
        depth = engine.depth
        full = depth >= self._core.settings.max_queue
        return Load(depth, engine.predicted_wait_s if full else 0.0)
