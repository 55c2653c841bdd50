"""The benchmark of a shadow under load: its arithmetic, and the whole of it in small numbers."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks import shadow_load
from tests.benchmarks.open_loop import WARM_UP, open_loop, poisson
from tests.benchmarks.ratios import difference, p99, ratio
from tests.benchmarks.server import free_port
from tests.benchmarks.shadow_servers import AGAIN, IN_PROCESS, NAMES, OFF, side_by_side
from tests.tiny_bundle import write_bundle


def test_a_constant_factor_is_found_and_equal_slots_give_one() -> None:
    random = np.random.default_rng(0)
    slots = [random.exponential(0.01, 400) for _ in range(20)]
    assert ratio(slots, slots).low == ratio(slots, slots).high == 1.0
    assert ratio([slot * 1.5 for slot in slots], slots).value == pytest.approx(1.5)
    assert difference([slot + 0.002 for slot in slots], slots).high == pytest.approx(0.002)


def test_the_p99_is_the_value_that_99_of_100_do_not_exceed() -> None:
    random = np.random.default_rng(2)
    slots = [random.exponential(0.01, size) for size in (300, 7, 400)]
    expected = np.percentile(np.concatenate(slots), 99, method="inverted_cdf")
    assert p99(slots) == expected


def test_the_interval_covers_what_a_slow_slot_of_both_hides() -> None:
    random = np.random.default_rng(1)
    moods = random.choice([1.0, 3.0], 40, p=[0.8, 0.2])
    one, other = ([random.exponential(0.01 * mood, 300) for mood in moods] for _ in range(2))
    found = ratio(one, other)
    assert found.low < 1.0 < found.high
    assert found.high < 1.5


def test_moments_come_at_the_rate_and_in_order() -> None:
    moments = poisson(200.0, 50.0, np.random.default_rng(0))
    assert moments == sorted(moments)
    assert len(moments) == pytest.approx(10_000, rel=0.05)
    assert np.std(np.diff(moments)) == pytest.approx(1 / 200, rel=0.05)


async def test_a_stall_is_charged_to_everyone_who_came_meanwhile() -> None:
    turns = iter(range(WARM_UP + 3))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"{}"):
                if next(turns) == WARM_UP:
                    time.sleep(0.3)  # noqa: ASYNC251 - the stall is what is tested.
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()
        await writer.wait_closed()
        closed.release()

    closed = asyncio.Semaphore(0)
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        found = await open_loop(f"http://{host}:{port}", [b"{}"] * 3, [0.0, 0.1, 0.2])
        for _ in range(WARM_UP):
            await closed.acquire()
    assert [exchange.status for exchange in found] == [200, 200, 200]
    waited = [exchange.seconds for exchange in found]
    assert waited == sorted(waited, reverse=True)


async def test_a_server_that_is_gone_is_counted() -> None:
    found = await open_loop(f"http://127.0.0.1:{free_port()}", [b"{}"] * 2, [0.0, 0.0])
    assert {exchange.status for exchange in found} == {0}
    assert len(found) >= 2


@pytest.mark.slow
def test_seven_servers_are_measured_and_no_request_fails(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    legacy = write_bundle(tmp_path / "legacy", seed=1)
    bodies = [b'{"subject": "Invoice", "body": "charged twice"}'] * 20
    with side_by_side(bundle, legacy, tmp_path) as urls:
        found = shadow_load.measure(urls, bodies, rate_per_s=40.0, rounds=2, slot_s=1.5)
    assert tuple(found) == NAMES
    assert {name: one.failures for name, one in found.items()} == dict.fromkeys(NAMES, 0)
    assert found[OFF].shadow == found[AGAIN].shadow
    proofs = shadow_load.PROOFS.items()
    assert [name for name, kind in proofs if not found[name].shadow[kind]] == []
    assert found[IN_PROCESS].shadow["pending"] == 0
    assert len(shadow_load.rows(found)) == len(NAMES)


@pytest.mark.parametrize("name", ["healthy", "slow", "hung", "crashing"])
def test_a_remote_legacy_that_slows_the_callers_misses_its_bound(name: str) -> None:
    found = _figures()
    assert shadow_load.faults(found, call_s=0.005) == []
    found[name].slots = [slot * 1.2 for slot in found[name].slots]
    (fault,) = shadow_load.faults(found, call_s=0.005)
    assert fault.startswith(f"{name}: ends at 1.2")


def test_an_in_process_legacy_may_cost_one_call_and_no_more() -> None:
    found = _figures()
    found[IN_PROCESS].slots = [slot + 0.004 for slot in found[OFF].slots]
    assert shadow_load.faults(found, call_s=0.005) == []
    (fault,) = shadow_load.faults(found, call_s=0.003)
    assert fault.startswith("in-process: 4.0 ms more")


def test_a_failed_request_and_an_idle_legacy_are_faults() -> None:
    found = _figures()
    found[OFF].failures = 1
    found["hung"].shadow = {"offered": 5.0, "compared": 5.0}
    assert shadow_load.faults(found, call_s=0.005) == [
        "off: 1 requests failed",
        "hung: nothing was failed",
    ]


def _figures() -> dict[str, shadow_load.Measured]:
    slots = [np.random.default_rng(seed).exponential(0.01, 200) for seed in range(10)]
    shadow = {"compared": 1.0, "failed": 1.0}
    return {name: shadow_load.Measured(list(slots), 0, shadow) for name in NAMES}
