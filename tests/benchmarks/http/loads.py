"""Rendered requests and their order come in; who was answered when, and with what, goes out."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.http.wire import Wire, connect

MOST_CONNECTIONS = 4096
"""Of an open loop; a request that would need another counts as broken."""
WARM = 64
"""Connections that an open loop opens beforehand."""
DRAIN_S = 30.0
"""How long answers are waited for after the end of a load."""


@dataclass
class Answers:
    """In the order in which they came: the ticket, the status, seconds since the request was due,
    the moment, in seconds since the load began. lost: requests without an answer at the end.
    """

    tickets: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    lost: int = 0


class _Ledger:
    """What is under way, and the answers so far."""

    def __init__(self) -> None:
        self.answers = Answers()
        self.under_way = 0
        self.idle = asyncio.Event()
        self.started = time.perf_counter()

    def post(
        self, wire: Wire, request: bytes, ticket: int, due: float, then: Callable[[int], None]
    ) -> None:
        """Sends it, notes its answer, then calls `then` with the status."""

        def done(status: int) -> None:
            now = time.perf_counter()
            answers = self.answers
            answers.tickets.append(ticket)
            answers.statuses.append(status)
            answers.seconds.append(now - due)
            answers.moments.append(now - self.started)
            self.under_way -= 1
            if not self.under_way:
                self.idle.set()
            then(status)

        self.under_way += 1
        self.idle.clear()
        wire.post(request, done)

    async def drain(self) -> None:
        """Waits for what is under way, DRAIN_S at most; the rest is lost."""
        try:
            async with asyncio.timeout(DRAIN_S):
                while self.under_way:  # A timer may end early; then an answer still sends another.
                    await self.idle.wait()
        except TimeoutError:
            self.answers.lost = self.under_way


async def closed(
    url: str, requests: Sequence[bytes], turns: Iterator[int], clients: int, seconds: float
) -> Answers:
    """Each client sends the request of the next turn as soon as it has its last answer.

    A client whose connection has ended opens another, and stops where it gets none.
    """
    pool, reopening = _Pool(url), set[asyncio.Task[None]]()
    await pool.warm(clients)
    ledger = _Ledger()
    until = ledger.started + seconds

    def send(wire: Wire) -> None:
        now = time.perf_counter()
        if now >= until:
            return
        if wire.closed:
            task = asyncio.create_task(send_over_another())
            reopening.add(task)
            task.add_done_callback(reopening.discard)
        elif (turn := next(turns, None)) is not None:
            ledger.post(wire, requests[turn], turn, now, lambda _: send(wire))

    async def send_over_another() -> None:
        if wire := await pool.open():
            send(wire)

    while wire := pool.take():
        send(wire)
    await asyncio.sleep(until - time.perf_counter())
    await ledger.drain()
    pool.close()
    return ledger.answers


async def opened(
    url: str, requests: Sequence[bytes], turns: Sequence[int], moments: Sequence[float]
) -> Answers:
    """Sends each turn's request at its moment, whether or not others are answered.

    A request that finds no free connection opens another, within MOST_CONNECTIONS.
    """
    pool = _Pool(url)
    await pool.warm(WARM)
    ledger = _Ledger()
    for turn, moment in zip(turns, moments, strict=True):
        due = ledger.started + moment
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        wire = pool.take() or await pool.open()
        if wire is None:
            ledger.answers.lost += 1
            continue
        ledger.post(wire, requests[turn], turn, due, pool.giver(wire))
    await ledger.drain()
    pool.close()
    return ledger.answers


class _Pool:
    """Connections that wait for a request, the one used last first."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._free: list[Wire] = []
        self._all: list[Wire] = []

    async def warm(self, count: int) -> None:
        for _ in range(count):
            if wire := await self.open():
                self.give(wire)

    def take(self) -> Wire | None:
        while self._free:
            if not (wire := self._free.pop()).closed:
                return wire
        return None

    async def open(self) -> Wire | None:
        if len(self._all) >= MOST_CONNECTIONS:
            return None
        try:
            wire = await connect(self._url)
        except OSError:
            return None
        self._all.append(wire)
        return wire

    def give(self, wire: Wire) -> None:
        self._free.append(wire)

    def giver(self, wire: Wire) -> Callable[[int], None]:
        return lambda _: self.give(wire)

    def close(self) -> None:
        for wire in self._all:
            wire.close()
