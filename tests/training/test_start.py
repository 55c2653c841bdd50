"""What a run begins with: published weights, another run's encoder, a teacher."""

import dataclasses
from pathlib import Path

import pytest
import torch

from tests.training.desk import LIMIT, silent, tiny_config, write_encoder
from training.conclude import CHECKPOINT, conclude
from training.errors import ConfigError
from training.record import read_events
from training.run import start, train
from training.start import begin_encoder, check_builds


def trained(encoder: Path, desk: Path, directory: Path, sharing: str = "hard") -> Path:
    """The checkpoint of a run of two epochs."""
    model = {"encoder": str(encoder), "token_limit": LIMIT, "sharing": sharing}
    start(tiny_config(encoder, model=model, epochs=2, frozen_epochs=0), desk, directory)
    conclude(train(directory, silent()), directory, silent())
    return directory / CHECKPOINT


@pytest.fixture(scope="module")
def ended(encoder: Path, desk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a run with hard sharing; not to be written to."""
    return trained(encoder, desk, tmp_path_factory.mktemp("ended"))


@pytest.mark.parametrize("sharing", ["hard", "lora"])
def test_a_run_begins_where_another_ended(
    ended: Path, encoder: Path, desk: Path, tmp_path: Path, sharing: str
) -> None:
    checkpoint = ended if sharing == "hard" else trained(encoder, desk, tmp_path, sharing)
    model = {"encoder": str(encoder), "token_limit": LIMIT}
    published = begin_encoder(tiny_config(encoder, model=model))
    begun = begin_encoder(tiny_config(encoder, model={**model, "start": str(checkpoint)}))
    name = "encoder.layer.1.attention.self.query.weight"
    one, other = published.module.state_dict(), begun.module.state_dict()
    assert one.keys() == other.keys()
    assert not torch.equal(one[name], other[name])


def test_another_encoder_is_refused(ended: Path, encoder: Path) -> None:
    model = {"encoder": "minilm", "token_limit": LIMIT, "start": str(ended)}
    with pytest.raises(ConfigError, match=r"model.start checkpoint has another encoder"):
        begin_encoder(tiny_config(encoder, model=model))


def test_a_network_that_cannot_be_built_is_found_before_the_first_run(encoder: Path) -> None:
    sharing = {"scheme": "lora", "top_layers": 9}
    model = {"encoder": str(encoder), "token_limit": LIMIT, "sharing": sharing}
    with pytest.raises(ConfigError, match=r"top_layers must be at most 2, .*, found 9"):
        check_builds([tiny_config(encoder), tiny_config(encoder, model=model)])


def test_a_student_learns_from_a_teacher_and_is_warned_of_one_that_saw_the_test(
    ended: Path, desk: Path, tmp_path: Path
) -> None:
    small = write_encoder(tmp_path / "small")
    distill = {"teacher": str(ended), "hidden": 0.1}
    for seed, warned in ((7, False), (8, True)):
        lines: list[str] = []
        directory = tmp_path / str(seed)
        config = tiny_config(small, distill=distill, data={"split_seed": seed}, epochs=2)
        start(config, desk, directory)
        train(directory, dataclasses.replace(silent(), say=lines.append))
        assert any("the teacher learned from the same tickets" in line for line in lines) is warned
        steps = [one for one in read_events(directory / "events.jsonl") if one["event"] == "step"]
        assert "distill" in steps[-1]["objectives"]
