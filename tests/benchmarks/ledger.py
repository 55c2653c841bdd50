"""A rate and a duration come in; what the ledger keeps of it, and at which cost, goes out.

python -m tests.benchmarks.ledger [--per-second 500] [--seconds 20] [--url URL]: exits 1 where a row
was dropped, or a kill lost more than the flush interval and one write.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from sqlalchemy import func, select

from service.ledger.database import transaction
from service.ledger.store import Store
from service.ledger.tables import decisions, metadata
from tests.benchmarks.table import show
from tests.service.ledger.made import TASKS, Bench, comparison, decision

ROWS = 1 + 2 * len(TASKS)
FLUSH_S = 0.5
KILLS = 8


@dataclass(frozen=True)
class Load:
    """What a ledger made of tickets at a steady rate. cpu: share of one core, recording included.
    record_us: median time of the calls that record one ticket, in microseconds.
    """

    tickets: int
    written: int
    dropped: int
    seconds: float
    cpu: float
    record_us: float


async def steady(url: str, per_second: float, seconds: float) -> Load:
    """Records tickets of one legacy and three tasks each at a rate, then closes."""
    bench = Bench(url, ledger_flush_s=FLUSH_S, drain_s=60.0, ledger_max_mb=10**6)
    took: list[float] = []
    async with bench.ledger() as ledger:
        began, cpu = time.perf_counter(), time.process_time()
        while (passed := time.perf_counter() - began) < seconds:
            due = range(len(took), int(passed * per_second))
            took.extend([_record(ledger, number) for number in due])
            await asyncio.sleep(0.002)
        await ledger.flush()
        elapsed = time.perf_counter() - began
        share = (time.process_time() - cpu) / elapsed
    return Load(
        tickets=len(took),
        written=_rows(url),
        dropped=_dropped(bench),
        seconds=elapsed,
        cpu=share,
        record_us=1e6 * statistics.median(took),
    )


async def burst(url: str, tickets: int) -> float:
    """Tickets a second, from the first record to the end of the flush, all recorded at once."""
    bench = Bench(url, ledger_flush_s=FLUSH_S, ledger_queue=10 * tickets, ledger_max_mb=10**6)
    async with bench.ledger() as ledger:
        began = time.perf_counter()
        for number in range(tickets):
            _record(ledger, number)
        await ledger.flush()
        return tickets / (time.perf_counter() - began)


def lost_ms(url: str, after: int) -> float:
    """Milliseconds of records that a kill -9 took, in a process that writes every `FLUSH_S`.

    after: tickets, so that kills fall on other moments between two writes.
    """
    _empty(url)
    command = [sys.executable, "-m", "tests.service.ledger.recording", url, "500", str(FLUSH_S)]
    recorded: dict[int, float] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            number, at = line.split()
            if number.isdecimal():
                recorded[int(number)] = float(at)
            if len(recorded) == after:
                process.kill()
    with Store(url) as store, transaction(store._engine, "read") as connection:
        kept = connection.scalar(select(func.count()).select_from(decisions)) or 0
    return 1_000 * (max(recorded.values()) - recorded[kept - 1])


def _record(ledger: object, number: int) -> float:
    now = time.time()
    records = [decision(number, at=now)]
    records += [comparison(number, at=now, task=task) for task in TASKS]
    began = time.perf_counter()
    for record in records:
        ledger.record(record)  # type: ignore[attr-defined]
    return time.perf_counter() - began


def _rows(url: str) -> int:
    with Store(url) as store, transaction(store._engine, "read") as connection:
        counts = (
            connection.scalar(select(func.count()).select_from(table))
            for table in metadata.tables.values()
        )
        return sum(count or 0 for count in counts)


def _dropped(bench: Bench) -> int:
    reasons = ("queue_full", "closing", "refused")
    kinds = ("decision", "comparison")
    name = "harbor_ledger_dropped_total"
    return int(sum(bench.count(name, kind=k, reason=r) for k in kinds for r in reasons))


def _empty(url: str) -> None:
    with Store(url) as store, transaction(store._engine, "write") as connection:
        for table in metadata.tables.values():
            connection.execute(table.delete())


def main() -> int:
    """Prints the table; 1 where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-second", type=float, default=500.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--url", help="SQLite in a temporary folder by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="harbor-ledger-") as folder:
        url = options.url or f"sqlite:///{folder}/ledger.db"
        _empty(url)
        load = asyncio.run(steady(url, options.per_second, options.seconds))
        _empty(url)
        rate = asyncio.run(burst(url, 10_000))
        losses = [lost_ms(url, 1_000 + 61 * kill) for kill in range(KILLS)]
    rows = [
        (f"tickets recorded at {options.per_second:.0f} a second", f"{load.tickets:,}"),
        ("rows written", f"{load.written:,} of {load.tickets * ROWS:,}"),
        ("records dropped", str(load.dropped)),
        ("CPU, share of one core", f"{100 * load.cpu:.1f} %"),
        ("recording one ticket, median", f"{load.record_us:.0f} µs"),
        ("tickets a second in a burst of 10,000", f"{rate:,.0f}"),
        (f"kill -9, records lost, most of {KILLS}", f"{max(losses):.0f} ms"),
        (f"kill -9, records lost, median of {KILLS}", f"{statistics.median(losses):.0f} ms"),
    ]
    facts = {"cores": str(os.cpu_count()), "load": f"{os.getloadavg()[0]:.1f}"}
    show(
        "Ledger: a decision, 3 predictions, 3 comparisons a ticket",
        ("measure", "value"),
        rows,
        facts,
    )
    kept = load.dropped == 0 and load.written == load.tickets * ROWS
    return 0 if kept and max(losses) < 1_000 * (FLUSH_S + 0.5) else 1


if __name__ == "__main__":
    sys.exit(main())
