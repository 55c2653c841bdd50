"""A graph in half precision is calibrated for itself, on the very tickets of the run's split."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from export.build import Extra, build, default_version
from export.errors import ExportError, WrongCheckpoint
from export.graph import build_graph
from export.listener import SILENT
from export.read_again import calibration_tickets
from export.variants import Source, add_variant, check_names
from service.contract.bundle import Variant, read_manifest
from tests.export.conftest import PROMISES
from tests.export.graphs import SCOPE
from tests.export.tiny import CALIBRATION, TASKS, tiny_tickets
from training.checkpoint import Checkpoint, Facts, load
from training.config import RunConfig
from training.config.tasks import TaskConfig
from training.data.dataset import encode_rows
from training.data.read import read_table
from training.data.sample import write_csv
from training.data.split import group_rows, split_by_group, split_by_time
from training.data.table import Row, Table
from training.predictions import Predictions
from training.prepare import Wanted

FIRST = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def full(full_directory: Path) -> Checkpoint:
    """The tiny checkpoint with predictions, read; not to be changed."""
    return load(full_directory)


@pytest.fixture(scope="module")
def tickets(full: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of tickets."""
    path = tmp_path_factory.mktemp("tickets") / "tickets.csv"
    rows = [
        replace(row, created_at=FIRST + timedelta(hours=place))
        for place, row in enumerate(tiny_tickets(full.network, 300, 8))
    ]
    write_csv(path, rows, tuple(CALIBRATION))
    return path


def config(split: str = "group", seed: int = 7, *, stream: bool = False) -> RunConfig:
    known = RunConfig(
        tasks={task.name: TaskConfig(labels=task.labels, kind=task.kind) for task in TASKS}
    )
    update = {"split": split, "split_seed": seed, "stream": stream}
    return known.model_copy(update={"data": known.data.model_copy(update=update)})


def trained(full: Checkpoint, tickets: Path, run: RunConfig) -> tuple[Checkpoint, list[Row]]:
    """A checkpoint that a run on this file would have left, and its calibration split."""
    table, _ = read_table(tickets, [Wanted(task.name, task.labels) for task in TASKS])
    groups, data = group_rows(table), run.data
    assignment = (
        split_by_time(table, data.shares, groups)
        if data.split == "time"
        else split_by_group(table, data.shares, data.split_seed, groups)
    )
    rows = [row for row in table.rows if assignment[row.id] == "calibration"]
    return replace(full, config=run, facts=facts(full, table), predictions=kept(full, rows)), rows


def facts(full: Checkpoint, table: Table) -> Facts:
    return full.facts.model_copy(update={"data_fingerprint": f"sha256:{table.fingerprint}"})


def kept(full: Checkpoint, rows: list[Row]) -> dict[str, Predictions]:
    dataset = encode_rows(rows, TASKS, full.tokenizer)
    labels = {task.name: dataset.labels(task.name) for task in TASKS}
    logits = {task.name: np.zeros((len(rows), task.classes), np.float32) for task in TASKS}
    return {"calibration": Predictions(logits, labels)}


@pytest.mark.parametrize("split", ["group", "time"])
def test_the_calibration_split_is_found_again(full: Checkpoint, tickets: Path, split: str) -> None:
    checkpoint, rows = trained(full, tickets, config(split))
    found = calibration_tickets(checkpoint, tickets)
    assert found.ids == tuple(row.id for row in rows)
    assert 20 < len(found) < 120


def test_another_file_is_refused(full: Checkpoint, tickets: Path, tmp_path: Path) -> None:
    checkpoint, _ = trained(full, tickets, config())
    write_csv(tmp_path / "other.csv", tiny_tickets(full.network, 60, 9), tuple(CALIBRATION))
    with pytest.raises(WrongCheckpoint, match=r"other\.csv has the fingerprint sha256:"):
        calibration_tickets(checkpoint, tmp_path / "other.csv")


def test_another_split_is_refused(full: Checkpoint, tickets: Path) -> None:
    checkpoint, _ = trained(full, tickets, config(seed=7))
    with pytest.raises(WrongCheckpoint, match="splits into other tickets than the run's"):
        calibration_tickets(replace(checkpoint, config=config(seed=8)), tickets)


def test_a_checkpoint_without_predictions_and_a_streamed_run_are_refused(
    full: Checkpoint, tickets: Path
) -> None:
    checkpoint, _ = trained(full, tickets, config(stream=True))
    with pytest.raises(WrongCheckpoint, match="streamed its tickets"):
        calibration_tickets(checkpoint, tickets)
    with pytest.raises(WrongCheckpoint, match="holds no predictions"):
        calibration_tickets(replace(checkpoint, predictions={}), tickets)


@pytest.mark.slow
def test_with_tickets_it_has_its_own_calibration_and_promises(
    full: Checkpoint, promising: Path, tmp_path: Path
) -> None:
    # A flat calibration: that of a random network magnifies what half precision changes.
    flat = full.facts.model_copy(update={"calibration": CALIBRATION})
    full = replace(full, facts=flat, scope=SCOPE)
    known: Variant = read_manifest(promising).variants[0]
    graph = build_graph(full.network, TASKS, full.calibration, full.tokenizer.limit, SCOPE)
    (tmp_path / known.file).write_bytes(graph)
    rows = tiny_tickets(full.network, 800, 4)
    dataset = encode_rows(rows, TASKS, full.tokenizer)
    added = add_variant(Source(full, tmp_path, known, dataset, PROMISES), "fp16", SILENT)
    found = added.variant
    assert set(found.thresholds) == set(known.thresholds)
    assert added.closeness.texts > 1800
    for task in TASKS:
        one, other = found.calibration[task.name], known.calibration[task.name]
        assert one.method == other.method
        assert one.scale != other.scale
        np.testing.assert_allclose(one.scale, other.scale, rtol=0.05)


def test_unknown_and_doubled_names_are_refused(full_directory: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="a variant is one of fp16, fp32-ragged, fp16-ragged"):
        build(full_directory, tmp_path / "new", extra=Extra(("fp8",)))
    with pytest.raises(ExportError, match="stands twice"):
        check_names(("fp16", "fp16"))
    assert list(tmp_path.iterdir()) == []


def test_tickets_without_a_graph_that_they_calibrate_are_refused(
    full_directory: Path, tickets: Path, tmp_path: Path
) -> None:
    for names in ((), ("fp32-ragged",)):
        with pytest.raises(ExportError, match="no such variant is asked for"):
            build(full_directory, tmp_path / "new", extra=Extra(names, tickets))
    assert not (tmp_path / "new").exists()


def test_other_variants_have_another_version(full: Checkpoint) -> None:
    versions = [
        default_version(full, None, extra)
        for extra in (Extra(), Extra(("fp16",)), Extra(("fp16", "fp32-ragged")))
    ]
    assert len(set(versions)) == 3
    assert all(one.startswith(versions[0]) for one in versions)
