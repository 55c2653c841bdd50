"""A whole run: what it writes, that it learns, and what it refuses."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.training.desk import silent, tiny_config, write_desk
from tests.training.stopped import Interrupted, interrupted_after, losses
from training.checkpoint import load, load_facts
from training.conclude import calibrate, conclude
from training.config import dump_config
from training.errors import (
    AnswerError,
    CheckpointError,
    ConfigError,
    DataError,
    LossError,
    TrainingError,
)
from training.evaluate import predict
from training.record import read_events
from training.run import start, train


def test_a_run_learns_what_the_words_say(finished: Path) -> None:
    report = json.loads((finished / "report.json").read_text())
    category = report["tasks"]["category"]
    # Before calibration: a dozen calibration tickets do not outweigh the training split's shares.
    assert category["uncalibrated"]["accuracy"] > category["majority"]["accuracy"] + 0.1
    assert set(report["tasks"]["urgency"]) == {"test", "uncalibrated", "majority", "tfidf"}
    assert "qwk" in report["tasks"]["urgency"]["test"]
    for found in report["tasks"].values():
        assert all(found[model].keys() == found["test"].keys() for model in ("majority", "tfidf"))
    assert report["splits"]["train"]["rows"] == report["tickets"]["train"]


def test_every_epoch_is_recorded_with_every_task(finished: Path) -> None:
    events = read_events(finished / "events.jsonl")
    epochs = [event for event in events if event["event"] == "epoch"]
    assert [event["epoch"] for event in epochs] == [0, 1, 2]
    assert all(set(event["validation"]) == {"category", "urgency"} for event in epochs)
    assert events[0]["event"] == "start"
    assert events[0]["composition"] == {"category": 9, "urgency": 7}


def test_no_ticket_is_dropped_for_a_missing_label(finished: Path, desk: Path) -> None:
    rows = (finished / "splits.csv").read_text().splitlines()
    assert len(rows) == len(desk.read_text().splitlines())


def test_a_checkpoint_gives_the_logits_it_was_saved_with(finished: Path) -> None:
    trained = train(finished, silent())
    dataset = trained.datasets["test"]
    cpu = torch.device("cpu")
    before = predict(trained.network, dataset, cpu)
    after = predict(load(finished / "checkpoint").network, dataset, cpu)
    for task, logits in before.items():
        assert (logits == after[task]).all()


def test_a_calibration_from_few_tickets_is_said_to_be_rough(finished: Path) -> None:
    said: list[str] = []
    facts, kept = load_facts(finished / "checkpoint")
    offsets = {name: np.array(offset) for name, offset in facts.offsets.items()}
    listener = dataclasses.replace(silent(), say=said.append)
    calibrate(facts.tasks, kept["calibration"], offsets, listener)
    rough = [line for line in said if "is rough" in line]
    assert [line.split(":")[0] for line in rough] == ["task category", "task urgency"]


def test_a_network_that_says_no_number_is_not_calibrated(finished: Path) -> None:
    facts, kept = load_facts(finished / "checkpoint")
    offsets = {name: np.array(offset) for name, offset in facts.offsets.items()}
    kept["calibration"].logits["urgency"][:] = np.nan
    with pytest.raises(AnswerError, match="task urgency: every logit must be finite"):
        calibrate(facts.tasks, kept["calibration"], offsets, silent())


def test_a_checkpoint_keeps_what_the_network_said_to_tickets_it_did_not_learn(
    finished: Path,
) -> None:
    trained = train(finished, silent())
    facts, kept = load_facts(finished / "checkpoint")
    assert set(kept) == {"calibration", "test"}
    for split, found in kept.items():
        dataset = trained.datasets[split]
        logits = predict(trained.network, dataset, torch.device("cpu"))
        for task in facts.tasks:
            assert (found.logits[task.name] == logits[task.name]).all()
            assert (found.labels[task.name] == dataset.labels(task.name)).all()
        assert found.scope_N is not None
        assert found.scope_N.shape == (len(dataset),)


def test_the_offsets_take_the_class_weights_back(finished: Path) -> None:
    facts, _ = load_facts(finished / "checkpoint")
    labels = train(finished, silent()).datasets["train"].labels("category")
    counts = np.bincount(labels[labels >= 0])
    # Balanced weights are inverse shares, so the offsets differ as the logarithms of the counts.
    offset = facts.offsets["category"]
    assert offset[0] - offset[1] == pytest.approx(np.log(counts[0] / counts[1]), abs=1e-5)


def test_a_damaged_checkpoint_is_refused(finished: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished / "checkpoint", tmp_path / "checkpoint"))
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.safetensors differs"):
        load(copy)


def test_a_checkpoint_holds_no_path_of_this_machine(finished: Path, encoder: Path) -> None:
    for path in (finished / "checkpoint").iterdir():
        content = path.read_bytes()
        assert str(encoder.parent).encode() not in content, path.name


def test_the_encoder_rests_in_the_frozen_epoch_and_learns_after_it(
    finished: Path, encoder: Path, desk: Path, tmp_path: Path
) -> None:
    start(tiny_config(encoder, epochs=2), desk, tmp_path)
    tickets = json.loads((finished / "report.json").read_text())["tickets"]["train"]
    total = 2 * -(-tickets // 16)
    with pytest.raises(Interrupted):
        train(tmp_path, interrupted_after(total // 2))
    frozen = load_file(tmp_path / "state.safetensors")
    train(tmp_path, silent())
    tuned = load_file(tmp_path / "state.safetensors")
    original = load_file(encoder / "model.safetensors")
    name = "encoder.layer.0.output.dense.weight"
    assert torch.equal(frozen[f"network.trunk.encoder.{name}"], original[name])
    assert not torch.equal(tuned[f"network.trunk.encoder.{name}"], original[name])


def test_a_file_without_urgency_trains_one_head_less(encoder: Path, tmp_path: Path) -> None:
    data = write_desk(tmp_path / "plain.csv", urgency=False)
    config = tiny_config(encoder, tasks={"category": {}}, epochs=1)
    start(config, data, tmp_path / "run")
    conclude(train(tmp_path / "run", silent()), tmp_path / "run", silent())
    assert [task.name for task in load(tmp_path / "run" / "checkpoint").tasks] == ["category"]


def test_an_ordinal_loss_on_labels_without_an_order_is_refused(
    encoder: Path, desk: Path, tmp_path: Path
) -> None:
    start(tiny_config(encoder, tasks={"category": {"loss": "corn"}}), desk, tmp_path)
    with pytest.raises(ConfigError, match=r"tasks.category.loss corn needs ordered labels"):
        train(tmp_path, silent())


def test_a_class_of_one_ticket_is_refused(encoder: Path, desk: Path, tmp_path: Path) -> None:
    labels = ["billing", "technical", "sales"]
    start(tiny_config(encoder, tasks={"category": {"labels": labels}}), desk, tmp_path)
    with pytest.raises(DataError, match=r"'sales' needs 2 tickets or more, found 0; take it out"):
        train(tmp_path, silent())


def test_a_loss_that_is_not_finite_stops_before_the_step(
    encoder: Path, desk: Path, tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(encoder, tmp_path / "broken"))
    weights = load_file(broken / "model.safetensors")
    weights["embeddings.LayerNorm.weight"][0] = float("nan")
    from safetensors.torch import save_file

    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    start(tiny_config(broken), desk, tmp_path / "run")
    with pytest.raises(LossError, match="task category must be finite") as caught:
        train(tmp_path / "run", silent())
    assert caught.value.task == "category"
    assert losses(tmp_path / "run") == []


def test_a_second_run_into_the_same_directory_is_refused(
    finished: Path, encoder: Path, desk: Path
) -> None:
    with pytest.raises(TrainingError, match="holds a run already"):
        start(tiny_config(encoder), desk, finished)


def test_a_run_does_not_go_on_with_other_tickets(encoder: Path, tmp_path: Path) -> None:
    data = write_desk(tmp_path / "tickets.csv")
    start(tiny_config(encoder), data, tmp_path / "run")
    with pytest.raises(Interrupted):
        train(tmp_path / "run", interrupted_after(5))
    write_desk(data, tickets=170)
    with pytest.raises(DataError, match="changed since the run began"):
        train(tmp_path / "run", silent())


def test_bad_data_is_found_before_an_encoder_is_loaded(tmp_path: Path) -> None:
    data = write_desk(tmp_path / "tickets.csv", urgency=False)
    start(tiny_config(tmp_path / "no-such-encoder"), data, tmp_path / "run")
    with pytest.raises(DataError, match="no column for the task urgency"):
        train(tmp_path / "run", silent())


def test_a_token_limit_beyond_the_encoders_positions_is_refused(
    encoder: Path, desk: Path, tmp_path: Path
) -> None:
    config = tiny_config(encoder, model={"encoder": str(encoder), "token_limit": 65})
    start(config, desk, tmp_path)
    with pytest.raises(ConfigError, match="at most 64"):
        train(tmp_path, silent())


def test_the_saved_configuration_is_the_whole_one(finished: Path, encoder: Path) -> None:
    saved = (finished / "checkpoint" / "config.yaml").read_text()
    assert saved.splitlines()[0] == "tasks:"
    assert "encoder_rate: 0.001" in saved
    assert dump_config(tiny_config(encoder)).replace(str(encoder), encoder.name) == saved
