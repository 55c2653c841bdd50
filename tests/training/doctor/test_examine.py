"""The whole checklist: on a desk alone, and with a finished run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from tests.training.audit.planted import TASKS, amended, labelled, material, rows
from tests.training.desk import tiny_config, write_desk
from training.config import RunConfig, dump_config, parse_config
from training.config.model import ModelConfig
from training.data.dataset import UNLABELLED
from training.doctor import Check, examine, status
from training.doctor.command import doctor
from training.doctor.drawing import as_dataset, drawing
from training.doctor.examine import drawn
from training.doctor.lengths import lengths
from training.errors import TrainingError


def named(checks: list[Check], name: str) -> Check:
    (found,) = [one for one in checks if one.name == name]
    return found


@pytest.fixture(scope="module")
def seen(finished: Path, desk: Path, encoder: Path) -> list[Check]:
    return examine(desk, tiny_config(encoder), finished)


def test_every_item_of_the_checklist_is_there_with_its_reason(seen: list[Check]) -> None:
    items = {one.name.split(":")[0] for one in seen}
    assert items == {
        "label counts", "label noise", "size of the test split", "leakage", "realised sampling",
        "loss scales", "gradient cosine", "early stopping", "baselines present", "calibration",
        "token limit", "approach",
    }  # fmt: skip
    assert all(one.why and one.said for one in seen)
    assert all(bool(one.remedy) == (one.verdict != "pass") for one in seen)


def test_a_run_is_read_where_it_is_given(seen: list[Check]) -> None:
    assert "over the first" in named(seen, "loss scales").said
    assert "debiased ECE" in named(seen, "calibration: category").said


def test_a_run_of_other_tickets_is_refused(finished: Path, encoder: Path, tmp_path: Path) -> None:
    other = write_desk(tmp_path / "other.csv", 170)
    with pytest.raises(TrainingError, match="--run was trained on other tickets"):
        examine(other, tiny_config(encoder), finished)


def test_the_command_draws_writes_and_fails_where_a_word_leaks(
    encoder: Path, tmp_path: Path
) -> None:
    desk = write_desk(tmp_path / "desk.csv", 600)
    config = tmp_path / "run.yaml"
    config.write_text(dump_config(tiny_config(encoder)))
    arguments: dict[str, Any] = {"run": None, "baselines": None, "passes": 1.0}
    with (tmp_path / "shown").open("w") as stream:
        console = Console(width=150, file=stream)
        out = tmp_path / "made" / "doctor.json"
        code = doctor(data=desk, config=config, out=out, console=console, **arguments)
    document = json.loads(out.read_text())
    assert code == status([Check(**one) for one in document["checks"]]) == 1
    # In this desk one word stands for each urgency: what the audit is there for.
    assert named([Check(**one) for one in document["checks"]], "leakage").verdict == "fail"
    assert "Doctor" in (tmp_path / "shown").read_text()


@pytest.mark.parametrize(
    "sampling", ["composition", "proportional", "temperature", "sqrt", "round_robin", "oversample"]
)
def test_every_sampling_draws_what_it_states(sampling: str) -> None:
    config = parse_config({"batch": {"sampling": sampling}}, "test")
    assert drawing(material(rows()), config).verdict != "fail"


def test_a_scarce_task_that_repeats_is_warned_of() -> None:
    scarce = material(
        amended(lambda place, row: row if place % 12 == 0 else labelled(row, queue=""))
    )
    assert drawing(scarce, RunConfig()).verdict == "warn"
    proportional = parse_config({"batch": {"sampling": "proportional"}}, "test")
    assert drawing(scarce, proportional).verdict == "pass"


def test_the_sampler_sees_the_training_tickets_and_their_labels() -> None:
    desk = material(rows(300))
    dataset = as_dataset(desk)
    training = [row for row in desk.rows if desk.split_of[row.id] == "train"]
    assert len(dataset) == len(training)
    for column, task in enumerate(TASKS):
        known = [task.name in row.labels for row in training]
        assert (dataset.labels_NT[:, column] != UNLABELLED).tolist() == known
    assert dataset.lengths_N.tolist() == [len(row.text.split()) + 2 for row in training]


def test_texts_beyond_the_token_limit_are_counted(encoder: Path) -> None:
    desk = material(rows(300))
    cut = lengths(desk, ModelConfig(encoder=str(encoder), token_limit=8))
    whole = lengths(desk, ModelConfig(encoder=str(encoder), token_limit=8192))
    assert (cut.verdict, whole.verdict) == ("fail", "pass")
    assert whole.figure == "0.0 %"


def test_an_encoder_that_is_not_here_is_said_and_not_fetched() -> None:
    found = lengths(material(rows(300)), ModelConfig(encoder="nobody/no-such-encoder"))
    assert found.verdict == "warn"
    assert "not on this machine" in found.said


def test_a_large_desk_is_thinned_by_chance_in_its_order() -> None:
    desk = material(rows())
    thin = drawn(desk, 200)
    places = [desk.rows.index(row) for row in thin.rows]
    assert places == sorted(places)
    assert len(places) == 200
    assert np.mean(places) == pytest.approx(len(desk.rows) / 2, rel=0.15)
    assert {len(one) for one in thin.labels.values()} == {200}
    assert drawn(thin, 200) is thin
