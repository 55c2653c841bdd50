"""A bundle comes in; the CPU time that the service adds to a ticket and to a refusal goes out.

python -m tests.benchmarks.added_cpu --bundle DIR [--requests 3000] [--rounds 3] [--profile]: exits
1 where a bound does not hold. The CPU time is the server process's own (user and system), of
requests by a closed loop of clients in this process; the graph of the bundle is replaced by a
hollow one, whose calls are timed here and taken off.
"""

import asyncio
import pstats
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import psutil
import typer

from service.contract.bundle import TOKENIZER, read_manifest
from service.contract.ticket import render
from service.contract.tokens import Tokenizer, Tokens, pad
from tests.benchmarks import device, table
from tests.benchmarks.bounds import Bound, Figure
from tests.benchmarks.desk import as_body, tickets
from tests.benchmarks.hollow import open_hollow, write_hollow
from tests.benchmarks.load import Load, closed_loop
from tests.benchmarks.server import PROGRAM, Server, serving

CLIENTS, CROWD = 8, 64
ROUTED_US, REFUSED_US = 250.0, 150.0
_WARM_UP = 300
_TIMED_CALLS = 2000
_LINES = 40

OFF = ("--ledger", "off")
FULL = ("--sessions", "1", "--max-queue", "1")


@dataclass(frozen=True)
class Spent:
    """What the server spent on a load: CPU seconds of all its threads and of its event loop."""

    load: Load
    process_s: float
    loop_s: float
    calls: float

    def count(self, status: int) -> int:
        """Replies of this status."""
        return sum(exchange.status == status for exchange in self.load.done)


def measure(bundle: Path, requests: int, rounds: int) -> list[Figure]:
    """Every figure, the median of the rounds; the servers take turns within a round."""
    bodies = [as_body(ticket.subject, ticket.body) for ticket in tickets(requests)]
    with tempfile.TemporaryDirectory() as scratch:
        hollow = write_hollow(bundle, Path(scratch) / "hollow")
        tokens = tokens_of(hollow, requests)
        call_s = graph_s(hollow, tokens)
        with serving(hollow) as kept, serving(hollow, *OFF) as bare, serving(bundle, *FULL) as full:
            for server in (kept, bare, full):
                spend(server, bodies[:_WARM_UP])
            found = [_round(kept, bare, full, bodies, call_s) for _ in range(rounds)]
    middle = {name: median(one[name] for one in found) for name in found[0]}
    return [
        _figure("a routed ticket, ledger on", middle["kept"], ROUTED_US),
        _figure("of it on the event loop", middle["loop"]),
        _figure("a routed ticket, ledger off", middle["bare"]),
        _figure("a refusal (503)", middle["refused"], REFUSED_US),
        _figure("a call of the hollow graph, taken off", call_s),
        Figure("tokens a ticket", sum(map(len, tokens)) / len(tokens), unit="tokens"),
    ]


def spend(server: Server, bodies: Sequence[bytes], clients: int = CLIENTS) -> Spent:
    """Posts the bodies and reads what that cost the server."""
    before, calls = _cpu_s(server.pid), _calls(server.url)
    load = asyncio.run(closed_loop(server.url, bodies, clients))
    after = _cpu_s(server.pid)
    return Spent(load, after[0] - before[0], after[1] - before[1], _calls(server.url) - calls)


def graph_s(hollow: Path, tokens: Sequence[Tokens]) -> float:
    """CPU seconds of one call of a hollow bundle's graph for one ticket."""
    session, pad_id = open_hollow(hollow), read_manifest(hollow).pad_id
    batches = [pad([one], pad_id) for one in tokens[:_WARM_UP]]
    for ids_BL, mask_BL in batches:
        session.run(ids_BL, mask_BL)
    started = time.thread_time()
    for turn in range(_TIMED_CALLS):
        session.run(*batches[turn % len(batches)])
    return (time.thread_time() - started) / _TIMED_CALLS


def tokens_of(bundle: Path, count: int) -> list[Tokens]:
    """The tickets' tokens."""
    tokenizer = Tokenizer.from_file(bundle / TOKENIZER, read_manifest(bundle).token_limit)
    return [tokenizer.encode(render(ticket.subject, ticket.body)) for ticket in tickets(count)]


def profile(bundle: Path, requests: int) -> list[tuple[str, str, str, str]]:
    """Where the event loop's time goes: calls, and own and whole microseconds a ticket.

    The profiler makes small functions look dearer than they are.
    """
    bodies = [as_body(ticket.subject, ticket.body) for ticket in tickets(requests)]
    with tempfile.TemporaryDirectory() as scratch:
        hollow, out = write_hollow(bundle, Path(scratch) / "hollow"), f"{scratch}/profile"
        program = (PROGRAM[0], "-m", "cProfile", "-o", out, *PROGRAM[1:])
        with serving(hollow, program=program) as server:
            spend(server, bodies)
        stats = pstats.Stats(out)
    functions = stats.get_stats_profile().func_profiles.items()
    dearest = sorted(functions, key=lambda item: -item[1].tottime)[:_LINES]
    return [
        (
            f"{Path(one.file_name).name}:{one.line_number} {name}",
            one.ncalls,
            f"{one.tottime / requests * 1e6:.1f}",
            f"{one.cumtime / requests * 1e6:.1f}",
        )
        for name, one in dearest
    ]


def _round(
    kept: Server, bare: Server, full: Server, bodies: Sequence[bytes], call_s: float
) -> dict[str, float]:
    with_ledger, without = spend(kept, bodies), spend(bare, bodies)
    crowded = spend(full, bodies, CROWD)
    loop_s = with_ledger.loop_s / len(bodies)
    # Another ticket's call shares the process's time but not the event loop's.
    refused_s = crowded.loop_s - loop_s * crowded.count(200)
    return {
        "kept": (with_ledger.process_s - call_s * with_ledger.calls) / with_ledger.count(200),
        "bare": (without.process_s - call_s * without.calls) / without.count(200),
        "loop": loop_s,
        "refused": refused_s / max(1, crowded.count(503)),
    }


def _figure(measure: str, seconds: float, most_us: float | None = None) -> Figure:
    bound = None if most_us is None else Bound(high=most_us)
    return Figure(measure, seconds * 1e6, bound, "µs")


def _cpu_s(pid: int) -> tuple[float, float]:
    """CPU seconds of the process so far, and of its first thread, which runs the event loop."""
    process = psutil.Process(pid)
    (loop,) = (thread for thread in process.threads() if thread.id == pid)
    times = process.cpu_times()
    return times.user + times.system, loop.user_time + loop.system_time


def _calls(url: str) -> float:
    """Batches that the server's engine has run."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as reply:
        found = re.search(
            r"^harbor_batch_tickets_count (\S+)$", reply.read().decode(), re.MULTILINE
        )
    return float(found[1]) if found else 0.0


def main(
    bundle: Annotated[Path, typer.Option(help="directory of the bundle")],
    requests: Annotated[int, typer.Option(min=100, help="tickets a round")] = 3000,
    rounds: Annotated[int, typer.Option(min=1, help="rounds; their median counts")] = 3,
    profiled: Annotated[
        bool, typer.Option("--profile", help="also where the event loop's time goes")
    ] = False,
) -> None:
    """The CPU time that the service adds to a ticket, and that a refusal takes."""
    figures = measure(bundle, requests, rounds)
    header = ("measure", "value", "bound", "holds")
    table.show("Added CPU", header, [_row(figure) for figure in figures], device.facts())
    if profiled:
        header = ("function", "calls", "own µs", "whole µs")
        table.show("Of the event loop", header, profile(bundle, requests), {})
    sys.exit(not all(figure.holds for figure in figures))


def _row(figure: Figure) -> tuple[str, str, str, str]:
    measure, value, bound, verdict = figure.row()
    if figure.bound is not None:
        bound = f"at most {figure.bound.high:.0f} {figure.unit}"
    return measure, value, bound, verdict


if __name__ == "__main__":
    typer.run(main)
