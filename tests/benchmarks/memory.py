"""A bundle comes in; the service's start-up time and resident memory go out."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psutil
import typer

from service.contract.ticket import Ticket
from tests.benchmarks import device, table
from tests.benchmarks.desk import as_body, tickets
from tests.benchmarks.load import closed_loop
from tests.benchmarks.server import serving

TARGET_MB = 600.0


@dataclass(frozen=True)
class Memory:
    """start_s: process start to first ready reply. idle_mb, used_mb: resident, in 10^6 bytes."""

    start_s: float
    idle_mb: float
    used_mb: float
    failures: int


def measure(bundle: Path, desk: Sequence[Ticket], clients: int = 32) -> Memory:
    """Starts the service on a bundle with default settings and routes the tickets."""
    bodies = [as_body(ticket.subject, ticket.body) for ticket in desk]
    with serving(bundle) as server:
        idle_mb = resident_mb(server.pid)
        load = asyncio.run(closed_loop(server.url, bodies, clients))
        return Memory(server.start_s, idle_mb, resident_mb(server.pid), load.failures)


def resident_mb(pid: int) -> float:
    """Resident memory of a process and its children, in MB."""
    parent = psutil.Process(pid)
    family = [parent, *parent.children(recursive=True)]
    return float(sum(process.memory_info().rss for process in family) / 1e6)


def main(
    bundle: Annotated[Path, typer.Option(help="directory of the bundle")],
    count: Annotated[int, typer.Option("--tickets", min=1, help="how many tickets to route")] = 500,
) -> None:
    """Start-up time and resident memory of the service; fails above 600 MB."""
    found = measure(bundle, tickets(count))
    rows = [
        ("start to ready", f"{found.start_s:.2f} s"),
        ("resident, idle", f"{found.idle_mb:.0f} MB"),
        (f"resident after {count} tickets", f"{found.used_mb:.0f} MB"),
        ("failed requests", str(found.failures)),
    ]
    table.show("Start and memory of the service", ("measure", "value"), rows, device.facts())
    sys.exit(found.failures > 0 or found.used_mb >= TARGET_MB)


if __name__ == "__main__":
    typer.run(main)
