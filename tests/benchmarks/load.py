"""Request bodies come in; a closed loop of clients posts them, and what each one met goes out.

Raw streams on purpose: a full HTTP client costs more a request than the service under test.
"""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import numpy as np

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
BROKEN = 0
"""The status of an exchange whose connection failed."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request: its status (BROKEN without a reply), the reply's body, its duration."""

    status: int
    body: bytes
    seconds: float


@dataclass(frozen=True)
class Load:
    """What the clients met: an exchange for each body, None where time ran out before its turn."""

    exchanges: tuple[Exchange | None, ...]
    wall_s: float

    @property
    def done(self) -> list[Exchange]:
        """The exchanges that took place."""
        return [exchange for exchange in self.exchanges if exchange is not None]

    @property
    def failures(self) -> int:
        """How many of them were not answered with 200."""
        return sum(exchange.status != 200 for exchange in self.done)

    @property
    def per_s(self) -> float:
        """Answers of status 200 a second."""
        return (len(self.done) - self.failures) / self.wall_s

    def percentile_ms(self, q: float) -> float:
        """The q-th percentile of the latency of answers of status 200, in ms; NaN without any."""
        seconds = [exchange.seconds for exchange in self.done if exchange.status == 200]
        return float(np.percentile(seconds, q) * 1000) if seconds else float("nan")


async def closed_loop(
    url: str, bodies: Sequence[bytes], clients: int, limit_s: float = 3600.0
) -> Load:
    """Each client posts the next body to `/route` as soon as it has its last answer.

    Ends when every body has been posted, or starts no more of them after `limit_s` seconds.
    """
    found: list[Exchange | None] = [None] * len(bodies)
    turns = iter(range(len(bodies)))
    started = time.perf_counter()

    async def client() -> None:
        async with Connection(url) as connection:
            for turn in _until(turns, started + limit_s):
                found[turn] = await connection.exchange(bodies[turn])

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    return Load(tuple(found), time.perf_counter() - started)


def _until(turns: Iterator[int], deadline: float) -> Iterator[int]:
    while time.perf_counter() < deadline and (turn := next(turns, None)) is not None:
        yield turn


class Connection:
    """One keep-alive connection; a broken one is opened anew for the next request."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._head = (
            f"POST /route HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n"
        )
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()

    async def exchange(self, body: bytes) -> Exchange:
        """Posts a body and waits for the whole reply."""
        started = time.perf_counter()
        try:
            status, reply = await self._post(body)
        except (OSError, EOFError, ValueError):
            self._close()
            status, reply = BROKEN, b""
        return Exchange(status, reply, time.perf_counter() - started)

    async def _post(self, body: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(f"{self._head}content-length: {len(body)}\r\n\r\n".encode() + body)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is None:
            raise ValueError("a reply without content-length")
        return int(head.split(b" ", 2)[1]), await reader.readexactly(int(length[1]))

    def _close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
