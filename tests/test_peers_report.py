"""What the benchmark of other model servers makes of planted measurements."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks.contender import Setup
from tests.benchmarks.desk import tickets
from tests.benchmarks.http.desk import desk_of
from tests.benchmarks.http.plan import Measured, Slot
from tests.benchmarks.http.raw import NAME
from tests.benchmarks.http.results import Results, Side
from tests.benchmarks.peers.figures import counted, figures
from tests.benchmarks.peers.plot import draw
from tests.benchmarks.peers.report import document, lines
from tests.tiny_bundle import write_bundle

OF_RAW = {
    ("Harbor", True): 0.95,
    ("Quick", False): 0.80,
    ("Quick", True): 0.40,
    ("Slow", False): 0.30,
    ("Slow", True): 0.45,
}
"""Planted: server, batching, tickets a second as a share of raw."""


def test_planted_rates_give_the_figures(tmp_path: Path) -> None:
    results, harbor, peers = _planted(tmp_path)
    found = {figure.measure: figure for figure in figures(results, harbor, peers)}
    best = found["saturated throughput, Harbor fp32 over Quick fp32, batching off"]
    assert best.value == pytest.approx(0.95 / 0.80)
    assert best.holds
    batching = found["saturated throughput, Harbor fp32 over Slow fp32, batching on"]
    assert batching.value == pytest.approx(0.95 / 0.45)
    assert batching.holds
    tail = found["128 clients: p99, against Quick fp32, batching off"]
    assert tail.value == pytest.approx(10 / 0.95)
    assert tail.holds
    assert found["Harbor's requests that failed"].value == 0


def test_a_peer_that_is_as_fast_breaks_the_bounds(tmp_path: Path) -> None:
    results, harbor, peers = _planted(tmp_path)
    quick = next(side for side in peers if side.contender == "Quick" and not side.setup.batching)
    found = figures(results, quick, [harbor])
    assert [figure.holds for figure in found] == [False, False, False, False, True]


def test_int8_is_compared_with_the_best_peers_fp32(tmp_path: Path) -> None:
    results, harbor, peers = _planted(tmp_path)
    int8 = Side("Harbor", replace(harbor.setup, precision="int8"))
    slots = [replace(one, slot=replace(one.slot, setup=int8.setup)) for one in _slots(harbor, 1.7)]
    both = Results([*results._measured, *slots], results._desk, cores=2)
    found = {figure.measure: figure for figure in figures(both, harbor, peers, int8)}
    figure = found["saturated throughput, Harbor int8 over Quick fp32, batching off"]
    assert figure.value == pytest.approx(1.7 / 0.80)
    assert figure.holds


def test_the_better_of_on_and_off_counts(tmp_path: Path) -> None:
    results, harbor, peers = _planted(tmp_path)
    best = [(side.contender, side.setup.batching) for side in counted(results, peers)]
    assert best == [("Quick", False), ("Slow", True)]
    rows = {(line.server, line.batching): line for line in lines(results, harbor, peers)}
    assert [key for key, line in rows.items() if line.counts] == [
        ("Harbor fp32", True),
        ("Quick fp32", False),
        ("Slow fp32", True),
    ]
    assert rows["Slow fp32", False].of_raw[0] == pytest.approx(0.30)
    assert rows["Slow fp32", False].harbor_over[0] == pytest.approx(0.95 / 0.30)


def test_the_report_is_json_and_the_picture_is_small(tmp_path: Path) -> None:
    results, harbor, peers = _planted(tmp_path)
    servers = lines(results, harbor, peers)
    written = json.loads(json.dumps(document({}, figures(results, harbor, peers), servers)))
    assert written["servers"][0]["server"] == "Harbor fp32"
    assert all(figure["holds"] for figure in written["figures"])
    assert draw(servers, tmp_path / "peers.png").stat().st_size < 100_000


def _planted(tmp_path: Path) -> tuple[Results, Side, list[Side]]:
    """Raw answers every ticket of the desk in a slot's length; the others so much of it."""
    bundle = write_bundle(tmp_path / "bundle")
    desk = desk_of(bundle, tickets(100))
    sides = [Side(name, Setup(bundle, batching=batching)) for name, batching in OF_RAW]
    raw = replace(sides[0].setup, batching=False)
    everything = tuple(range(len(desk)))
    own_ms = tuple(1.0 for _ in everything)
    measured = [
        one
        for place in range(2)
        for kind in ("raw", "alone")
        for one in [_measured(Slot(NAME, raw, kind, 1, place), everything, own_ms)]
    ]
    for side in sides:
        measured += _slots(side, OF_RAW[side.contender, side.setup.batching])
    return Results(measured, desk, cores=2), sides[0], sides[1:]


def _slots(side: Side, share: float) -> list[Measured]:
    answered = tuple(range(round(100 * share))) if share <= 1 else tuple(range(100)) * 2
    answered = answered[: round(100 * share)]
    latencies_ms = tuple(10 / share for _ in answered)
    return [
        _measured(
            Slot(side.contender, side.setup, "closed", clients, place), answered, latencies_ms
        )
        for clients in (32, 128)
        for place in range(2)
    ]


def _measured(slot: Slot, answered: tuple[int, ...], latencies_ms: tuple[float, ...]) -> Measured:
    return Measured(
        slot,
        wall_s=1.0,
        in_time=len(answered),
        refused=0,
        failed=0,
        server_cpu_s=1.0,
        client_cpu_s=0.0,
        stolen=0.0,
        latencies_ms=latencies_ms,
        tickets=answered,
    )
