"""Simulated time: what must hold of every policy, and what Harbor does better than the rest."""

import pytest

from service.engine.batcher import Limits
from service.engine.cost import CostModel
from tests.benchmarks.simulator.arrivals import ClosedLoop, OpenLoop
from tests.benchmarks.simulator.call import Call, Job
from tests.benchmarks.simulator.clock import SimulatedClock
from tests.benchmarks.simulator.lengths import drawn
from tests.benchmarks.simulator.machine import CPU, GPU, MACHINES, Machine
from tests.benchmarks.simulator.policies.harbor import Harbor
from tests.benchmarks.simulator.results import Results
from tests.benchmarks.simulator.scenarios import POLICIES, Bench, one_by_one_per_s
from tests.benchmarks.simulator.simulation import Simulation

LENGTHS = drawn(400, seed=1, limit=96)
OTHERS = [name for name in POLICIES if name != "harbor"]


def _bench(policy: str, machine: Machine = CPU) -> Bench:
    return Bench(POLICIES[policy], machine, LENGTHS)


def _tail_bound_s(results: Results, clients: int) -> float:
    return 1.4 * clients / results.per_s + results.longest_raw_s


@pytest.mark.parametrize("machine", list(MACHINES))
@pytest.mark.parametrize("policy", list(POLICIES))
def test_every_ticket_is_answered_once_whatever_the_policy(policy: str, machine: str) -> None:
    bench = _bench(policy, MACHINES[machine])
    for results in (bench.closed(8), bench.open(100.0)):
        assert sorted(job.number for job in results.done()) == list(range(len(LENGTHS)))
        assert results.real_tokens == sum(LENGTHS)


@pytest.mark.parametrize("policy", ["harbor", "one by one", "text-embeddings-inference"])
def test_no_worker_idles_while_a_ticket_waits(policy: str) -> None:
    assert _bench(policy).open(150.0).idle_while_waiting == 0


def test_a_window_lets_a_worker_idle_while_a_ticket_waits() -> None:
    assert _bench("window 8 / 10 ms").open(50.0).idle_while_waiting > 0


@pytest.mark.parametrize("policy", OTHERS)
@pytest.mark.parametrize("machine", [CPU, GPU], ids=["cpu", "gpu"])
def test_harbor_saturated_is_at_least_as_fast_as_every_other_policy(
    machine: Machine, policy: str
) -> None:
    harbor, other = _bench("harbor", machine).closed(64), _bench(policy, machine).closed(64)
    assert harbor.per_s >= 0.98 * other.per_s


@pytest.mark.parametrize("policy", OTHERS)
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_harbor_slows_its_tickets_down_less_than_every_other_policy(
    share: float, policy: str
) -> None:
    per_s = share * one_by_one_per_s(CPU, LENGTHS)
    harbor, other = _bench("harbor").open(per_s), _bench(policy).open(per_s)
    assert harbor.slowdown(99) < other.slowdown(99)


def test_on_a_cpu_the_cost_model_finds_out_that_hardly_any_padding_pays() -> None:
    results = _bench("harbor").closed(64)
    assert results.padding_efficiency >= 0.95
    assert results.per_s >= 0.98 * one_by_one_per_s(CPU, LENGTHS)


def test_on_a_gpu_it_finds_out_that_large_batches_pay() -> None:
    results = _bench("harbor", GPU).closed(64)
    assert len(LENGTHS) / results.calls > 6


@pytest.mark.parametrize("clients", [32, 128])
def test_the_tail_of_a_closed_loop_stays_near_the_mean(clients: int) -> None:
    results = Bench(POLICIES["harbor"], CPU, drawn(800, seed=1, limit=96)).closed(clients)
    assert results.latency_s(99) <= 1.02 * _tail_bound_s(results, clients)


def test_at_a_low_load_hardly_anybody_waits() -> None:
    per_s = 0.3 * one_by_one_per_s(CPU, LENGTHS)
    assert _bench("harbor").open(per_s).slowdown(99) <= 2.0


def test_short_tickets_get_through_a_flood_of_long_ones() -> None:
    bench = _bench("harbor")
    alone, flooded = bench.flood(flooded=False), bench.flood(flooded=True)
    assert flooded.latency_s(99, "few") <= alone.latency_s(99) + flooded.longest_raw_s
    assert flooded.express > 0


def test_a_flood_of_short_tickets_does_not_starve_a_long_one() -> None:
    results = _run(ClosedLoop([256, *[8] * 3000], 32))
    (long,) = [job for job in results.jobs if job.length == 256]
    assert long.answered_s is not None
    assert long.answered_s - long.arrived_s < 1.0


def test_bulk_tickets_wait_longer_than_live_ones_but_do_not_starve() -> None:
    def every_third_is_bulk(job: Job) -> None:
        job.priority = job.kind = "bulk" if job.number % 3 == 0 else "live"

    saturated = 1.05 * one_by_one_per_s(CPU, LENGTHS)
    results = _run(OpenLoop(LENGTHS * 3, saturated, dress=every_third_is_bulk))
    assert len(results.done()) == len(results.jobs)
    assert results.latency_s(50, "bulk") > 2 * results.latency_s(50, "live")
    assert results.longest_wait_s < 3.0


def test_no_expired_ticket_reaches_the_model_and_overload_wastes_nothing() -> None:
    def within_a_second(job: Job) -> None:
        job.deadline_s = job.arrived_s + 1.0

    saturated = one_by_one_per_s(CPU, LENGTHS)
    results = _run(OpenLoop(LENGTHS * 4, 3 * saturated, dress=within_a_second))
    assert results.expired_run == 0
    assert any(job.expired for job in results.jobs)
    assert all(job.expired != (job.answered_s is not None) for job in results.jobs)
    in_time = [job for job in results.done() if (job.answered_s or 0.0) <= job.deadline_s]
    assert len(in_time) >= 0.9 * len(results.done())


def test_a_lone_long_ticket_gets_every_core_and_a_short_one_does_not() -> None:
    assert _run(ClosedLoop([96] * 20, 1)).wide == 20
    assert _run(ClosedLoop([8] * 20, 1)).wide == 0


@pytest.mark.parametrize("policy", OTHERS)
def test_fewer_calls_than_workers_at_a_time_are_never_exceeded(policy: str) -> None:
    results = _bench(policy).closed(8)
    spans = sorted({(job.started_s, job.answered_s) for job in results.jobs})
    for start, _ in spans:
        assert sum(first <= start < last for first, last in spans) <= CPU.workers  # type: ignore[operator]


def test_calls_beyond_the_cores_share_them_and_a_wide_call_uses_all() -> None:
    assert CPU.speed(Call(()), 3) == pytest.approx(2 / 3)
    assert CPU.speed(Call(()), 2) == 1.0
    assert CPU.speed(Call((), wide=True), 1) == CPU.wide_speed


def _run(arrivals: ClosedLoop | OpenLoop) -> Results:
    clock = SimulatedClock()
    cost = CostModel()
    for batch, length in ((1, 8), (1, 64), (4, 16), (4, 64), (1, 256)) * 3:
        cost.update(batch, length, CPU.seconds(batch, length))
    policy = Harbor(CPU, clock, Limits(max_queue=100_000), cost)
    return Simulation(CPU, arrivals, policy, clock).run()
