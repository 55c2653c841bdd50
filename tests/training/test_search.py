"""The search: resumable, within its budget, and blind to the test split."""

import csv
import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from tests.training.desk import silent, tiny_config, write_desk
from training.config import RunConfig, parse_config, read_config
from training.errors import TrainingError
from training.search import Found, search
from training.search_space import Space


def small(encoder: Path, **changes: object) -> RunConfig:
    return tiny_config(encoder, epochs=2, frozen_epochs=0, **changes)


def lines(out: Path) -> list[dict[str, str]]:
    with (out / "trials.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


class Interrupted(Exception):
    """Stands for a kill."""


def interrupted_at(trial: int, step: int) -> Any:
    """A listener that stops the search in the middle of a trial."""
    said: list[str] = []

    def stop(found: int, _: dict[str, float]) -> None:
        if found == step and said[-1].startswith(f"trial {trial}:"):
            raise Interrupted

    def say(line: str) -> None:
        if line.startswith("trial "):
            said.append(line)

    return dataclasses.replace(silent(), step=stop, say=say)


@pytest.fixture(scope="module")
def found(
    encoder: Path, desk: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Found]:
    """A search of two trials that nobody disturbed."""
    out = tmp_path_factory.mktemp("search")
    return out, search(small(encoder), desk, out, 2, None, silent())


def test_the_best_trial_is_written_as_a_configuration(
    found: tuple[Path, Found], encoder: Path
) -> None:
    out, best = found
    assert best.trials == 2
    assert read_config(out / "best.yaml") == best.config
    written = lines(out)
    assert [line["trial"] for line in written] == ["0", "1"]
    assert best.metric == max(float(line["metric"]) for line in written)
    # The first trial is the configuration itself: the best cannot be worse.
    assert float(written[0]["encoder_rate"]) == small(encoder).optimizer.encoder_rate
    assert len({line["encoder_rate"] for line in written}) == 2


def test_no_trial_is_ever_tested(found: tuple[Path, Found]) -> None:
    directories = sorted((found[0] / "trials").iterdir())
    assert len(directories) == 2
    for directory in directories:
        left = {path.name for path in directory.iterdir()}
        assert not left & {"checkpoint", "report.json", "state.safetensors", "best.safetensors"}


@pytest.mark.slow
def test_a_search_that_was_killed_finds_what_it_would_have_found(
    found: tuple[Path, Found], encoder: Path, desk: Path, tmp_path: Path
) -> None:
    for trial, step in ((0, 5), (1, 9)):
        with pytest.raises(Interrupted):
            search(small(encoder), desk, tmp_path, 2, None, interrupted_at(trial, step))
    again = search(small(encoder), desk, tmp_path, 2, None, silent())
    assert again == found[1]
    assert lines(tmp_path) == lines(found[0])


def test_a_search_that_is_done_trains_nothing_more(
    found: tuple[Path, Found], encoder: Path, desk: Path
) -> None:
    assert search(small(encoder), desk, found[0], 2, None, silent()) == found[1]


def test_when_the_time_is_over_the_trial_waits(
    found: tuple[Path, Found], encoder: Path, desk: Path, tmp_path: Path
) -> None:
    # 1 minute; each look at the clock takes 30 seconds: it is over after the first epoch.
    ticks = iter(range(0, 10_000, 30))
    with pytest.raises(TrainingError, match="no trial has come to its end"):
        search(small(encoder), desk, tmp_path, 2, 1.0, silent(), lambda: float(next(ticks)))
    assert [line["state"] for line in lines(tmp_path)] == ["running"]
    assert search(small(encoder), desk, tmp_path, 2, None, silent()) == found[1]


def test_another_configuration_is_refused(
    found: tuple[Path, Found], encoder: Path, desk: Path
) -> None:
    with pytest.raises(TrainingError, match="begun with another configuration"):
        search(small(encoder, class_weights="none"), desk, found[0], 4, None, silent())


@pytest.mark.slow
def test_other_tickets_are_refused(encoder: Path, desk: Path, tmp_path: Path) -> None:
    search(small(encoder), desk, tmp_path, 1, None, silent())
    other = write_desk(tmp_path / "other.csv", tickets=150)
    with pytest.raises(TrainingError, match="begun with other tickets"):
        search(small(encoder), other, tmp_path, 2, None, silent())


@pytest.mark.slow
def test_a_trial_below_the_others_is_stopped_early(
    encoder: Path, desk: Path, tmp_path: Path
) -> None:
    search(tiny_config(encoder, frozen_epochs=0), desk, tmp_path, 10, None, silent())
    written = lines(tmp_path)
    stopped = [line for line in written if line["state"] == "pruned"]
    assert stopped
    assert not {int(line["trial"]) for line in stopped} & set(range(5))
    assert all(line["metric"] == "" for line in stopped)


def test_a_trial_that_diverges_has_failed_and_the_search_goes_on(
    encoder: Path, desk: Path, tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(encoder, tmp_path / "broken"))
    weights = load_file(broken / "model.safetensors")
    weights["embeddings.LayerNorm.weight"][0] = float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingError, match="no trial has come to its end"):
        search(small(broken), desk, tmp_path / "out", 2, None, silent())
    assert [line["state"] for line in lines(tmp_path / "out")] == ["fail", "fail"]


def test_what_a_configuration_does_not_weigh_is_not_searched() -> None:
    one = Space(parse_config({"tasks": {"category": {}}}, "test"))
    assert one.own().keys() == {"encoder_rate", "head_rate", "weight_decay"}
    equal = Space(parse_config({"balance": "equal"}, "test"))
    assert equal.methods == ("manual",)
    assert Space(parse_config({"balance": "dwa"}, "test")).methods == ("dwa", "manual")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"balance": "upgrad", "batch": {"sampling": "sqrt"}},
        {"batch": {"sampling": "temperature", "temperature": 0.5}},
        {"balance": {"method": "manual", "weights": {"category": 2.0, "queue": 1.0}}},
        {"tasks": {"category": {}}},
    ],
)
def test_the_first_trial_is_the_configuration_itself(document: dict[str, object]) -> None:
    config = parse_config(document, "test")
    made = Space(config).config_of(Space(config).own())
    assert made.optimizer == config.optimizer
    assert made.batch == config.batch
    if config.balance.method == "manual":
        weights = config.balance.weights
        # Only the ratios matter to the choice; the first task's weight is 1.
        assert made.balance.weights == {"category": 1.0, "urgency": 0.5, "queue": 0.5}
        assert weights["queue"] / weights["category"] == made.balance.weights["queue"]
    else:
        assert made == config
