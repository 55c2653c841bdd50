"""A race's results come in; Harbor's figures over its peers, with their bounds, go out.

The better of a peer's two arrangements counts: its own batching on, or off.
"""

import statistics
from collections.abc import Iterator, Sequence

import numpy as np

from tests.benchmarks.bounds import RATIO, Bound, Figure, at_least, at_most
from tests.benchmarks.contender import Setup
from tests.benchmarks.http.plan import SATURATED
from tests.benchmarks.http.results import Array, Results, Side, remaining, work_rate

OVER_BEST = {"fp32": 1.15, "int8": 1.08}
OVER_BATCHING = 2.0
INT8_OVER_FP32 = 2.0
CROWDS = (32, 128)
Rates = dict[int, float]
"""Work a second by round, as if the load generator had cost nothing; see results.py."""


def figures(
    results: Results, harbor: Side, peers: Sequence[Side], int8: Side | None = None
) -> list[Figure]:
    """Those whose slots were measured. peers: with their batching on and off, at least one.

    int8: Harbor's, where `harbor` and the peers serve fp32.
    """
    best = best_of(results, peers)
    found = [_over(results, harbor, best, at_least(OVER_BEST[harbor.setup.precision]))]
    if batching := [side for side in peers if side.setup.batching]:
        found.append(_over(results, harbor, best_of(results, batching), at_least(OVER_BATCHING)))
    if int8 is not None:
        found.append(_over(results, int8, best, at_least(INT8_OVER_FP32)))
    return [*found, *_crowds(results, harbor, peers), _failures(results, harbor)]


def rates(results: Results, side: Side, graph: Setup | None = None) -> Rates:
    """At saturation. graph: whose own times weigh the tickets; the side's own by default."""
    yardstick = results.yardstick(graph or side.setup)
    return {
        one.slot.round: work_rate(one, yardstick)
        / remaining(one.client_cpu_s, one.wall_s, results.cores)
        for one in results.slots(side, "closed", SATURATED)
    }


def best_of(results: Results, sides: Sequence[Side]) -> Side:
    """The side with the highest median rate. Raises ValueError where none was measured."""
    measured = [side for side in sides if results.slots(side, "closed", SATURATED)]
    return max(measured, key=lambda side: statistics.median(rates(results, side).values()))


def counted(results: Results, peers: Sequence[Side]) -> list[Side]:
    """Of each peer the better of its arrangements, best peer first."""
    names = dict.fromkeys(side.contender for side in peers)
    best = [best_of(results, [side for side in peers if side.contender == n]) for n in names]
    order = {side: statistics.median(rates(results, side).values()) for side in best}
    return sorted(best, key=lambda side: -order[side])


def over(results: Results, one: Side, other: Side) -> Rates:
    """Rate over rate, round by round, tickets weighed under the other's graph."""
    first, second = rates(results, one, other.setup), rates(results, other)
    return {place: first[place] / second[place] for place in first if second.get(place)}


def name_of(side: Side) -> str:
    """A side as figures and tables call it."""
    batching = "batching on" if side.setup.batching else "batching off"
    return f"{side.contender} {side.setup.precision}, {batching}"


def _over(results: Results, one: Side, other: Side, bound: Bound) -> Figure:
    ratios = list(over(results, one, other).values())
    own = f"{one.contender} {one.setup.precision}"
    return Figure(
        f"saturated throughput, {own} over {name_of(other)}",
        statistics.median(ratios),
        bound,
        RATIO,
        (min(ratios), max(ratios)),
    )


def _crowds(results: Results, harbor: Side, peers: Sequence[Side]) -> Iterator[Figure]:
    for clients in CROWDS:
        own = results.latencies_ms(harbor, "closed", clients)
        others = {side: results.latencies_ms(side, "closed", clients) for side in peers}
        lowest = {side: p99(found) for side, found in others.items() if len(found)}
        if len(own) and lowest:
            side = min(lowest, key=lambda one: lowest[one])
            name = f"{clients} clients: p99, against {name_of(side)}"
            yield Figure(name, p99(own), at_most(lowest[side]), "ms")


def p99(values: Array) -> float:
    """The 99th percentile; NaN of nothing."""
    return float(np.percentile(values, 99)) if len(values) else float("nan")


def _failures(results: Results, harbor: Side) -> Figure:
    slots = results.slots(harbor, "closed")
    failed = sum(one.failed + one.refused for one in slots)
    return Figure("Harbor's requests that failed", failed, at_most(0), "requests")
