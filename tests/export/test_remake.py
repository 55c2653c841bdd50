"""A variant is judged on the tickets of its scope, and its graph gets the new calibration."""

from pathlib import Path

import numpy as np
import pytest

from export.errors import GraphError
from export.initialisers import with_calibration
from export.remake import judged
from service.contract.bundle import Calibration, Variant
from service.contract.promises import Scope
from service.contract.tasks import Task
from tests.export.desk import promises
from training.errors import PromiseRefused
from training.predictions import Predictions

TASK = Task(name="queue", labels=("a", "b"))
SCOPE = Scope(method="mahalanobis", threshold=10.0, kept=0.99, tickets=800)
VARIANT = Variant(
    file="model.fp32.onnx",
    precision="fp32",
    layout="padded",
    providers=("cpu",),
    calibration={"queue": Calibration(method="none", scale=(1.0, 1.0), bias=(0.0, 0.0))},
    quality={},
    scope=SCOPE,
    golden="golden.fp32.json",
    tolerance=1e-4,
)


def answers(tickets: int, outside: int) -> Predictions:
    """Mostly right, to tickets of which the last ones are out of scope."""
    random, place_N = np.random.default_rng(0), np.arange(tickets)
    labels_N = place_N % 2
    logit_N = (2.0 * labels_N - 1.0) + random.normal(size=tickets)
    scope_N = np.where(place_N < tickets - outside, 5.0, 20.0)
    return Predictions(
        {"queue": np.stack([-logit_N, logit_N], axis=1)}, {"queue": labels_N}, scope_N
    )


def test_on_few_tickets_the_limit_stays_and_strangers_are_never_counted_as_auto() -> None:
    few = answers(90, 30)
    asked = promises(queue={"coverage": 0.5})
    found = judged(VARIANT, (TASK,), few, asked, {}, whole=True)
    promise = found.thresholds["queue"].promise
    assert promise is not None
    assert promise.evidence.tickets == 90
    assert promise.evidence.accepted <= 60
    assert found.scope == SCOPE
    assert "the limit of the scope stays: 90 tickets are too few to set it anew" in found.notes
    rule = "out of reach: only 60 of 90 labelled tickets are in scope"
    with pytest.raises(PromiseRefused, match=rule):
        judged(VARIANT, (TASK,), few, promises(queue={"coverage": 0.8}), {}, whole=True)


def test_the_limit_is_set_anew_only_where_all_tasks_are() -> None:
    many = answers(200, 30)
    found = judged(VARIANT, (TASK,), many, None, {}, whole=True)
    assert found.scope is not None
    assert (found.scope.tickets, found.scope.threshold) == (200, 20.0)
    assert not any("scope" in note for note in found.notes)
    found = judged(VARIANT, (TASK,), many, None, {}, whole=False)
    assert found.scope == SCOPE
    stays = "the limit of the scope stays: what the other tasks promise was shown with it"
    assert stays in found.notes


def test_a_limit_that_the_tickets_cannot_set_is_kept() -> None:
    asked = promises(scope=0.999)
    assert judged(VARIANT, (TASK,), answers(200, 30), asked, {}, whole=True).scope == SCOPE


def test_a_variant_without_a_limit_gets_none() -> None:
    free = VARIANT.model_copy(update={"scope": None})
    found = judged(free, (TASK,), answers(200, 30), None, {}, whole=False)
    assert found.scope is None
    assert found.notes == ()


def test_a_graph_without_the_initialiser_or_with_another_size_is_refused(promising: Path) -> None:
    graph = (promising / "model.fp32.onnx").read_bytes()
    one = Calibration(method="none", scale=(1.0,), bias=(0.0,))
    with pytest.raises(GraphError, match="no initialiser queue_scale"):
        with_calibration(graph, {"queue": one})
    with pytest.raises(GraphError, match=r"urgency_scale has the shape \[4\], the calibration 1"):
        with_calibration(graph, {"urgency": one})
