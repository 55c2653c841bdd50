"""Request bodies come in; a closed loop of clients posts them, and what each one met goes out."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from service.bench.connection import Connection

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
                found[turn] = await _exchange(connection, bodies[turn])

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    return Load(tuple(found), time.perf_counter() - started)


def _until(turns: Iterator[int], deadline: float) -> Iterator[int]:
    while time.perf_counter() < deadline and (turn := next(turns, None)) is not None:
        yield turn


async def _exchange(connection: Connection, body: bytes) -> Exchange:
    started = time.perf_counter()
    try:
        status, reply = await connection.post(body)
    except OSError:
        status, reply = BROKEN, b""
    return Exchange(status, reply, time.perf_counter() - started)
