"""A plan comes in; the load runs against a service, and what was measured goes out."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from service.bench.connection import Connection
from service.bench.tickets import tickets

FAILED = "no reply"
OK = "200"


@dataclass(frozen=True, slots=True)
class Plan:
    """How to load a service: closed loop, `clients` requests in flight for `seconds`."""

    url: str
    clients: int = 8
    seconds: float = 10.0
    priority: str = "live"
    seed: int = 0


@dataclass(slots=True)
class Result:
    """What the clients saw.

    statuses: replies by HTTP status. latencies_s: of the replies with 200.
    """

    plan: Plan
    elapsed_s: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Tickets routed a second."""
        return self.statuses[OK] / self.elapsed_s

    def percentile_ms(self, percent: float) -> float:
        """Latency of the routed tickets at a percentile, in milliseconds; NaN without any."""
        if not self.latencies_s:
            return float("nan")
        return float(np.percentile(self.latencies_s, percent)) * 1000


async def measure(plan: Plan) -> Result:
    """Runs the load.

    Raises OSError where the service cannot be reached, ValueError for a wrong address.
    """
    headers = {"X-Priority": plan.priority}
    source = tickets(plan.seed)
    async with Connection(plan.url, headers) as first:
        await first.post(json.dumps(next(source)).encode())
    result = Result(plan)
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(plan.clients):
            client = Connection(plan.url, headers)
            group.create_task(_client(client, source, started + plan.seconds, result))
    result.elapsed_s = time.perf_counter() - started
    return result


async def _client(
    connection: Connection, source: Iterator[dict[str, Any]], until: float, result: Result
) -> None:
    async with connection:
        while (started := time.perf_counter()) < until:
            try:
                status = str((await connection.post(json.dumps(next(source)).encode()))[0])
            except OSError:
                status = FAILED
            result.statuses[status] += 1
            if status == OK:
                result.latencies_s.append(time.perf_counter() - started)
