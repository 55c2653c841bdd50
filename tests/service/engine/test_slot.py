"""Calls through buffers that stay: the same answers as the runtime's own, from any thread."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from service.contract.promises import Scope
from service.contract.tokens import Tokens, pad
from service.engine.cuda import Cuda
from service.engine.layout import Flat
from service.engine.memory import HostMemory
from service.engine.outputs import Outputs
from service.engine.session import Session, open_native
from service.errors import InferenceFailed
from tests.tiny_bundle import DEFAULT_TASKS, GRAPH, write_bundle
from tests.tiny_ragged import RAGGED_GRAPH, add_ragged

SCOPE = Scope(method="mahalanobis", threshold=40.0, kept=0.99, tickets=100)


@pytest.fixture(scope="module", params=[None, SCOPE], ids=["plain", "scoped"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bundles") / "bundle"
    return add_ragged(write_bundle(directory, scope=request.param), has_offsets=True)


def _bound(graph: Path) -> Session:
    native = open_native(graph, "cpu", 1, Cuda())
    return Session(native, DEFAULT_TASKS, "cpu", HostMemory())


def _tickets(count: int, seed: int = 0, most: int = 64) -> list[Tokens]:
    random = np.random.default_rng(seed)
    return [
        Tokens(random.integers(1, 200, size=size, dtype=np.int64), truncated=False)
        for size in random.integers(1, most, size=count)
    ]


def _assert_same(found: Outputs, wanted: Outputs) -> None:
    assert found.probabilities.keys() == wanted.probabilities.keys()
    for name, rows in wanted.probabilities.items():
        np.testing.assert_array_equal(found.probabilities[name], rows)
    assert (found.scope_B is None) == (wanted.scope_B is None)
    if wanted.scope_B is not None:
        np.testing.assert_array_equal(found.scope_B, wanted.scope_B)


@pytest.mark.parametrize("count", [1, 2, 7, 33])
def test_a_bound_call_answers_as_the_runtimes_own(bundle: Path, count: int) -> None:
    plain, bound = Session.open(bundle / GRAPH, DEFAULT_TASKS, "cpu", 1), _bound(bundle / GRAPH)
    batch = pad(_tickets(count), 0)
    _assert_same(bound.run(*batch), plain.run(*batch))


@pytest.mark.parametrize("count", [1, 2, 7, 33])
def test_a_bound_ragged_call_answers_as_the_runtimes_own(bundle: Path, count: int) -> None:
    graph = bundle / RAGGED_GRAPH
    flat = Flat.of(_tickets(count))
    wanted = Session.open(graph, DEFAULT_TASKS, "cpu", 1).run_ragged(flat)
    _assert_same(_bound(graph).run_ragged(flat), wanted)


def test_buffers_grow_and_shrinking_batches_leave_nothing_of_the_last_one(bundle: Path) -> None:
    plain, bound = Session.open(bundle / GRAPH, DEFAULT_TASKS, "cpu", 1), _bound(bundle / GRAPH)
    for count, most in ((2, 8), (600, 64), (3, 64), (5000, 4), (1, 2), (40, 30)):
        batch = pad(_tickets(count, seed=count, most=most), 0)
        _assert_same(bound.run(*batch), plain.run(*batch))


def test_an_answer_stays_what_it_was_when_the_buffers_are_used_again(bundle: Path) -> None:
    bound = _bound(bundle / GRAPH)
    first = bound.run(*pad(_tickets(4, seed=1), 0))
    kept = {name: rows.copy() for name, rows in first.probabilities.items()}
    bound.run(*pad(_tickets(4, seed=2), 0))
    for name, rows in kept.items():
        np.testing.assert_array_equal(first.probabilities[name], rows)


def test_calls_under_way_at_once_each_have_buffers_of_their_own(bundle: Path) -> None:
    plain, bound = Session.open(bundle / GRAPH, DEFAULT_TASKS, "cpu", 1), _bound(bundle / GRAPH)
    batches = [pad(_tickets(1 + seed % 9, seed), 0) for seed in range(200)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda batch: bound.run(*batch), batches))
    for batch, answer in zip(batches, answers, strict=True):
        _assert_same(answer, plain.run(*batch))
    assert bound._bound._slots is not None
    assert 1 <= len(bound._bound._slots._free) <= 4


def test_a_call_that_fails_leaves_the_session_sound(bundle: Path) -> None:
    bound = _bound(bundle / GRAPH)
    batch = pad(_tickets(2), 0)
    wanted = bound.run(*batch)
    wrong_BL = np.full((2, 4), 10**6, dtype=np.int64)
    for _ in range(3):
        with pytest.raises(InferenceFailed, match="the graph failed"):
            bound.run(wrong_BL, np.ones_like(wrong_BL))
    _assert_same(bound.run(*batch), wanted)


def test_a_slice_of_a_larger_batch_is_read_as_what_it_is(bundle: Path) -> None:
    bound = _bound(bundle / GRAPH)
    ids_BL, mask_BL = pad(_tickets(6), 0)
    wanted = bound.run(np.ascontiguousarray(ids_BL[:, ::2]), np.ascontiguousarray(mask_BL[:, ::2]))
    _assert_same(bound.run(ids_BL[:, ::2], mask_BL[:, ::2]), wanted)
