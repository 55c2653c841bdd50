"""A bundle comes in; what two fronts before one core cost on a CPU, over one process, goes out.

python -m tests.benchmarks.workers --bundle DIR [--rounds 5] [--seconds 5] [--json OUT]: both
servers take turns within a round, with the same tickets in the same order; rates are compared
within a round, with what the client used of the machine taken off. Exits 1 where the bound does not
hold.
"""

import json
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psutil
import typer

from service.contract.bundle import TOKENIZER, read_manifest
from service.contract.tokens import Tokenizer
from tests.benchmarks import device, noop, table
from tests.benchmarks.bounds import RATIO, Bound, Figure, at_least, at_most
from tests.benchmarks.bulk import bulk
from tests.benchmarks.family import Family, held_mb
from tests.benchmarks.http.desk import Desk, read_desk
from tests.benchmarks.http.results import remaining
from tests.benchmarks.opened import open_variant, per_s
from tests.benchmarks.posted import Target
from tests.benchmarks.posting import post
from tests.benchmarks.server import Server, serving

KEPT = 0.95
"""Of the single process's throughput, at least."""
CLIENTS = (8, 32)
WORKERS = 2
EACH, BULK_CLIENTS = 32, 4
"""Tickets of a request to the batch endpoint, and how many are under way."""
BATCHES = (1, 4, 8)
WARM_UP_S = 2.0


@dataclass(frozen=True)
class Rate:
    """Tickets a second, and what they would be on a machine that the client used nothing of."""

    per_s: float
    corrected: float
    failed: float


def measure(bundle: Path, desk: Desk, rounds: int, seconds: float) -> list[Figure]:
    """Every figure; those of several rounds with the lowest and the highest."""
    with ExitStack() as stack:
        one, two = (
            stack.enter_context(serving(bundle, "--provider", "cpu", "--workers", str(count)))
            for count in (1, WORKERS)
        )
        for server in (one, two):
            post(Target(server.url, desk.bodies), CLIENTS[0], WARM_UP_S)
        singles = [_singles(one, two, desk, seconds, place) for place in range(rounds)]
        bulks = list(_bulks(bundle, two, desk, rounds, seconds))
        held = list(_held(Family.of(one.pid), Family.of(two.pid)))
    failed = sum(rate.failed for found in singles for pair in found.values() for rate in pair)
    return [
        *(figure for clients in CLIENTS for figure in _compared(singles, clients)),
        *bulks,
        *_front(noop.measure(bundle, desk.bodies, seconds)),
        *held,
        Figure("requests that failed", failed, at_most(0), "requests"),
    ]


def _singles(
    one: Server, two: Server, desk: Desk, seconds: float, place: int
) -> dict[int, tuple[Rate, Rate]]:
    """A round: at each number of clients the single process and the two fronts, who goes first by
    turns.
    """
    found = {}
    for clients in CLIENTS:
        servers = (one, two) if place % 2 == 0 else (two, one)
        rates = {server.pid: _single(server, desk, clients, seconds) for server in servers}
        found[clients] = rates[one.pid], rates[two.pid]
    return found


def _single(server: Server, desk: Desk, clients: int, seconds: float) -> Rate:
    posted = post(Target(server.url, desk.bodies), clients, seconds)
    left = remaining(posted.cpu_s, posted.wall_s, _cores())
    return Rate(posted.per_s, posted.per_s / left, posted.failed)


def _compared(rounds: Sequence[dict[int, tuple[Rate, Rate]]], clients: int) -> Iterator[Figure]:
    pairs = [found[clients] for found in rounds]
    ratios = [two.corrected / one.corrected for one, two in pairs]
    where = f"{clients} clients"
    yield _spread(f"--workers {WORKERS} over one process, {where}", ratios, RATIO, at_least(KEPT))
    yield _spread(f"one process, {where}", [one.per_s for one, _ in pairs], "tickets/s")
    yield _spread(f"--workers {WORKERS}, {where}", [two.per_s for _, two in pairs], "tickets/s")


def _bulks(
    bundle: Path, server: Server, desk: Desk, rounds: int, seconds: float
) -> Iterator[Figure]:
    """The batch endpoint over the raw session, by turns. Raw does not tokenise."""
    manifest = read_manifest(bundle)
    variant = manifest.variants[0]
    raw = open_variant(bundle, manifest, variant, "cpu")
    tokens = Tokenizer.from_file(bundle / TOKENIZER, manifest.token_limit).encode_batch(desk.texts)
    batches = (1,) if variant.alone else BATCHES
    best = max(batches, key=lambda batch: per_s(raw, tokens, batch, _cores(), seconds / 2))
    shares, rates = [], []
    for _ in range(rounds):
        raw_per_s = per_s(raw, tokens, best, _cores(), seconds)
        found = bulk(server.url, desk.bodies, EACH, BULK_CLIENTS, seconds)
        left = remaining(found.posted.cpu_s, found.posted.wall_s, _cores())
        shares.append(found.per_s / left / raw_per_s)
        rates.append(raw_per_s)
    yield _spread(f"batch endpoint of --workers {WORKERS} over raw", shares, RATIO)
    yield _spread(f"raw, batch {best}, tokenising left out", rates, "tickets/s")


def _front(found: noop.NoOp) -> Iterator[Figure]:
    yield Figure("one front's no-op rate, on a core of its own", found.per_s, unit="tickets/s")
    yield Figure("a ticket's CPU in a front", found.front_us, unit="µs")
    yield Figure("a ticket's CPU in the core, hollow graph", found.core_us, unit="µs")


def _held(one: Family, two: Family) -> Iterator[Figure]:
    parts = {
        "one process": one.held_mb(),
        f"--workers {WORKERS}, all processes": two.held_mb(),
        "of it the core": held_mb(two.core),
        "of it a front": statistics.mean(map(held_mb, two.fronts)),
        "of it the supervisor": held_mb(two.root),
    }
    for name, megabytes in parts.items():
        yield Figure(f"memory: {name}", megabytes, unit="MB")


def _spread(name: str, rounds: Sequence[float], unit: str, bound: Bound | None = None) -> Figure:
    spread = (min(rounds), max(rounds))
    return Figure(name, statistics.median(rounds), bound, unit, spread)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def main(
    bundle: Annotated[Path, typer.Option(help="directory of the bundle")],
    data: Annotated[Path | None, typer.Option(help="tickets; the generated desk without")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="times that everything is measured")] = 5,
    seconds: Annotated[float, typer.Option(min=1, help="length of each slot")] = 5.0,
    count: Annotated[int, typer.Option("--tickets", min=64, help="tickets, at most")] = 2000,
    out: Annotated[Path | None, typer.Option("--json", help="also write the figures here")] = None,
) -> None:
    """What several processes cost on a CPU, and what a front can do."""
    desk, before = read_desk(bundle, data, count), psutil.cpu_times()
    figures = measure(bundle, desk, rounds, seconds)
    facts = {
        **device.facts(),
        "tickets": str(len(desk)),
        "rounds": f"{rounds} of {seconds:g} s",
        "stolen": f"{device.stolen(before, psutil.cpu_times()):.1%}",
    }
    if out is not None:
        document = {"facts": facts, "figures": [figure.document() for figure in figures]}
        out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    rows = [figure.row() for figure in figures]
    table.show("Two fronts before one core", ("measure", "value", "bound", "holds"), rows, facts)
    sys.exit(not all(figure.holds for figure in figures))


if __name__ == "__main__":
    typer.run(main)
