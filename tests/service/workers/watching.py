"""A service of several processes comes in; what of it runs, answers and counts goes out."""

import time
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.service.desk import TICKET
from tests.service.process import PATIENCE_S


def children(pid: int) -> list[int]:
    """The processes that a process has begun: the core, then the fronts in their order."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def until(true: Callable[[], bool]) -> None:
    """Waits until it is."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether such a process runs."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def status_of(url: str) -> int:
    """Of one ticket on a connection of its own; 0 where the connection was lost."""
    try:
        return httpx.post(f"{url}/route", json=TICKET, timeout=PATIENCE_S).status_code
    except httpx.TransportError:
        return 0


def scrape(url: str) -> dict[str, float]:
    """Every sample of the metrics by its name and labels."""
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    parts = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in parts}
