"""A graph is asked for what it says without calibration."""

from pathlib import Path

import numpy as np
import pytest

from export.asking import ask
from export.remake import Opened
from service.engine.session import Session
from service.errors import InferenceFailed
from tests.export.desk import altered
from tests.export.tiny import TASKS, tiny_answers
from training.checkpoint import load
from training.data.dataset import Dataset, encode_rows
from training.data.table import Row


@pytest.fixture(scope="module")
def dataset(promising: Path, drifted_rows: list[Row]) -> Dataset:
    """Some tickets, as the bundle reads them."""
    return encode_rows(drifted_rows[:40], TASKS, Opened.read(promising).tokenizer)


def test_the_answers_are_those_of_the_network_in_the_order_of_the_tickets(
    promising: Path, full_directory: Path, drifted_rows: list[Row], dataset: Dataset
) -> None:
    checkpoint, done = load(full_directory), list[int]()
    session = Session.open(promising / "model.fp32.onnx", TASKS, "cpu", threads=1)
    found = ask(session, dataset, done.append)
    assert checkpoint.scope is not None
    wanted = tiny_answers(checkpoint.network, checkpoint.scope, drifted_rows[:40])
    assert sum(done) == 40
    assert found.scope_N is not None
    assert wanted.scope_N is not None
    np.testing.assert_allclose(found.scope_N, wanted.scope_N, rtol=1e-4)
    for name, logits_NC in wanted.logits.items():
        np.testing.assert_allclose(found.logits[name], logits_NC, atol=1e-4)
        np.testing.assert_array_equal(found.labels[name], wanted.labels[name])


@pytest.mark.parametrize(
    ("initialiser", "output"),
    [("network.heads.urgency.1.bias", "urgency_logits"), ("scope.mean", "scope_score")],
)
def test_an_answer_that_is_not_finite_is_refused_by_its_output(
    promising: Path, dataset: Dataset, tmp_path: Path, initialiser: str, output: str
) -> None:
    session = altered(promising, tmp_path, initialiser, float("nan"))
    with pytest.raises(InferenceFailed, match=f"output {output} has a value that is not finite"):
        ask(session, dataset)
