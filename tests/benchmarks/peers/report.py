"""A race's results come in; a row for each server and arrangement goes out."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tests.benchmarks.bounds import Figure
from tests.benchmarks.http.plan import SATURATED, Measured
from tests.benchmarks.http.results import Results, Side, spread
from tests.benchmarks.peers.figures import CROWDS, counted, name_of, over

HEADER = (
    "server", "batching", "counts", "tickets/s", "of raw", "Harbor over it",
    *(f"{quantile}@{clients} ms" for clients in CROWDS for quantile in ("p50", "p99")),
    "failed",
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One server in one arrangement.

    per_s: at saturation, the median round. of_raw, harbor_over: median, lowest, highest round;
    harbor_over of the Harbor of the figures. latency_ms: p50 and p99 by clients. counts: whether it
    is the better of the peer's two. failed: requests without an answer of status 200.
    """

    name: str
    server: str
    batching: bool
    counts: bool
    per_s: float
    of_raw: tuple[float, float, float]
    harbor_over: tuple[float, float, float]
    latency_ms: dict[int, tuple[float, float]]
    failed: int

    def row(self) -> tuple[str, ...]:
        """For the table."""
        latencies = [f"{ms:.0f}" for pair in self.latency_ms.values() for ms in pair]
        return (
            self.server,
            "on" if self.batching else "off",
            "yes" if self.counts else "",
            f"{self.per_s:.1f}",
            f"{self.of_raw[0]:.1%}",
            f"{self.harbor_over[0]:.2f}",
            *latencies,
            str(self.failed),
        )


def lines(results: Results, harbor: Side, peers: Sequence[Side]) -> list[Line]:
    """Harbor's arrangements first, then the peers, each with its batching on and off."""
    own = [side for side in results.sides() if side.contender == harbor.contender]
    best = [harbor, *counted(results, peers)]
    return [_line(results, harbor, side, side in best) for side in (*own, *peers)]


def document(facts: dict[str, str], found: Sequence[Figure], table: Sequence[Line]) -> Any:
    """All of it, for a JSON file."""
    judged = [figure.document() for figure in found]
    return {"facts": facts, "figures": judged, "servers": [asdict(line) for line in table]}


def _line(results: Results, harbor: Side, side: Side, counts: bool) -> Line:
    slots = results.slots(side, "closed", SATURATED)
    return Line(
        name=name_of(side),
        server=f"{side.contender} {side.setup.precision}",
        batching=side.setup.batching,
        counts=counts,
        per_s=statistics.median(one.per_s for one in slots),
        of_raw=_listed(results.shares(side, "closed", SATURATED)),
        harbor_over=_listed(over(results, harbor, side)),
        latency_ms={clients: _latency(results, side, clients) for clients in CROWDS},
        failed=sum(map(_failed, results.slots(side, "closed"))),
    )


def _listed(rounds: dict[int, float]) -> tuple[float, float, float]:
    found = spread(list(rounds.values()))
    return found.value, found.low, found.high


def _latency(results: Results, side: Side, clients: int) -> tuple[float, float]:
    found = results.latencies_ms(side, "closed", clients)
    if not len(found):
        return float("nan"), float("nan")
    p50, p99 = np.percentile(found, [50, 99])
    return float(p50), float(p99)


def _failed(measured: Measured) -> int:
    return measured.failed + measured.refused
