"""A bundle comes in; the service's start-up time and resident memory go out."""

import asyncio
import itertools
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import typer

from service.contract.ticket import Ticket
from tests.benchmarks import device, table
from tests.benchmarks.desk import as_body, tickets
from tests.benchmarks.load import closed_loop
from tests.benchmarks.server import serving

TARGET_MB = 600.0
TARGET_MB_MIN = 1.0
CLIENTS = 8
"""Of the slope's load."""
SAMPLE_S = 5.0
WARM_UP_S = 120.0
"""What the allocator and the first long tickets take counts as warm-up, not as a slope."""
ROUND = 400
"""Tickets of one closed loop; the clients then connect anew."""

Sample = tuple[float, float]
"""Seconds since the load began, and resident MB."""


@dataclass(frozen=True)
class Memory:
    """start_s: process start to first ready reply. idle_mb, used_mb: resident, in 10^6 bytes.

    slope_mb_min: MB a minute while tickets flow after the warm-up; None where it was not asked for.
    """

    start_s: float
    idle_mb: float
    used_mb: float
    failures: int
    slope_mb_min: float | None = None


def measure(
    bundle: Path, desk: Sequence[Ticket], clients: int = 32, minutes: float = 0.0
) -> Memory:
    """Starts the service on a bundle with default settings and routes the tickets.

    minutes: how long they are then routed over and over to find the slope; 0 leaves it out.
    """
    bodies = [as_body(ticket.subject, ticket.body) for ticket in desk]
    with serving(bundle) as server:
        idle_mb = resident_mb(server.pid)
        load = asyncio.run(closed_loop(server.url, bodies, clients))
        used_mb, failures = resident_mb(server.pid), load.failures
        if not minutes:
            return Memory(server.start_s, idle_mb, used_mb, failures)
        samples, failed = asyncio.run(watch(server.url, server.pid, bodies, minutes * 60))
        slope = slope_mb_min(samples, WARM_UP_S)
        return Memory(server.start_s, idle_mb, used_mb, failures + failed, slope)


async def watch(
    url: str, pid: int, bodies: Sequence[bytes], seconds: float
) -> tuple[list[Sample], int]:
    """Memory every SAMPLE_S seconds while clients post the bodies in turn; how many failed."""
    started = time.monotonic()
    samples: list[Sample] = []

    async def sample() -> None:
        while True:
            samples.append((time.monotonic() - started, resident_mb(pid)))
            await asyncio.sleep(SAMPLE_S)

    sampling, failures = asyncio.create_task(sample()), 0
    turns = itertools.cycle(bodies)
    while (left_s := started + seconds - time.monotonic()) > 0:
        load = await closed_loop(url, list(itertools.islice(turns, ROUND)), CLIENTS, left_s)
        failures += load.failures
    sampling.cancel()
    return samples, failures


def slope_mb_min(samples: Sequence[Sample], warm_up_s: float) -> float:
    """The least-squares slope after the warm-up, in MB a minute; NaN below two samples."""
    kept = np.array([sample for sample in samples if sample[0] >= warm_up_s])
    if len(kept) < 2:
        return float("nan")
    slope, _ = np.polyfit(kept[:, 0] / 60.0, kept[:, 1], 1)
    return float(slope)


def resident_mb(pid: int) -> float:
    """Resident memory of a process and its children, in MB."""
    parent = psutil.Process(pid)
    family = [parent, *parent.children(recursive=True)]
    return float(sum(process.memory_info().rss for process in family) / 1e6)


def main(
    bundle: Annotated[Path, typer.Option(help="directory of the bundle")],
    count: Annotated[int, typer.Option("--tickets", min=1, help="how many tickets to route")] = 500,
    minutes: Annotated[
        float, typer.Option(min=0, max=120, help="of load to find the slope, 0 or more than 2")
    ] = 0.0,
) -> None:
    """Start-up time and resident memory of the service; fails above 600 MB or 1 MB a minute."""
    if 0 < minutes * 60 <= WARM_UP_S + SAMPLE_S:
        raise typer.BadParameter(
            f"the first {WARM_UP_S:.0f} s are warm-up, found {minutes} minutes"
        )
    found = measure(bundle, tickets(count), minutes=minutes)
    rows = [
        ("start to ready", f"{found.start_s:.2f} s"),
        ("resident, idle", f"{found.idle_mb:.0f} MB"),
        (f"resident after {count} tickets", f"{found.used_mb:.0f} MB"),
        ("failed requests", str(found.failures)),
    ]
    if found.slope_mb_min is not None:
        rows.append((f"slope of {minutes:g} minutes", f"{found.slope_mb_min:+.2f} MB/min"))
    table.show("Start and memory of the service", ("measure", "value"), rows, device.facts())
    steep = found.slope_mb_min is not None and not found.slope_mb_min < TARGET_MB_MIN
    sys.exit(found.failures > 0 or found.used_mb >= TARGET_MB or steep)


if __name__ == "__main__":
    typer.run(main)
