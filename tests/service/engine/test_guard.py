"""A device that is lost, what stands in for it, and how it comes back."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from service.contract.tokens import IntArray
from service.engine.answer import DeviceReport
from service.engine.guard import Guard
from service.engine.layout import Flat
from service.engine.outputs import Outputs
from service.engine.padding import Padding
from service.engine.probe import Backoff, Probe
from service.engine.spare import Spare
from service.engine.trouble import DeviceLost, OutOfMemory
from service.errors import InferenceFailed
from tests.service.engine.faulty import Cpu, Door, Faulty
from tests.service.engine.sessions import PATIENCE_S, TASK, Clock, expected, ticket

AT_ONCE = Backoff(first_s=0.0, most_s=0.0)
NEVER = Backoff(first_s=1000.0, most_s=1000.0)


class Ear:
    """Hears what a guard reports; waits for what a test expects."""

    def __init__(self) -> None:
        self.heard: list[DeviceReport] = []
        self._more = threading.Condition()

    def __call__(self, report: DeviceReport) -> None:
        with self._more:
            self.heard.append(report)
            self._more.notify_all()

    def wait_for(self, what: str) -> None:
        with self._more:
            assert self._more.wait_for(
                lambda: any(getattr(report, what) for report in self.heard), PATIENCE_S
            )


def _guard(device: Faulty, reopen: Any, spare: Any, backoff: Backoff = NEVER) -> tuple[Guard, Ear]:
    guard, ear = (
        Guard(device, reopen, None if spare is None else Spare(spare), backoff=backoff),
        Ear(),
    )
    guard.start(ear)
    return guard, ear


def _ask(guard: Guard, count: int = 3) -> Outputs:
    """The guard's answer to `count` tickets, each of them its own."""
    flat = Flat.of([ticket(2 + mark, mark) for mark in range(count)])
    padded = flat.padded(0)
    outputs = guard.run(padded.ids_BL, padded.mask_BL)
    assert len(outputs.probabilities[TASK.name]) == count
    for mark, row in enumerate(outputs.probabilities[TASK.name]):
        np.testing.assert_array_equal(row, expected(mark))
    return outputs


def test_a_sound_device_answers_and_nothing_is_reported() -> None:
    guard, ear = _guard(Faulty(), Faulty, Cpu)
    outputs = _ask(guard)
    assert (outputs.provider, outputs.degraded, outputs.calls) == ("cuda", False, 1)
    assert (guard.lost, ear.heard) == (False, [])
    guard.close()


def test_a_batch_whose_device_is_lost_is_answered_on_the_cpu_at_once_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    device, cpu = Faulty(), Cpu()
    guard, ear = _guard(device, Faulty, lambda: cpu)
    device.dead = True
    outputs = _ask(guard)
    assert (outputs.provider, outputs.degraded, outputs.calls) == ("cpu", True, 2)
    assert ear.heard == [DeviceReport("cpu", degraded=True, losses=1)]
    assert "the device is lost" in caplog.text
    again = _ask(guard)
    assert (again.provider, again.degraded, again.calls) == ("cpu", True, 1)
    # It was asked once, and not again before a probe.
    assert (len(device.calls), len(cpu.calls), len(ear.heard)) == (1, 2, 1)
    guard.close()


def test_a_device_comes_back_after_the_probes_that_failed() -> None:
    device, fresh = Faulty(), Faulty()
    door = Door(lambda: fresh, failures=3)
    guard, ear = _guard(device, door, Cpu, AT_ONCE)
    device.dead = True
    _ask(guard)
    ear.wait_for("recoveries")
    assert door.tries == 4
    assert ear.heard[-1] == DeviceReport("cuda", degraded=False, recoveries=1)
    outputs = _ask(guard)
    assert (outputs.provider, outputs.degraded) == ("cuda", False)
    assert (len(fresh.calls), len(device.calls)) == (1, 1)
    guard.close()


def test_a_device_may_be_lost_again_and_come_back_again() -> None:
    devices = [Faulty() for _ in range(4)]
    others = iter(devices[1:])
    guard, ear = _guard(devices[0], lambda: next(others), Cpu, AT_ONCE)
    for device in devices[:-1]:
        ear.heard.clear()
        device.dead = True
        assert _ask(guard).degraded
        ear.wait_for("recoveries")
        assert not _ask(guard).degraded
    guard.close()


def test_no_ticket_waits_for_a_probe() -> None:
    device, door = Faulty(), Door(Faulty)
    door.hold()
    guard, _ = _guard(device, door, Cpu, AT_ONCE)
    device.dead = True
    _ask(guard)
    assert door.tried.acquire(timeout=PATIENCE_S)
    # The probe is under way, and stays so.
    assert [_ask(guard).degraded for _ in range(20)] == [True] * 20
    door.release()
    guard.close()


def test_losing_the_device_among_many_callers_counts_once_and_answers_all() -> None:
    barrier = threading.Barrier(8)

    class Falling(Faulty):
        def _run(self, *_: object) -> Outputs:
            barrier.wait(PATIENCE_S)
            raise DeviceLost("CUDA failure 700: an illegal memory access was encountered")

    guard, ear = _guard(Falling(), Faulty, Cpu)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda count: _ask(guard, count), range(1, 9)))
    assert [outputs.degraded for outputs in answers] == [True] * 8
    assert sum(report.losses for report in ear.heard) == 1
    guard.close()


def test_a_late_failure_of_the_old_session_does_not_lose_the_new_one() -> None:
    entered, leave = threading.Event(), threading.Event()

    class Late(Faulty):
        def _run(self, _: np.ndarray, shape: tuple[int, ...]) -> Outputs:
            if shape[0] > 1:
                entered.set()
                assert leave.wait(PATIENCE_S)
            raise DeviceLost("CUDA failure 719: unspecified launch failure")

    guard, ear = _guard(Late(), Faulty, Cpu, AT_ONCE)
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(_ask, guard, 5)
        assert entered.wait(PATIENCE_S)
        _ask(guard, 1)
        ear.wait_for("recoveries")
        leave.set()
        assert late.result(PATIENCE_S).degraded
    assert not guard.lost
    assert sum(report.losses for report in ear.heard) == 1
    guard.close()


def test_a_batch_waits_for_the_spare_that_is_still_being_opened() -> None:
    device, door = Faulty(), Door(Cpu)
    door.hold()
    guard, ear = _guard(device, Faulty, door)
    device.dead = True
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(_ask, guard)
        ear.wait_for("losses")
        assert not asked.done()
        door.release()
        assert asked.result(PATIENCE_S).degraded
    guard.close()


def test_without_a_graph_for_the_cpu_batches_fail_until_the_device_is_back() -> None:
    device, door = Faulty(), Door(Faulty)
    door.hold()
    guard, ear = _guard(device, door, None, AT_ONCE)
    device.dead = True
    for _ in range(3):
        with pytest.raises(InferenceFailed, match="no graph of the bundle runs on the CPU"):
            _ask(guard)
    door.release()
    ear.wait_for("recoveries")
    assert not _ask(guard).degraded
    guard.close()


def test_a_spare_that_does_not_open_fails_the_batch_and_is_tried_with_the_next_probe(
    caplog: pytest.LogCaptureFixture,
) -> None:
    device, cpu, gone = Faulty(), Door(Cpu, failures=1), Door(Faulty, failures=1)
    guard, _ = _guard(device, gone, cpu)
    device.dead = True
    with pytest.raises(InferenceFailed, match="there is no spare"):
        _ask(guard)
    assert "no spare session on the CPU" in caplog.text
    with pytest.raises(InferenceFailed, match="not there"):
        guard._recover()
    assert _ask(guard).degraded
    assert (cpu.tries, gone.tries) == (2, 1)
    guard._recover()
    assert not _ask(guard).degraded
    guard.close()


def test_closing_while_the_device_is_probed_ends_the_probing() -> None:
    device, door = Faulty(), Door(Faulty, failures=10**9)
    guard, _ = _guard(device, door, Cpu, AT_ONCE)
    device.dead = True
    _ask(guard)
    assert door.tried.acquire(timeout=PATIENCE_S)
    guard.close()
    tries = door.tries
    # Still answered, by the spare; nobody probes any more.
    assert _ask(guard).degraded
    assert door.tries == tries


def test_closing_does_not_wait_for_the_next_probe() -> None:
    device = Faulty()
    guard, _ = _guard(device, Faulty, Cpu, Backoff(first_s=10**6, most_s=10**6))
    device.dead = True
    _ask(guard)
    guard.close()
    assert guard.lost


def test_out_of_memory_is_reported_and_is_no_loss() -> None:
    guard, ear = _guard(Faulty(most=2), Faulty, Cpu)
    outputs = _ask(guard, 8)
    assert (outputs.provider, outputs.degraded) == ("cuda", False)
    assert {(report.retries, report.losses) for report in ear.heard} == {(1, 0)}
    guard.close()


def test_a_ticket_that_does_not_fit_alone_runs_on_the_cpu_and_the_others_do_not() -> None:
    class Narrow(Faulty):
        def run(self, ids_BL: IntArray, mask_BL: IntArray) -> Outputs:
            if ids_BL.shape[1] > 6:
                self.calls.append(ids_BL.shape)
                raise OutOfMemory("Failed to allocate memory for requested buffer")
            return super().run(ids_BL, mask_BL)

    cpu, device = Cpu(), Narrow()
    guard, _ = _guard(device, lambda: device, lambda: cpu)
    outputs = _ask(guard, 6)  # Of 2 to 7 tokens.
    assert (outputs.provider, outputs.degraded, guard.lost) == ("cpu", True, False)
    assert cpu.calls == [(1, 7)]
    assert outputs.calls > 1
    assert guard._fitting.most_tokens > 7
    alone, _ = _guard(Faulty(0), lambda: device, None)
    with pytest.raises(OutOfMemory):
        _ask(alone, 1)
    for one in (guard, alone):
        one.close()


def test_a_device_lost_in_the_middle_of_a_halved_batch_leaves_no_ticket_out() -> None:
    class Dying(Faulty):
        def _run(self, ids_BL: np.ndarray, shape: tuple[int, ...]) -> Outputs:
            self.dead = len(self.calls) >= 2
            return super()._run(ids_BL, shape)

    guard, ear = _guard(Dying(most=2), Faulty, Cpu)
    outputs = _ask(guard, 8)
    assert (outputs.provider, outputs.degraded) == ("cpu", True)
    assert sum(report.losses for report in ear.heard) == 1
    guard.close()


def test_a_ticket_that_the_graph_itself_fails_on_says_nothing_about_the_device() -> None:
    class Picky(Faulty):
        def _run(self, *_: object) -> Outputs:
            raise InferenceFailed("the graph failed: indices out of bounds")

    guard, ear = _guard(Picky(), Faulty, Cpu)
    with pytest.raises(InferenceFailed, match="out of bounds"):
        _ask(guard)
    assert (guard.lost, ear.heard) == (False, [])
    guard.close()


def test_a_ragged_batch_is_padded_for_a_spare_that_wants_it_so() -> None:
    device, cpu = Faulty(), Cpu()
    guard, _ = _guard(device, Faulty, lambda: Padding(cpu, 0))
    device.dead = True
    flat = Flat.of([ticket(2 + mark, mark) for mark in range(4)])
    outputs = guard.run_ragged(flat)
    assert (outputs.provider, outputs.degraded) == ("cpu", True)
    assert (device.calls, cpu.calls) == ([(4, flat.tokens)], [(4, 5)])
    np.testing.assert_array_equal(
        outputs.probabilities[TASK.name], [expected(mark) for mark in range(4)]
    )
    guard.close()


def test_probes_grow_rarer_and_begin_anew_only_for_a_device_that_lasted() -> None:
    clock, waits = Clock(), list[float]()

    class Noting(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            waits.append(timeout)
            return False

    def attempt() -> None:
        if len(waits) % 5:
            raise DeviceLost("still gone")

    probe = Probe(attempt, Backoff(first_s=1.0, most_s=6.0, healthy_s=100.0), clock)
    probe._closed = Noting()
    for passed_s in (0.0, 99.0, 100.0):
        clock.now_s += passed_s
        probe.begin()
        assert probe._thread is not None
        probe._thread.join(PATIENCE_S)
    assert waits == [1, 2, 4, 6, 6, 6, 6, 6, 6, 6, 1, 2, 4, 6, 6]
