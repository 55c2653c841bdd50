"""The benchmark over HTTP: its arithmetic, its journal, and the whole of it in small numbers."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.contract.ticket import Ticket
from tests.benchmarks.bounds import RATIO, Figure, at_least, at_most
from tests.benchmarks.contender import Setup
from tests.benchmarks.http import offline, report
from tests.benchmarks.http.contenders import Harbor, Plain
from tests.benchmarks.http.desk import Desk, desk_of
from tests.benchmarks.http.driver import Load, drive, process
from tests.benchmarks.http.figures import figures, refusal_s
from tests.benchmarks.http.journal import Journal
from tests.benchmarks.http.own_time import OwnTimes
from tests.benchmarks.http.plan import Kind, Measured, Plan, Slot
from tests.benchmarks.http.plots import draw
from tests.benchmarks.http.race import Entry, race
from tests.benchmarks.http.results import Results, Side, remaining
from tests.benchmarks.http.turn import Turn
from tests.benchmarks.load import closed_loop
from tests.benchmarks.server import Server, ServerFailedError, free_port
from tests.tiny_bundle import write_bundle

SETUP = Setup(Path("bundle"))
HARBOR = Side("Harbor", SETUP)
DESK = Desk(("a",) * 4, (b"{}",) * 4, (10, 20, 30, 40))
TICKETS = [Ticket(subject=f"Invoice {n}", body="charged twice " * (n % 9 + 1)) for n in range(64)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("http") / "bundle")


def test_what_the_load_generator_uses_is_taken_off_the_machine() -> None:
    assert remaining(1.0, 5.0, cores=2) == pytest.approx(0.9)
    assert remaining(0.0, 5.0, cores=2) == 1.0


def test_own_times_follow_the_length_whatever_a_stall_adds() -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(8, 256, 2000)
    ms = 1.5 + 0.1 * lengths + 0.0002 * lengths**2
    stalls = np.where(random.random(2000) < 0.1, 50.0, 0.0)
    times = OwnTimes.fit(lengths, ms + stalls)
    wanted = np.array([10, 100, 250])
    assert times.ms(wanted) == pytest.approx(1.5 + 0.1 * wanted + 0.0002 * wanted**2, rel=0.05)


def test_own_times_of_one_length_are_its_median() -> None:
    assert OwnTimes.fit([7, 7, 7], [1.0, 2.0, 9.0]).ms([7]) == pytest.approx([2.0])


def test_the_share_of_raw_counts_work_and_leaves_the_client_out() -> None:
    results = Results(_race(), DESK, cores=2)
    # Ten tickets of 40 tokens in two seconds; raw does twenty of them.
    assert results.shares(HARBOR, "closed", 32, corrected=False)[0] == pytest.approx(0.5)
    assert results.shares(HARBOR, "closed", 32)[0] == pytest.approx(0.5 / 0.9)


def test_the_best_arrangement_is_raw() -> None:
    slower = _slot("raw", 1, tickets=(3,) * 15, contender="raw")
    assert Results([*_race(), slower], DESK).best_raw(SETUP)[0].slot.level == 0


def test_slowdowns_are_over_each_ticket_s_own_time() -> None:
    found = Results(_race(), DESK).slowdowns(HARBOR, "open", 0.3)
    assert found == pytest.approx([2.0, 3.0])


def test_figures_stand_beside_their_bounds() -> None:
    found = {figure.measure: figure for figure in figures(Results(_race(), DESK, 2), HARBOR)}
    assert not found["saturated throughput over raw, client CPU accounted"].holds
    lone = found["p50 of a lone ticket less 0.5 ms, over raw batch-1"]
    assert lone.value == pytest.approx(1.05)
    assert lone.holds
    crowd = found["32 clients: p99"]
    assert crowd.bound is not None
    assert crowd.bound.high == pytest.approx(1.4 * 32 / 5 * 1000 + 40)
    slow = found["open loop at 30%: p99 of latency over own raw time"]
    assert slow.value == pytest.approx(2.99)
    assert slow.spread == pytest.approx((2.99, 2.99))
    assert not slow.holds
    flood = found["short tickets in a flood: p99"].bound
    assert flood is not None
    assert flood.high == pytest.approx(12 + 40)
    assert found["padding efficiency at saturation"].value == pytest.approx(0.9)
    assert found["requests that failed"].holds


def test_a_refusal_costs_what_the_server_used_beyond_its_work() -> None:
    results = Results(_race(), DESK, 2)
    # One CPU second for 0.4 own seconds of answers, and as many answers beside 100 refusals.
    assert refusal_s(results, HARBOR) == pytest.approx(0.5 / 100)
    found = {figure.measure: figure for figure in figures(results, HARBOR)}
    goodput = found["goodput at 300%, over saturation"]
    assert goodput.value == pytest.approx(1.0)
    assert goodput.bound is not None
    assert goodput.bound.low == pytest.approx(1 - 1.2 * 0.5 / 4)


def test_a_ratio_is_no_percentage() -> None:
    row = Figure("over plain", 1.2, at_least(1.15), RATIO, (1.1, 1.3)).row()
    assert row == ("over plain", "1.200 (1.100 to 1.300)", "at least 1.150", "yes")
    assert Figure("p99", 12.0, at_most(10.0), "ms").row()[1:] == (
        "12.0 ms",
        "at most 10.0 ms",
        "NO",
    )


def test_a_journal_gives_back_what_it_was_given(tmp_path: Path) -> None:
    path = tmp_path / "more" / "journal.jsonl"
    journal = Journal(path)
    for measured in _race():
        journal.add(measured)
    assert Journal(path).all() == _race()


def test_a_line_that_was_cut_off_is_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    first, second = _race()[:2]
    for measured in (first, second):
        Journal(path).add(measured)
    path.write_text(path.read_text()[:-20])
    journal = Journal(path)
    assert first.slot in journal
    assert second.slot not in journal
    journal.add(second)
    assert Journal(path).all() == [first, second]


def test_a_load_on_nobody_fails() -> None:
    with pytest.raises(ServerFailedError, match="no request"):
        _turn(f"http://127.0.0.1:{free_port()}")


def test_arrangements_are_batches_of_one_where_company_changes_an_answer(bundle: Path) -> None:
    assert {one.batch for one in offline.arrangements(Setup(bundle))} == {1, 2, 4, 8, 32}
    with pytest.raises(ValueError, match="no padded int8 graph"):
        offline.arrangements(Setup(bundle, "int8"))


def test_offline_runs_leave_no_ticket_out(bundle: Path) -> None:
    texts = desk_of(bundle, TICKETS).texts
    for arrangement in offline.arrangements(Setup(bundle)):
        assert offline.sorted_s(Setup(bundle), arrangement, texts) > 0
    assert len(offline.alone_ms(Setup(bundle), texts, seconds=60.0)) == len(texts)


def test_harbor_and_the_plain_server_answer_alike(bundle: Path) -> None:
    desk = desk_of(bundle, TICKETS[:16])
    answers = []
    for contender in (Harbor(), Plain()):
        with contender.serving(Setup(bundle)) as server:
            load = asyncio.run(closed_loop(server.url, desk.bodies, clients=4))
        assert load.failures == 0
        answers.append([json.loads(exchange.body)["predictions"] for exchange in load.done])
    for harbor, plain in zip(*answers, strict=True):
        for task, wanted in plain.items():
            assert harbor[task]["label"] == wanted["label"]
            assert harbor[task]["confidence"] == pytest.approx(wanted["confidence"], abs=1e-4)


@pytest.mark.slow
def test_a_race_measures_every_slot_once_and_goes_on_from_its_journal(
    bundle: Path, tmp_path: Path
) -> None:
    desk, path = desk_of(bundle, TICKETS), tmp_path / "journal.jsonl"
    counting = [_Counting(Harbor()), _Counting(Plain())]
    plan = Plan(1, 0.5, (1, 32), (0.3, 3.0), flood=True)
    entries = [Entry(one, Setup(bundle, batching=one.name == "Harbor")) for one in counting]
    found = race(entries, desk, plan, path)
    again = race(entries, desk, plan, path)
    assert [one.slot for one in again] == [one.slot for one in found]
    assert [one.started for one in counting] == [1, 1]
    assert not [one for one in found if one.failed]
    results = Results(found, desk)
    one, other = results.sides()
    judged = figures(results, one, other)
    assert all(np.isfinite(figure.value) for figure in judged)
    assert [len(report.row(record)) for record in report.records(results)] == [10] * 13
    for picture in draw(results, report.records(results), tmp_path / "plots"):
        assert picture.stat().st_size < 100_000


def test_a_flood_and_an_open_loop_at_once_are_told_apart(bundle: Path) -> None:
    desk = desk_of(bundle, TICKETS)
    with Harbor().serving(Setup(bundle)) as server:
        load = Load(server.url, desk.bodies, 0.3, [0, 1, 2], 4, (0.0, 0.1, 0.2), [5, 6])
        outcome = drive(load)
    assert sorted(outcome.answers.tickets) == [0, 1, 2]
    assert outcome.answers.statuses == [200] * 3
    assert set(outcome.flood.tickets) == {5, 6}
    assert outcome.cpu_s > 0


def _turn(url: str) -> None:
    with process() as pool:
        Turn(Server(url, 0, 0.0), DESK, 0.1, pool, Journal(), 0).run([])


class _Counting:
    """A contender that counts how often it was started."""

    def __init__(self, contender: Harbor | Plain) -> None:
        self.name = contender.name
        self.started = 0
        self._contender = contender

    @contextmanager
    def serving(self, setup: Setup) -> Iterator[Server]:
        self.started += 1
        with self._contender.serving(setup) as server:
            yield server


def _race() -> list[Measured]:
    """One round of Harbor on a graph that takes a millisecond a token."""
    alone = _slot("alone", 1, (10.0, 20.0, 30.0, 40.0) * 5, (0, 1, 2, 3) * 5, "raw")
    crowd = _slot("closed", 32, (1000.0,) * 10, (3,) * 10)
    return [
        alone,
        _slot("raw", 0, tickets=(3,) * 20, contender="raw"),
        replace(crowd, client_cpu_s=0.4, server_cpu_s=1.0, real_tokens=90.0, padded_tokens=100.0),
        _slot("closed", 1, (21.5,), (1,)),
        _slot("open", 0.3, (40.0, 90.0), (1, 2)),
        replace(
            _slot("open", 3.0, (1000.0,) * 10, (3,) * 10),
            client_cpu_s=0.4,
            server_cpu_s=1.5,
            refused=100,
        ),
        _slot("flood", 0, (12.0,), (0,)),
        _slot("flood", 1, (50.0,), (0,)),
    ]


def _slot(
    kind: Kind,
    level: float,
    latencies_ms: tuple[float, ...] = (),
    tickets: tuple[int, ...] = (),
    contender: str = "Harbor",
) -> Measured:
    setup = replace(SETUP, batching=contender == "Harbor")
    return Measured(
        Slot(contender, setup, kind, level, 0),
        wall_s=2.0,
        in_time=len(tickets),
        refused=0,
        failed=0,
        server_cpu_s=0.0,
        client_cpu_s=0.0,
        stolen=0.0,
        latencies_ms=latencies_ms,
        tickets=tickets,
    )
