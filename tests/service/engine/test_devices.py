"""An engine on devices that may be lost: what its callers see, and what is reported."""

import asyncio
import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest

from service.engine.answer import Answer, BatchReport
from service.engine.batcher import Limits
from service.engine.cost import CostModel
from service.engine.devices import Devices
from service.engine.engine import Engine
from service.engine.guard import Guard
from service.engine.layout import Layout
from service.engine.outputs import Outputs
from service.engine.padding import Padding
from service.engine.probe import Backoff
from service.engine.spare import Spare
from service.errors import Closing, InferenceFailed
from tests.service.engine.faulty import Cpu, Door, Faulty
from tests.service.engine.sessions import PATIENCE_S, TASK, expected, ticket

AT_ONCE = Backoff(first_s=0.0, most_s=0.0)
NEVER = Backoff(first_s=1000.0, most_s=1000.0)
SPARE_LIMITS = Limits(max_batch=2, budget_tokens=64)


def _soon() -> float:
    return time.monotonic() + 60.0


class Heard:
    """The reports of an engine, and a wait for what a test expects of them."""

    def __init__(self) -> None:
        self.reports: list[BatchReport] = []
        self._more = asyncio.Event()

    def __call__(self, report: BatchReport) -> None:
        self.reports.append(report)
        self._more.set()

    def total(self, what: str) -> int:
        return sum(getattr(report.device, what) for report in self.reports if report.device)

    async def until(self, what: str, count: int = 1) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.total(what) < count:
                self._more.clear()
                await self._more.wait()


def _engine(
    sessions: Sequence[Faulty],
    reopen: object,
    heard: Heard,
    *,
    backoff: Backoff = NEVER,
    layout: Layout = "padded",
    in_flight: int = 2,
) -> Engine:
    guards = [
        Guard(session, reopen, Spare(lambda: Padding(Cpu(), 0)), backoff=backoff)  # type: ignore[arg-type]
        for session in sessions
    ]
    return Engine(
        [guard for guard in guards for _ in range(in_flight)],
        0,
        Limits(layout=layout),
        on_batch=heard,
        devices=Devices(guards, SPARE_LIMITS),
        in_flight=in_flight,
    )


async def _ask(engine: Engine, marks: Sequence[int]) -> list[Answer]:
    answers = await asyncio.gather(
        *(engine.submit(ticket(2 + mark % 17, mark), _soon()) for mark in marks)
    )
    for mark, answer in zip(marks, answers, strict=True):
        np.testing.assert_array_equal(answer.probabilities[TASK.name], expected(mark))
    return answers


async def test_answers_say_where_they_were_computed() -> None:
    device, heard = Faulty(), Heard()
    async with _engine([device], Faulty, heard) as engine:
        assert {(one.provider, one.degraded) for one in await _ask(engine, range(9))} == {
            ("cuda", False)
        }
        device.dead = True
        assert {(one.provider, one.degraded) for one in await _ask(engine, range(9))} == {
            ("cpu", True)
        }
        await heard.until("losses")
    assert heard.total("losses") == 1
    assert sum(report.failed for report in heard.reports) == 0


async def test_an_engine_that_fell_back_at_the_start_says_so_in_every_answer() -> None:
    async with Engine([Cpu()], 0, Limits(), degraded=True) as engine:
        (answer,) = await _ask(engine, [3])
    assert (answer.provider, answer.degraded) == ("cpu", True)


@pytest.mark.parametrize("layout", ["padded", "ragged"])
async def test_out_of_memory_is_nothing_that_a_caller_notices(layout: Layout) -> None:
    device, heard = Faulty(most=3), Heard()
    async with _engine([device], Faulty, heard, layout=layout) as engine:
        answers = await _ask(engine, range(100))
        assert not any(answer.degraded for answer in answers)
        await heard.until("retries")
    assert heard.total("losses") == 0


@pytest.mark.parametrize("layout", ["padded", "ragged"])
async def test_every_caller_gets_one_answer_through_losses_and_recoveries(layout: Layout) -> None:
    devices, heard = [Faulty()], Heard()

    def reopen() -> Faulty:
        devices.append(Faulty())
        return devices[-1]

    engine = _engine(devices[:1], reopen, heard, backoff=AT_ONCE, layout=layout)
    async with engine:
        for turn in range(1, 6):
            asked = asyncio.create_task(_ask(engine, range(200)))
            await asyncio.sleep(0)
            devices[-1].dead = True
            assert len(await asked) == 200
            await _ask(engine, range(200, 210))
            await heard.until("recoveries", turn)
            (answer,) = await _ask(engine, [7])
            assert (answer.provider, answer.degraded) == ("cuda", False)
    assert heard.total("losses") == heard.total("recoveries") == 5
    last = [report.device for report in heard.reports if report.device][-1]
    assert (last.provider, last.degraded) == ("cuda", False)


async def test_batches_are_cut_for_the_cpu_while_it_stands_in() -> None:
    device, door, heard = Faulty(), Door(Faulty), Heard()
    door.hold()
    async with _engine([device], door, heard, backoff=AT_ONCE) as engine:
        device.dead = True
        await _ask(engine, [1])
        await heard.until("losses")
        answers = await _ask(engine, range(40))
        assert max(answer.batch_tickets for answer in answers) <= SPARE_LIMITS.max_batch
        # Whoever looks at a report of such a batch sees it, too.
        ran = [report for report in heard.reports if report.tickets]
        assert ran[-1].device is not None
        assert ran[-1].device.degraded
        door.release()
        await heard.until("recoveries")
        answers = await _ask(engine, range(40))
        assert max(answer.batch_tickets for answer in answers) > SPARE_LIMITS.max_batch


async def test_of_several_devices_the_others_go_on_and_the_engine_is_degraded() -> None:
    devices, heard = [Faulty(), Faulty()], Heard()
    async with _engine(devices, Faulty, heard) as engine:
        devices[1].dead = True
        for _ in range(50):
            await _ask(engine, range(40))
            if heard.total("losses"):
                break
        lost = [report.device for report in heard.reports if report.device][-1]
        assert (lost.provider, lost.degraded) == ("cuda", True)
        # The lost one's worker may have waited for a ticket already; then it leaves them alone.
        later = [(await _ask(engine, range(one, one + 1)))[0] for one in range(30)]
        assert [answer.provider for answer in later].count("cpu") <= 1
        devices[0].dead = True
        while heard.total("losses") < 2:
            await _ask(engine, range(40))
        both = [report.device for report in heard.reports if report.device][-1]
        assert (both.provider, both.degraded) == ("cpu", True)
        assert {answer.degraded for answer in await _ask(engine, range(9))} == {True}


async def test_several_devices_share_the_load() -> None:
    together = threading.Barrier(3)

    class Meeting(Faulty):
        def _run(self, ids_BL: np.ndarray, shape: tuple[int, ...]) -> Outputs:
            # Nobody goes on before every device has a batch.
            together.wait(PATIENCE_S)
            return super()._run(ids_BL, shape)

    devices = [Meeting() for _ in range(3)]
    async with _engine(devices, Faulty, Heard(), in_flight=1) as engine:
        await _ask(engine, range(3))
    assert [len(device.calls) for device in devices] == [1, 1, 1]


async def test_closing_while_the_device_falls_answers_all_that_was_queued() -> None:
    device, spare, heard = Faulty(), Door(Cpu), Heard()
    spare.hold()
    guard = Guard(device, Door(Faulty, failures=10**9), Spare(spare), backoff=AT_ONCE)  # type: ignore[arg-type]
    devices = Devices([guard], SPARE_LIMITS)
    engine = Engine([guard, guard], 0, Limits(), on_batch=heard, devices=devices)
    await engine.__aenter__()
    device.dead = True
    asked = asyncio.create_task(_ask(engine, range(30)))
    await heard.until("losses")
    closing = asyncio.create_task(engine.__aexit__(None, None, None))
    await asyncio.sleep(0)
    with pytest.raises(Closing):
        await engine.submit(ticket(5, 999), _soon())
    spare.release()
    assert {answer.degraded for answer in await asked} == {True}
    await closing
    assert not [one for one in threading.enumerate() if one.name == "harbor-probe"]


async def test_without_a_spare_every_caller_hears_of_the_failure() -> None:
    device, heard = Faulty(), Heard()
    guard = Guard(device, Faulty, None, backoff=NEVER)
    async with Engine(
        [guard], 0, Limits(), on_batch=heard, devices=Devices([guard], SPARE_LIMITS)
    ) as engine:
        device.dead = True
        results = await asyncio.gather(
            *(engine.submit(ticket(4, mark), _soon()) for mark in range(20)),
            return_exceptions=True,
        )
    assert {type(result).__mro__[1] for result in results} == {InferenceFailed}
    assert sum(report.failed for report in heard.reports) == 20


async def test_what_the_cpu_took_does_not_teach_the_devices_cost_and_the_reverse() -> None:
    class Noting(CostModel):
        def update(self, batch: int, length: float, seconds: float) -> None:
            learned.append(self)
            super().update(batch, length, seconds)

    learned: list[CostModel] = []
    device, heard, home = Faulty(), Heard(), Noting()
    guard = Guard(device, Faulty, Spare(Cpu), backoff=NEVER)
    async with Engine(
        [guard], 0, Limits(), on_batch=heard, devices=Devices([guard], SPARE_LIMITS), cost=home
    ) as engine:
        away = engine._devices._spare_cost = Noting()
        await _ask(engine, [1])
        device.dead = True
        await _ask(engine, [2])
        await heard.until("losses")
        await _ask(engine, [3])
    # The batch that found out took both.
    assert learned == [home, away]


async def test_a_device_that_is_lost_in_the_warm_up_is_stood_in_for_from_the_first_ticket() -> None:
    device, heard = Faulty(), Heard()
    device.dead = True
    guard = Guard(device, Faulty, Spare(Cpu), backoff=NEVER)
    devices = Devices([guard], SPARE_LIMITS)
    engine = Engine([guard], 0, Limits(), on_batch=heard, warm_up=[(8, 32)], devices=devices)
    async with engine:
        answers = await _ask(engine, range(30))
    assert {answer.degraded for answer in answers} == {True}
    assert max(answer.batch_tickets for answer in answers) <= SPARE_LIMITS.max_batch
    assert heard.total("losses") == 1


async def test_an_engine_that_fails_its_warm_up_leaves_no_thread_behind() -> None:
    device = Faulty()
    device.dead = True
    door = Door(Faulty, failures=10**9)
    guard = Guard(device, door, None, backoff=AT_ONCE)
    engine = Engine([guard], 0, Limits(), warm_up=[(8, 32)], devices=Devices([guard]))
    with pytest.raises(InferenceFailed, match="the device is lost"):
        await engine.__aenter__()
    assert not [one for one in threading.enumerate() if one.name.startswith("harbor-probe")]


async def test_a_device_runs_each_warm_up_shape_twice_and_teaches_with_the_second() -> None:
    class Noting(CostModel):
        def update(self, batch: int, length: float, seconds: float) -> None:
            learned.append((batch, int(length)))
            super().update(batch, length, seconds)

    learned: list[tuple[int, int]] = []
    device = Faulty()
    guard = Guard(device, Faulty, Spare(Cpu), backoff=NEVER)
    async with Engine(
        [guard, guard],
        0,
        Limits(),
        warm_up=[(8, 32), (1, 4)],
        devices=Devices([guard], SPARE_LIMITS),
        in_flight=2,
        cost=Noting(),
    ):
        assert device.calls == [(8, 32), (8, 32), (1, 4), (1, 4)]
        assert learned == [(8, 32), (1, 4)]
