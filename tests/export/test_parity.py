"""The parity gate passes the checkpoint's own graph and stops any other."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto

from export.errors import ParityError
from export.parity import (
    BATCHES,
    BUDGET_TOKENS,
    SCOPE_TOLERANCE,
    batch_lengths,
    check_parity,
    total_texts,
)
from export.texts import Desk
from service.contract.ticket import render
from service.engine.session import Session
from tests.export.desk import altered
from tests.export.tiny import LIMIT, TASKS
from training.checkpoint import Checkpoint, load


def test_the_checkpoint_s_own_graph_passes_over_a_thousand_texts_of_all_lengths(
    checkpoint: Checkpoint, sealed: Path
) -> None:
    done: list[int] = []
    session = Session.open(sealed / "model.fp32.onnx", TASKS, "cpu", threads=1)
    report = check_parity(checkpoint, session, done.append)
    assert report.texts == total_texts() == sum(done) >= 1000
    assert set(done) == set(report.batch_sizes) == {1, 3, 8, 32}
    assert (report.shortest, report.longest) == (2, LIMIT)
    assert report.max_dp.keys() == {task.name for task in TASKS}
    assert max(report.max_dp.values()) <= 1e-5


@pytest.mark.parametrize(
    ("name", "by"),
    [("urgency_bias", 1e-3), ("category_scale", 1e-2), ("network.heads.category.1.bias", 1e-3)],
)
def test_a_graph_whose_weights_were_altered_fails(
    checkpoint: Checkpoint, sealed: Path, tmp_path: Path, name: str, by: float
) -> None:
    with pytest.raises(ParityError, match=r"differs from the checkpoint's by .*, at most 1e-05"):
        check_parity(checkpoint, altered(sealed, tmp_path, name, by))


def test_a_graph_that_answers_nan_fails(
    checkpoint: Checkpoint, sealed: Path, tmp_path: Path
) -> None:
    with pytest.raises(ParityError, match="nan"):
        check_parity(checkpoint, altered(sealed, tmp_path, "urgency_bias", float("nan")))


@pytest.fixture(scope="module")
def scoped(full_directory: Path) -> Checkpoint:
    """A checkpoint with a scope score, of which `promising` was built."""
    return load(full_directory)


def test_a_scope_score_is_compared_too(scoped: Checkpoint, promising: Path) -> None:
    session = Session.open(promising / "model.fp32.onnx", TASKS, "cpu", threads=1)
    report = check_parity(scoped, session)
    assert report.max_scope is not None
    assert report.max_scope <= SCOPE_TOLERANCE == report.stable()["scope_tolerance"]
    with pytest.raises(ParityError, match="the checkpoint gives no scope score"):
        check_parity(replace(scoped, scope=None), session)


@pytest.mark.parametrize(("by", "found"), [(0.05, ".*"), (float("nan"), "nan")])
def test_a_scope_score_whose_weights_were_altered_fails(
    scoped: Checkpoint, promising: Path, tmp_path: Path, by: float, found: str
) -> None:
    session = altered(promising, tmp_path, "scope.mean", by)
    rule = f"a scope score .* by a share of {found}, at most 5e-04"
    with pytest.raises(ParityError, match=rule):
        check_parity(scoped, session)


def test_a_graph_without_the_checkpoint_s_scope_score_fails(
    scoped: Checkpoint, promising: Path, tmp_path: Path
) -> None:
    model: ModelProto = onnx.load(promising / "model.fp32.onnx")
    (score,) = (entry for entry in model.graph.output if entry.name == "scope_score")
    model.graph.output.remove(score)
    onnx.save(model, tmp_path / "graph.onnx")
    session = Session.open(tmp_path / "graph.onnx", TASKS, "cpu", threads=1)
    with pytest.raises(ParityError, match="the graph gives no scope score"):
        check_parity(scoped, session)


@pytest.mark.parametrize("limit", [8, 128, 512, 8192])
def test_lengths_run_from_two_tokens_to_the_limit_in_every_batch_size(limit: int) -> None:
    for size, number in BATCHES.items():
        batches = list(batch_lengths(size, number, limit))
        lengths = np.array(batches)
        assert lengths.shape == (number, size)
        assert lengths.min() == 2
        assert lengths.max() == min(limit, BUDGET_TOKENS // size)


def test_a_desk_s_ticket_has_the_wanted_length_or_stops_at_the_last_word_that_fits(
    checkpoint: Checkpoint,
) -> None:
    desk = Desk(checkpoint.tokenizer)
    for length in range(2, LIMIT + 1):
        ticket = desk.ticket(length)
        tokens = checkpoint.tokenizer.encode(render(ticket.subject, ticket.body))
        assert len(tokens) <= length
        assert len(tokens) == length or length < LIMIT


def test_a_desk_tells_the_same_tickets_every_time(checkpoint: Checkpoint) -> None:
    first, second = Desk(checkpoint.tokenizer), Desk(checkpoint.tokenizer)
    for length in (5, 20, LIMIT):
        assert first.ticket(length) == second.ticket(length)
