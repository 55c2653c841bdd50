"""A race's results come in; the figures of the README's table, with their bounds, go out."""

from collections.abc import Iterator

import numpy as np

from tests.benchmarks.bounds import RATIO, Bound, Figure, at_least, at_most
from tests.benchmarks.http.plan import SATURATED, Kind
from tests.benchmarks.http.results import Array, Results, Side, spread

OF_RAW, OF_PLAIN = 0.92, 1.15
CROWD, LONE, ALLOWANCE_MS = 1.4, 1.10, 0.5
SLOWDOWN = {0.3: 2.0, 0.7: 4.0, 0.9: None}
PADDING = 0.95
OVERLOAD, REFUSALS = 3.0, 1.2


def figures(
    results: Results, side: Side, peer: Side | None = None, refusal_us: float | None = None
) -> list[Figure]:
    """Those whose slots were measured. peer: what the side's throughput is compared with.

    refusal_us: CPU of one refusal as measured elsewhere; without it the slope of this race's.
    """
    return [
        *_throughput(results, side),
        *(_over(results, side, peer) if peer else ()),
        *_crowds(results, side),
        *_lone(results, side),
        *_slowdowns(results, side),
        *_flood(results, side),
        *_padding(results, side),
        *_overload(results, side, refusal_us),
        _failures(results, side),
    ]


def refusal_s(results: Results, side: Side) -> float:
    """CPU of one refusal: what the server used beyond the work it did, over the refusals.

    NaN where nothing was refused. Noisy where refusals are few: it is a difference.
    """
    yardstick = results.yardstick(side.setup)
    calm = results.slots(side, "closed", SATURATED)
    flooded = results.slots(side, "open", OVERLOAD)
    refused = sum(one.refused for one in flooded)
    work_s = sum(yardstick.work_s(one.tickets) for one in calm)
    if not refused or not work_s:
        return float("nan")
    per_work = sum(one.server_cpu_s for one in calm) / work_s
    expected_s = per_work * sum(yardstick.work_s(one.tickets) for one in flooded)
    return max(0.0, sum(one.server_cpu_s for one in flooded) - expected_s) / refused


def _throughput(results: Results, side: Side) -> Iterator[Figure]:
    name = "saturated throughput over raw"
    whole = results.shares(side, "closed", SATURATED)
    if whole:
        yield _spread(f"{name}, client CPU accounted", whole, at_least(OF_RAW))
        plain = results.shares(side, "closed", SATURATED, corrected=False)
        yield _spread(f"{name}, as measured", plain)


def _over(results: Results, side: Side, peer: Side) -> Iterator[Figure]:
    one, other = (results.shares(each, "closed", SATURATED) for each in (side, peer))
    ratios = {place: one[place] / other[place] for place in one if other.get(place)}
    if ratios:
        bound = at_least(OF_PLAIN)
        yield _spread(f"saturated throughput over {peer.contender}", ratios, bound, RATIO)


def _crowds(results: Results, side: Side) -> Iterator[Figure]:
    longest_ms = results.yardstick(side.setup).longest_ms
    for clients in (32, 128):
        slots = results.slots(side, "closed", clients)
        if per_s := sum(one.per_s for one in slots) / max(1, len(slots)):
            bound = at_most(CROWD * clients / per_s * 1000 + longest_ms)
            yield _percentile(results, side, "closed", clients, f"{clients} clients: p99", bound)


def _lone(results: Results, side: Side) -> Iterator[Figure]:
    yardstick = results.yardstick(side.setup)
    ratios = {
        one.slot.round: (np.median(one.latencies_ms) - ALLOWANCE_MS)
        / np.median(yardstick.of_tickets(one.tickets))
        for one in results.slots(side, "closed", 1)
        if one.answered
    }
    if ratios:
        name = f"p50 of a lone ticket less {ALLOWANCE_MS} ms, over raw batch-1"
        yield _spread(name, {place: float(r) for place, r in ratios.items()}, at_most(LONE), RATIO)


def _slowdowns(results: Results, side: Side) -> Iterator[Figure]:
    yardstick = results.yardstick(side.setup)
    for level, most in SLOWDOWN.items():
        rounds = [
            _p99(np.array(one.latencies_ms) / yardstick.of_tickets(one.tickets))
            for one in results.slots(side, "open", level)
            if one.answered
        ]
        if rounds:
            name = f"open loop at {level:.0%}: p99 of latency over own raw time"
            bound = None if most is None else at_most(most)
            value = _p99(results.slowdowns(side, "open", level))
            yield Figure(name, value, bound, RATIO, (min(rounds), max(rounds)))


def _flood(results: Results, side: Side) -> Iterator[Figure]:
    alone = results.latencies_ms(side, "flood", 0)
    if len(alone) and len(results.latencies_ms(side, "flood", 1)):
        longest_ms = results.yardstick(side.setup).longest_ms
        bound = at_most(_p99(alone) + longest_ms)
        yield _percentile(results, side, "flood", 0, "short tickets alone: p99")
        yield _percentile(results, side, "flood", 1, "short tickets in a flood: p99", bound)


def _padding(results: Results, side: Side) -> Iterator[Figure]:
    slots = results.slots(side, "closed", SATURATED)
    if padded := sum(one.padded_tokens for one in slots):
        share = sum(one.real_tokens for one in slots) / padded
        yield Figure("padding efficiency at saturation", share, at_least(PADDING))


def _overload(results: Results, side: Side, refusal_us: float | None) -> Iterator[Figure]:
    slots = results.slots(side, "open", OVERLOAD)
    calm = results.shares(side, "closed", SATURATED)
    flooded = results.shares(side, "open", OVERLOAD)
    if not slots or not calm:
        return
    cost_s = refusal_s(results, side) if refusal_us is None else refusal_us / 1e6
    busy_s = sum(one.wall_s for one in slots) * results.cores
    refused = sum(one.refused for one in slots)
    share = refused * cost_s / busy_s if refused else 0.0
    kept = {place: flooded[place] / calm[place] for place in flooded if calm.get(place)}
    name = f"goodput at {OVERLOAD:.0%}, over saturation"
    yield _spread(name, kept, at_least(1 - REFUSALS * share))
    yield Figure(f"refused at {OVERLOAD:.0%}", refused / len(slots), unit="a slot")
    if refused:
        yield Figure("one refusal's CPU", cost_s * 1e6, unit="us")


def _failures(results: Results, side: Side) -> Figure:
    kinds: tuple[Kind, ...] = ("closed", "open", "flood")
    failed = sum(one.failed for kind in kinds for one in results.slots(side, kind))
    return Figure("requests that failed", failed, at_most(0), "requests")


def _percentile(
    results: Results, side: Side, kind: Kind, level: float, name: str, bound: Bound | None = None
) -> Figure:
    rounds = [
        _p99(np.array(one.latencies_ms)) for one in results.slots(side, kind, level) if one.answered
    ]
    value = _p99(results.latencies_ms(side, kind, level))
    return Figure(name, value, bound, "ms", (min(rounds), max(rounds)))


def _spread(
    name: str, rounds: dict[int, float], bound: Bound | None = None, unit: str = ""
) -> Figure:
    found = spread(list(rounds.values()))
    return Figure(name, found.value, bound, unit, (found.low, found.high))


def _p99(values: Array) -> float:
    return float(np.percentile(values, 99))
