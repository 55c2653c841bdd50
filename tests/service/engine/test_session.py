"""A real graph on the CPU, and what is said where CUDA is asked for and missing."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from service.contract.promises import Scope
from service.contract.tasks import Task
from service.engine.cuda import check_provider, load
from service.engine.session import Session
from service.engine.trouble import DeviceLost, OutOfMemory
from service.errors import InferenceFailed, ProviderMissing
from tests.tiny_bundle import DEFAULT_TASKS, GRAPH, write_bundle


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundles") / "bundle") / GRAPH


@pytest.fixture(scope="module")
def session(graph: Path) -> Session:
    return Session.open(graph, DEFAULT_TASKS, "cpu", threads=1)


def _batch(size: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    ids_BL = np.arange(size * length, dtype=np.int64).reshape(size, length) % 150
    return ids_BL, np.ones_like(ids_BL)


def test_it_gives_each_task_a_row_of_probabilities_a_ticket(session: Session) -> None:
    answers = session.run(*_batch(3, 7)).probabilities
    assert list(answers) == [task.name for task in DEFAULT_TASKS]
    for task in DEFAULT_TASKS:
        assert answers[task.name].shape == (3, task.classes)
        assert answers[task.name].dtype == np.float32
        np.testing.assert_allclose(answers[task.name].sum(axis=1), 1.0, atol=1e-6)


def test_scaled_logits_give_the_probabilities(session: Session) -> None:
    batch = _batch(2, 5)
    logits, answers = session.logits(*batch), session.run(*batch).probabilities
    for task in DEFAULT_TASKS:
        powers = np.exp(0.8 * logits[task.name])
        wanted = powers / powers.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(answers[task.name], wanted, atol=1e-6)


def test_a_graph_with_a_scope_score_gives_one_number_a_ticket_beside_the_same_answers(
    session: Session, tmp_path: Path
) -> None:
    scope = Scope(method="mahalanobis", threshold=40.0, kept=0.99, tickets=100)
    graph = write_bundle(tmp_path / "bundle", scope=scope) / GRAPH
    scoped = Session.open(graph, DEFAULT_TASKS, "cpu", threads=1)
    batch = _batch(3, 7)
    with_scope, without = scoped.run(*batch), session.run(*batch)
    assert (scoped.has_scope, session.has_scope) == (True, False)
    assert without.scope_B is None
    assert with_scope.scope_B is not None
    assert (with_scope.scope_B.shape, with_scope.scope_B.dtype) == ((3,), np.float32)
    assert len(set(with_scope.scope_B.tolist())) == 3
    for name, rows in without.probabilities.items():
        np.testing.assert_array_equal(with_scope.probabilities[name], rows)
    assert list(scoped.logits(*batch)) == [task.name for task in DEFAULT_TASKS]


def test_it_says_what_it_is(session: Session) -> None:
    assert session.provider == "cpu"
    assert session.inputs == ("input_ids", "attention_mask")
    assert "category_probabilities" in session.outputs
    assert session.metadata["harbor.schema"] == "1"
    kind, shape = session.signature()["category_probabilities"]
    assert (kind, shape[1]) == ("tensor(float)", 3)


def test_a_token_outside_the_vocabulary_fails_and_the_session_lives_on(session: Session) -> None:
    ids_BL = np.full((1, 4), 10**6, dtype=np.int64)
    with pytest.raises(InferenceFailed, match="the graph failed"):
        session.run(ids_BL, np.ones_like(ids_BL))
    assert session.run(*_batch(1, 4)).probabilities


def test_a_task_that_the_graph_does_not_answer_fails(graph: Path) -> None:
    other = (Task(name="mood", labels=("good", "bad")),)
    with pytest.raises(InferenceFailed):
        Session.open(graph, other, "cpu", threads=1).run(*_batch(1, 4))


def test_a_file_that_is_no_graph_does_not_load(tmp_path: Path) -> None:
    path = tmp_path / "model.fp32.onnx"
    path.write_bytes(b"not a graph")
    with pytest.raises(InferenceFailed, match=r"model\.fp32\.onnx does not load"):
        Session.open(path, DEFAULT_TASKS, "cpu", threads=1)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("CUDA failure 719: unspecified launch failure ; GPU=0\nmore of it", DeviceLost),
        ("Non-zero status code\nBFCArena: Failed to allocate memory for requested", OutOfMemory),
        ("Non-zero status code", InferenceFailed),
    ],
)
def test_a_call_that_fails_says_what_became_of_the_device(
    said: str, kind: type[InferenceFailed]
) -> None:
    class Native:
        """As far as a session asks it."""

        def get_inputs(self) -> list[object]:
            return []

        get_outputs = get_inputs

        def get_modelmeta(self) -> SimpleNamespace:
            return SimpleNamespace(custom_metadata_map={})

        def run(self, *_: object) -> None:
            raise RuntimeError(said)

    session = Session(Native(), DEFAULT_TASKS, "cuda")  # type: ignore[arg-type]
    with pytest.raises(InferenceFailed) as failure:
        session.run(*_batch(1, 4))
    assert type(failure.value) is kind
    assert str(failure.value) == f"the graph failed: {said.splitlines()[0]}"


def test_a_session_that_fell_back_silently_is_found_out() -> None:
    check_provider(["CUDAExecutionProvider", "CPUExecutionProvider"], "cuda")
    with pytest.raises(ProviderMissing, match="CPUExecutionProvider"):
        check_provider(["CPUExecutionProvider"], "cuda")


def test_a_library_that_does_not_load_is_named() -> None:
    with pytest.raises(ProviderMissing, match=r"libharbor-is-no-library\.so"):
        load([Path("libharbor-is-no-library.so")])
