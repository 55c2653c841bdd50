"""Request bodies and their moments come in; each is posted then, and what each met goes out."""

import asyncio
import time
from collections.abc import Sequence

import numpy as np

from service.bench.connection import Connection
from tests.benchmarks.load import BROKEN, Exchange

WARM_UP = 8
"""Connections that are opened beforehand; a request that finds them all busy opens another."""


def poisson(rate_per_s: float, seconds: float, random: np.random.Generator) -> list[float]:
    """Moments of a Poisson process, in seconds from its start."""
    count = random.poisson(rate_per_s * seconds)
    return sorted(random.uniform(0.0, seconds, count).tolist())


async def open_loop(
    url: str, bodies: Sequence[bytes], moments_s: Sequence[float]
) -> list[Exchange]:
    """Posts body after body to `/route`, each at its moment, whether or not others are answered.

    A duration counts from the moment at which the request was due, so that a stall is not hidden.
    """
    free: list[Connection] = [Connection(url) for _ in range(WARM_UP)]
    warm = [_exchange(connection, bodies[0], time.perf_counter()) for connection in free]
    failed = [exchange for exchange in await asyncio.gather(*warm) if exchange.status != 200]
    started = time.perf_counter()

    async def post(body: bytes, due: float) -> Exchange:
        await asyncio.sleep(due - time.perf_counter())
        connection = free.pop() if free else Connection(url)
        exchange = await _exchange(connection, body, due)
        free.append(connection)
        return exchange

    due = zip(bodies, moments_s, strict=False)
    found = await asyncio.gather(*(post(body, started + moment) for body, moment in due))
    for connection in free:
        await connection.__aexit__(None, None, None)
    return [*failed, *found]


async def _exchange(connection: Connection, body: bytes, due: float) -> Exchange:
    try:
        status, reply = await connection.post(body)
    except OSError:
        status, reply = BROKEN, b""
    return Exchange(status, reply, time.perf_counter() - due)
