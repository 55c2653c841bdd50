"""Small batches on a grid of shapes, each with buffers of its own: the same answers."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from service.contract.tokens import Tokens, pad
from service.engine.cuda import Cuda
from service.engine.memory import HostMemory
from service.engine.quiet import Quiet
from service.engine.replays import BATCHES, LENGTHS, Replays
from service.engine.session import IDS, MASK, Session, open_native
from service.engine.slot import Feeds, FloatArray, Slot
from service.errors import InferenceFailed
from tests.service.engine.sessions import PATIENCE_S
from tests.tiny_bundle import DEFAULT_TASKS, GRAPH, TOKEN_LIMIT, write_bundle


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundles") / "bundle") / GRAPH


@pytest.fixture(scope="module")
def replaying(graph: Path) -> Session:
    session = Session.open(graph, DEFAULT_TASKS, "cpu", 1)
    session.replay(open_native(graph, "cpu", 1, Cuda()))
    return session


def _batch(size: int, seed: int, most: int = TOKEN_LIMIT) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    lengths = random.integers(1, most + 1, size=size)
    tickets = [random.integers(1, 200, size=length, dtype=np.int64) for length in lengths]
    return pad([Tokens(ids, truncated=False) for ids in tickets], 0)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9])
def test_a_replay_answers_as_the_call_that_it_stands_for(
    graph: Path, replaying: Session, size: int
) -> None:
    plain = Session.open(graph, DEFAULT_TASKS, "cpu", 1)
    for seed in range(20):
        batch = _batch(size, seed, most=1 + seed * 3)
        found, wanted = replaying.run(*batch), plain.run(*batch)
        found.check(DEFAULT_TASKS, size, has_scope=False)
        for name, rows in wanted.probabilities.items():
            np.testing.assert_allclose(found.probabilities[name], rows, atol=1e-6)


def test_only_what_fits_the_grid_is_replayed(replaying: Session) -> None:
    replays = replaying._replays
    assert replays is not None
    assert len(replays._slots) == len(BATCHES) * len([one for one in LENGTHS if one <= TOKEN_LIMIT])
    for size, length in ((1, 1), (1, 64), (3, 17), (4, 64)):
        arrays = replays.run(*_batch(size, 0, most=length))
        assert arrays is not None
        assert {len(array) for array in arrays} == {size}
    assert replays.run(*_batch(5, 0)) is None
    wide_BL = np.ones((1, TOKEN_LIMIT + 1), dtype=np.int64)
    assert replays.run(wide_BL, wide_BL) is None


def test_while_one_replay_is_under_way_others_are_computed_without(
    graph: Path, replaying: Session
) -> None:
    replays = replaying._replays
    assert replays is not None
    with replays._busy:
        assert replays.run(*_batch(1, 0)) is None
        assert replaying.run(*_batch(1, 0)).probabilities
    plain = Session.open(graph, DEFAULT_TASKS, "cpu", 1)
    batches = [_batch(1 + seed % 4, seed) for seed in range(100)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda batch: replaying.run(*batch), batches))
    for batch, answer in zip(batches, answers, strict=True):
        for name, rows in plain.run(*batch).probabilities.items():
            np.testing.assert_allclose(answer.probabilities[name], rows, atol=1e-6)


def _replays(graph: Path) -> tuple[Replays, Session]:
    session = Session.open(graph, DEFAULT_TASKS, "cpu", 1)
    native = open_native(graph, "cpu", 1, Cuda())

    def make(_: int) -> Slot:
        return session._slot(native, HostMemory())

    return Replays(make, (IDS, MASK), TOKEN_LIMIT), session


def test_replays_that_answer_something_else_are_not_used(
    graph: Path, caplog: pytest.LogCaptureFixture
) -> None:
    replays, session = _replays(graph)

    def other(feeds: Feeds, batch: int) -> list[FloatArray]:
        return [array + 0.01 for array in session._bound.run(feeds, batch)]

    replays.record(other)
    assert replays.run(*_batch(1, 0)) is None
    assert "no call will be replayed" in caplog.text


def test_a_graph_that_cannot_be_recorded_is_served_without(
    graph: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: int) -> Slot:
        raise InferenceFailed("operation not permitted when stream is capturing")

    session = Session.open(graph, DEFAULT_TASKS, "cpu", 1)
    replays = Replays(fail, (IDS, MASK), TOKEN_LIMIT)
    replays.record(session._bound.run)
    assert replays.run(*_batch(1, 0)) is None
    assert "stream is capturing" in caplog.text


def test_calls_go_side_by_side_and_a_recording_alone_before_those_that_come_after_it() -> None:
    quiet, order = Quiet(), list[str]()

    def record() -> None:
        with quiet.recording():
            order.append("recorded")

    def call(name: str) -> None:
        with quiet.call():
            order.append(name)

    with ThreadPoolExecutor(2) as pool:
        with quiet.call():
            pool.submit(call, "beside").result(PATIENCE_S)
            recording = pool.submit(record)
            while not quiet._recordings:
                assert not recording.done()
            after = pool.submit(call, "after")
            assert order == ["beside"]
        recording.result(PATIENCE_S)
        after.result(PATIENCE_S)
        assert order == ["beside", "recorded", "after"]
        with quiet.recording():
            late = pool.submit(call, "late")
            assert "late" not in order
        late.result(PATIENCE_S)
