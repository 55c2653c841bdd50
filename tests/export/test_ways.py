"""Every sharing scheme becomes the same kind of bundle, and what is not exported stays out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.build import build
from service.contract.bundle import read_manifest
from tests.training.desk import LIMIT, silent, tiny_config, write_desk, write_encoder
from tests.training.test_ways import SHARING
from training.checkpoint import load
from training.conclude import CHECKPOINT, conclude
from training.data.dataset import encode_rows
from training.data.read import read_table
from training.data.split import read_splits
from training.evaluate import predict
from training.run import start, train


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoders") / "tiny-bert")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_desk(tmp_path_factory.mktemp("desks") / "tickets.csv")


def trained(encoder: Path, desk: Path, directory: Path, **changes: Any) -> dict[str, Any]:
    """The report of a run of one epoch."""
    model = {"encoder": str(encoder), "token_limit": LIMIT, **changes.pop("model", {})}
    config = tiny_config(encoder, model=model, epochs=1, frozen_epochs=0, **changes)
    start(config, desk, directory)
    return conclude(train(directory, silent()), directory, silent())


@pytest.mark.parametrize("sharing", ["soft", "cross_stitch", "sluice", "ple", "prefix"])
@pytest.mark.parametrize("first", ["category", "urgency"])
def test_a_checkpoint_answers_as_the_run_did_whichever_task_is_left_out(
    sharing: str, first: str, encoder: Path, desk: Path, tmp_path: Path
) -> None:
    aside = {"role": "auxiliary", "exported": False}
    tasks = {name: aside if name == first else {} for name in ("category", "urgency")}
    trained(encoder, desk, tmp_path, tasks=tasks, model={"sharing": sharing})
    checkpoint = load(tmp_path / CHECKPOINT)
    kept = checkpoint.predictions["test"]
    rows = [ids for ids, split in read_splits(tmp_path / "splits.csv").items() if split == "test"]
    table = {row.id: row for row in read_table(desk, [], max_reject_share=1.0)[0].rows}
    dataset = encode_rows([table[one] for one in rows], checkpoint.tasks, checkpoint.tokenizer)
    again = predict(checkpoint.network, dataset, torch.device("cpu"))
    for task, logits_NC in again.items():
        assert np.abs(logits_NC - kept.logits[task]).max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("sharing", SHARING)
def test_a_bundle_does_not_tell_which_scheme_made_it(
    sharing: str, encoder: Path, desk: Path, tmp_path: Path
) -> None:
    trained(encoder, desk, tmp_path / "run", model={"sharing": sharing})
    build(tmp_path / "run" / CHECKPOINT, tmp_path / "bundle")
    manifest = read_manifest(tmp_path / "bundle")
    assert [task.name for task in manifest.tasks] == ["category", "urgency"]


def test_a_task_that_is_not_exported_is_measured_and_stays_out(
    encoder: Path, desk: Path, tmp_path: Path
) -> None:
    tasks = {
        "category": {"role": "auxiliary", "exported": False},
        "urgency": {"loss": "corn"},
    }
    report = trained(encoder, desk, tmp_path / "run", tasks=tasks, model={"sharing": "lora"})
    assert report["tasks"].keys() == {"urgency"}
    assert 0.0 <= report["unexported"]["category"]["accuracy"] <= 1.0
    checkpoint = load(tmp_path / "run" / CHECKPOINT)
    assert [task.name for task in checkpoint.tasks] == ["urgency"]
    assert [task.name for task in checkpoint.facts.unexported] == ["category"]
    build(tmp_path / "run" / CHECKPOINT, tmp_path / "bundle")
    assert [task.name for task in read_manifest(tmp_path / "bundle").tasks] == ["urgency"]
