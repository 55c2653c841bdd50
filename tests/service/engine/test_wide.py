"""A session on every core: opened once it is wanted, used for lone live tickets, done without."""

import asyncio
import logging
import threading
import time

import numpy as np
import pytest

from service.contract.tokens import IntArray
from service.engine.answer import BatchReport
from service.engine.batcher import WEIGHTS, Batch, Limits
from service.engine.cost import CostModel
from service.engine.engine import Engine
from service.engine.outputs import Outputs
from service.engine.runner import Runner
from service.engine.twins import Callers, Queue
from service.engine.waiting import Entry
from service.engine.wide import Wide
from service.engine.worker import Outcome, Worker
from service.errors import BundleRefused
from tests.service.engine.sessions import PATIENCE_S, TASK, Script, answer, expected, ticket

FAR_S = 1e12


class Scripted(Queue):
    """Gives out the batches it was made with, then None; notes what it hears."""

    def __init__(self, *batches: Batch[Callers]) -> None:
        super().__init__(Limits(), CostModel())
        self._batches = list(batches)
        self.asked: list[bool] = []
        self.learned: list[bool] = []
        self.finished: list[Batch[Callers]] = []

    def take(self, *, express: bool = False) -> Batch[Callers] | None:
        self.asked.append(express)
        return self._batches.pop(0) if self._batches else None

    def learn(
        self, batch: int, length: float, seconds: float, *, wide: bool = False, home: bool = True
    ) -> None:
        assert home
        assert batch * length > 0
        assert seconds >= 0
        self.learned.append(wide)

    def done(self, batch: Batch[Callers]) -> None:
        self.finished.append(batch)


class Noted:
    """Acts that note their name before they answer."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def named(self, name: str) -> Script:
        def act(ids_BL: IntArray) -> Outputs:
            self.names.append(name)
            return answer(ids_BL)

        return Script(act)


class Patient(Callers):
    """Callers that wait for ever."""

    def done(self) -> bool:
        return False


class Here(Wide):
    """A wide session that is open already."""

    def __init__(self, session: Runner) -> None:
        super().__init__(lambda: session)
        self._session = session


def _batch(*, wide: bool = True, weight: float = WEIGHTS["live"]) -> Batch[Callers]:
    return Batch(
        [Entry(ticket(5), FAR_S, weight, 0.0, Patient(b""))], [], 0.01, "emptied", wide=wide
    )


def _work(
    queue: Queue, session: Runner, wide: Wide | None, *, express: bool = False
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    left: list[Worker] = []
    Worker(
        "worker",
        session,
        queue,
        0,
        express=express,
        wide=wide,
        deliver=outcomes.append,
        leave=left.append,
    ).run()
    assert [worker.fault for worker in left] == [None]
    return outcomes


def test_a_live_ticket_that_has_the_machine_to_itself_runs_on_every_core() -> None:
    noted = Noted()
    queue = Scripted(_batch(), _batch(wide=False), _batch(weight=WEIGHTS["bulk"]))
    outcomes = _work(queue, noted.named("one core"), Here(noted.named("every core")))
    assert noted.names == ["every core", "one core", "one core"]
    assert [outcome.report.wide for outcome in outcomes] == [True, False, False]
    assert queue.learned == [True, False, False]


def test_without_a_wide_session_one_core_answers() -> None:
    noted = Noted()
    (outcome,) = _work(Scripted(_batch()), noted.named("one core"), None)
    assert (noted.names, outcome.report.wide) == (["one core"], False)


@pytest.mark.parametrize("express", [False, True])
def test_a_worker_takes_what_it_is_for_and_says_when_it_has_run(express: bool) -> None:
    batches = [_batch(wide=False), _batch(wide=False)]
    queue = Scripted(*batches)
    outcomes = _work(queue, Script(answer), None, express=express)
    assert queue.asked == [express] * 3
    assert queue.finished == batches
    assert [outcome.report.released for outcome in outcomes] == ["emptied"] * 2


def test_a_batch_that_failed_is_over_too() -> None:
    def fail(_: IntArray) -> Outputs:
        raise RuntimeError("the device fell over")

    queue = Scripted(_batch())
    (outcome,) = _work(queue, Script(fail), None)
    assert outcome.report.failed == len(queue.finished) == 1


def test_the_wide_session_is_opened_once_and_only_when_it_is_wanted() -> None:
    opened, may_open = [], threading.Event()

    def opener() -> Runner:
        assert may_open.wait(PATIENCE_S)
        opened.append(Script(answer))
        return opened[-1]

    wide = Wide(opener)
    wide.close()
    assert opened == []
    # Nobody waits for it: until it is there the caller does without.
    assert wide.session() is None
    assert wide.session() is None
    may_open.set()
    wide.close()
    assert [wide.session()] == opened


def test_a_wide_session_that_does_not_open_is_said_and_done_without(
    caplog: pytest.LogCaptureFixture,
) -> None:
    attempts = []

    def opener() -> Runner:
        attempts.append(1)
        raise BundleRefused("golden ticket 3 differs")

    wide = Wide(opener)
    assert wide.session() is None
    wide.close()
    assert wide.session() is None
    assert len(attempts) == 1
    assert "no call will use every core: golden ticket 3 differs" in caplog.text


async def test_an_engine_with_an_express_worker_and_a_wide_session_lives_and_closes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reports: list[BatchReport] = []
    wide = Wide(lambda: Script(answer))
    with caplog.at_level(logging.WARNING):
        async with Engine(
            [Script(answer), Script(answer)],
            0,
            Limits(),
            on_batch=reports.append,
            express=True,
            wide=wide,
        ) as engine:
            assert engine.alive
            answers = await asyncio.gather(
                *(engine.submit(ticket(2 + n % 30, n), time.monotonic() + 60.0) for n in range(200))
            )
            assert engine.alive
    for mark, got in enumerate(answers):
        np.testing.assert_array_equal(got.probabilities[TASK.name], expected(mark))
    assert not engine.alive
    assert sum(report.tickets for report in reports) == 200
    assert caplog.text == ""
