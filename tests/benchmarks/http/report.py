"""A race's results come in; the rows of its tables, and all of it as JSON, go out."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.benchmarks.bounds import Figure
from tests.benchmarks.contender import Setup
from tests.benchmarks.http.own_time import Yardstick
from tests.benchmarks.http.plan import Measured
from tests.benchmarks.http.raw import NAME
from tests.benchmarks.http.results import Results, Side, spread
from tests.benchmarks.ratios import Estimate

HEADER = (
    "server", "load", "tickets/s", "of raw", "p50 ms", "p99 ms", "slowdown p99",
    "refused", "failed", "client us",
)  # fmt: skip
LATENCIES = (50, 95, 99)
Record = dict[str, Any]


def title(side: Side) -> str:
    """The contender's name, and its precision unless that is fp32."""
    return _named(side.contender, side.setup)


def load_name(kind: str, level: float) -> str:
    """What a table calls a slot's load."""
    if kind == "closed":
        return f"{level:.0f} clients"
    if kind == "open":
        return f"open, {level:.0%}"
    return "short, in a flood" if level else "short, alone"


def records(results: Results) -> list[Record]:
    """For raw and then each side and load: the rounds together, rates as [median, low, high]."""
    found: list[Record] = []
    for side in results.sides():
        raw = results.best_raw(side.setup)
        rate = spread([one.per_s for one in raw])
        name = _named(NAME, side.setup)
        if not any(record["server"] == name for record in found):
            found.append({"server": name, "load": "offline", "per_s": _listed(rate)})
        found += [
            _record(results, side, results.slots(side, kind, level))
            for kind, level in _loads(results, side)
        ]
    return found


def row(record: Record) -> tuple[str, ...]:
    """One line of the table; empty where raw has no such figure."""
    if "kind" not in record:
        return record["server"], record["load"], f"{record['per_s'][0]:.1f}", *[""] * 7
    latency, slowdown = record["latency_ms"], record["slowdown"]
    return (
        record["server"],
        record["load"],
        f"{record['per_s'][0]:.1f}",
        f"{record['share_of_raw'][0]:.1%}",
        f"{latency['p50']:.1f}",
        f"{latency['p99']:.1f}",
        f"{slowdown['p99']:.2f}",
        str(record["refused"]),
        str(record["failed"]),
        f"{record['client_us']:.0f}",
    )


def document(
    facts: Mapping[str, str], plan: Record, results: Results, found: Sequence[Figure]
) -> Record:
    """Everything but the single latencies, which the journal has."""
    judged = [figure.document() for figure in found]
    return {"facts": facts, "plan": plan, "figures": judged, "loads": records(results)}


def _named(contender: str, setup: Setup) -> str:
    return contender if setup.precision == "fp32" else f"{contender} {setup.precision}"


def _loads(results: Results, side: Side) -> list[tuple[Any, float]]:
    slots = [slot for kind in ("closed", "open", "flood") for slot in results.slots(side, kind)]
    return sorted({(one.slot.kind, one.slot.level) for one in slots})


def _record(results: Results, side: Side, slots: Sequence[Measured]) -> Record:
    kind, level = slots[0].slot.kind, slots[0].slot.level
    yardstick = results.yardstick(side.setup)
    shares = list(results.shares(side, kind, level).values())
    return {
        "server": title(side),
        "load": load_name(kind, level),
        "kind": kind,
        "level": level,
        "per_s": _listed(spread([one.per_s for one in slots])),
        "share_of_raw": _listed(spread(shares)),
        "latency_ms": _percentiles(results.latencies_ms(side, kind, level)),
        "slowdown": _percentiles(results.slowdowns(side, kind, level)),
        "refused": sum(one.refused for one in slots),
        "failed": sum(one.failed for one in slots),
        "client_us": 1e6 * sum(one.client_cpu_s for one in slots) / max(1, _asked(slots)),
        "server_cpu_per_work": _cpu_per_work(slots, yardstick),
        "stolen": statistics.fmean(one.stolen for one in slots),
    }


def _asked(slots: Sequence[Measured]) -> int:
    return sum(one.answered + one.refused + one.failed + one.flooding for one in slots)


def _cpu_per_work(slots: Sequence[Measured], yardstick: Yardstick) -> float:
    """The server's CPU seconds for each own second of what it answered; NaN without an answer."""
    work_s = sum(yardstick.work_s(one.tickets) for one in slots)
    return sum(one.server_cpu_s for one in slots) / work_s if work_s else float("nan")


def _percentiles(values: Any) -> dict[str, float]:
    if not len(values):
        return {f"p{q}": float("nan") for q in LATENCIES}
    return {f"p{q}": float(np.percentile(values, q)) for q in LATENCIES}


def _listed(found: Estimate) -> list[float]:
    return [found.value, found.low, found.high]
