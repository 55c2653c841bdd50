"""A question's bytes come in; they cross to another process and an answer's come back, three ways.

python -m tests.benchmarks.crossings WAY PLACE is the other process: it answers all that it hears.
The three were compared for the link between a front and the core; `unix` is the one that it uses.
"""

import asyncio
import importlib
import mmap
import os
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any

import uvloop

from service.link.frames import Kind
from service.link.wire import Wire

ANSWER = b"a" * 160
"""As long as the answer to a ticket of the reference taxonomy."""

Send = Callable[[bytes], None]
Heard = Callable[[bytes], None]

_SLOT, _SLOTS, _HEAD = 1024, 1024, 64
_LENGTH, _COUNT = struct.Struct("<I"), struct.Struct("<Q")
_NUMBER = 4
_RETRY_S = 0.02


class Ring:
    """Messages one way through memory that two processes share, for one writer and one reader.

    An eventfd wakes the reader. A message holds less than `_SLOT` bytes, and no more than `_SLOTS`
    of them may be on their way.
    """

    def __init__(self, memory: int, start: int, event: int) -> None:
        """memory: a file descriptor. start: the ring's first byte in it."""
        self.event = event
        self._memory = mmap.mmap(memory, 2 * self.size())
        self._start, self._at = start, 0

    @staticmethod
    def size() -> int:
        """Bytes of one ring."""
        return _HEAD + _SLOT * _SLOTS

    def put(self, message: bytes) -> None:
        """Writes a message, then counts it."""
        place = self._place()
        self._memory[place : place + _LENGTH.size] = _LENGTH.pack(len(message))
        place += _LENGTH.size
        self._memory[place : place + len(message)] = message
        self._at += 1
        _COUNT.pack_into(self._memory, self._start, self._at)
        os.eventfd_write(self.event, 1)

    def take(self, heard: Heard) -> None:
        """Hands out all that was counted."""
        try:
            os.eventfd_read(self.event)
        except BlockingIOError:
            return
        (counted,) = _COUNT.unpack_from(self._memory, self._start)
        while self._at < counted:
            place = self._place()
            (length,) = _LENGTH.unpack_from(self._memory, place)
            place += _LENGTH.size
            self._at += 1
            heard(self._memory[place : place + length])

    def _place(self) -> int:
        return self._start + _HEAD + _SLOT * (self._at % _SLOTS)


async def unix(place: str, heard: Heard, *, far: bool) -> Send:
    """Over a Unix stream socket, by the link's own framing. place: its path."""
    loop = asyncio.get_running_loop()
    wire = Wire(lambda _, body: heard(body), lambda: None)
    if far:
        await loop.create_unix_server(lambda: wire, place)
    else:
        await _until_there(lambda: loop.create_unix_connection(lambda: wire, place))
    return lambda body: wire.send(Kind.QUESTION, body)


async def memory(place: str, heard: Heard, *, far: bool) -> Send:
    """Through two rings in shared memory. place: descriptors of the memory and of two eventfds."""
    shared, *events = map(int, place.split(","))
    rings = [Ring(shared, n * Ring.size(), event) for n, event in enumerate(events)]
    out, back = reversed(rings) if far else rings
    asyncio.get_running_loop().add_reader(back.event, back.take, heard)
    return out.put


async def zeromq(place: str, heard: Heard, *, far: bool) -> Send:
    """Over a pair of ZeroMQ's sockets. place: a path."""
    zmq, asyncio_zmq = importlib.import_module("zmq"), importlib.import_module("zmq.asyncio")
    pair = asyncio_zmq.Context.instance().socket(zmq.PAIR)
    (pair.bind if far else pair.connect)(f"ipc://{place}")
    sending: set[asyncio.Task[Any]] = set()

    def send(body: bytes) -> None:
        task = asyncio.ensure_future(pair.send(body))
        sending.add(task)
        task.add_done_callback(sending.discard)

    async def listen() -> None:
        while True:
            heard(await pair.recv())

    sending.add(asyncio.create_task(listen()))
    return send


WAYS = {"unix": unix, "memory": memory, "zeromq": zeromq}


def missing(way: str) -> str | None:
    """Why a way cannot be tried here; None where it can."""
    if way == "zeromq" and find_spec("zmq") is None:
        return "pyzmq is not installed"
    if way == "memory" and not hasattr(os, "eventfd"):
        return "this system has no eventfd"
    return None


def absent() -> dict[str, str]:
    """The ways that cannot be tried here, and why."""
    reasons = {way: missing(way) for way in WAYS}
    return {way: reason for way, reason in reasons.items() if reason is not None}


@asynccontextmanager
async def crossing(way: str, scratch: str) -> AsyncIterator[Callable[[bytes], Awaitable[bytes]]]:
    """Asks a process of its own, which has just been started, while it is open.

    scratch: a directory for a socket.
    """
    place, kept = _place(way, scratch)
    command = (sys.executable, "-m", "tests.benchmarks.crossings", way, place)
    process = await asyncio.create_subprocess_exec(*command, pass_fds=kept)
    waiting: dict[bytes, asyncio.Future[bytes]] = {}
    numbers = iter(range(2**32))

    def heard(body: bytes) -> None:
        waiting.pop(body[:_NUMBER]).set_result(body[_NUMBER:])

    send = await WAYS[way](place, heard, far=False)

    async def ask(question: bytes) -> bytes:
        number = next(numbers).to_bytes(_NUMBER, "little")
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        waiting[number] = future
        send(number + question)
        return await future

    try:
        yield ask
    finally:
        process.terminate()
        await process.wait()
        for descriptor in kept:
            os.close(descriptor)


def _place(way: str, scratch: str) -> tuple[str, tuple[int, ...]]:
    if way != "memory":
        return f"{scratch}/{way}", ()
    shared = os.memfd_create("harbor-crossings")
    os.ftruncate(shared, 2 * Ring.size())
    kept = (shared, *(os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2)))
    return ",".join(map(str, kept)), kept


async def _until_there(connect: Callable[[], Awaitable[Any]]) -> None:
    while True:
        try:
            await connect()
        except OSError:
            await asyncio.sleep(_RETRY_S)
        else:
            return


async def answer(way: str, place: str) -> None:
    """Answers all that is heard, until this process is ended."""
    sends: list[Send] = []
    sends.append(await WAYS[way](place, lambda body: sends[0](body[:_NUMBER] + ANSWER), far=True))
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(answer(sys.argv[1], sys.argv[2]))
