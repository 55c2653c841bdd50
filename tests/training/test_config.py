"""A configuration's rules: each message names the key."""

from pathlib import Path

import pytest

from training.config import REFERENCE_COMPOSITION, RunConfig, dump_config, parse_config, read_config
from training.errors import ConfigError


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"model": {"sharing": "loro"}}, "'hard', 'soft', 'cross_stitch', .* 'ple'"),
        ({"model": {"sharing": {"rank": 3}}}, r"model\.sharing: needs the key scheme"),
        (
            {"model": {"sharing": {"scheme": "lora", "rnk": 3}}},
            r"model\.sharing\.lora\.rnk: there is no such key; allowed: top_layers, scheme, rank",
        ),
        ({"balance": 3}, "balance: must be a mapping"),
        ({"balance": "sum"}, r"balance\.method: Input should be 'equal', .* or 'nashmtl'"),
        ({"balance": {"weights": {"queue": 2.0}}}, r"balance\.weights are for the method manual"),
        (
            {"balance": {"method": "manual", "weights": dict.fromkeys(REFERENCE_COMPOSITION, 0.0)}},
            "must not all be 0",
        ),
        (
            {"balance": "pcgrad", "model": {"sharing": "prefix"}},
            r"pcgrad weighs .* prefix has none that learn; allowed: equal, manual",
        ),
        ({"tasks": {"a": {"kind": "nominal", "loss": "corn"}}}, "allowed: cross_entropy"),
        ({"tasks": {"a": {"exported": False}}}, "must have the role auxiliary"),
        ({"distill": {"hidden": 1.0}}, "hidden needs a teacher"),
        ({"data": {"stream": True, "split": "time"}}, "allowed: group"),
        ({"epoch": 3}, "epoch: there is no such key; allowed: tasks"),
        ({"optimizer": {"lr": 1}}, r"optimizer\.lr: there is no such key; allowed: encoder_rate"),
        ({"model": {"pooling": "max"}}, r"model\.pooling: Input should be 'cls' or 'mean'"),
        ({"data": {"test": 0.2}}, "must add up to 1"),
        ({"stop": {"metric": "speed"}}, "one of macro_f1, category, urgency, queue"),
        (
            {"tasks": {"a": {}, "b": {"role": "auxiliary"}}, "stop": {"metric": "b"}},
            "one of macro_f1, a, found 'b'",
        ),
        ({"epochs": 1, "frozen_epochs": 2}, "frozen_epochs 2 exceeds epochs 1"),
        ({"tasks": {}}, "tasks"),
        ({"optimizer": {"clip_norm": float("nan")}}, r"optimizer\.clip_norm"),
        ([1, 2], "test is not a valid run"),
        ({"batch": {"composition": {"urgncy": 5}}}, "may name category, urgency, queue, found urg"),
        ({"batch": {"size": 2}}, r"batch\.size 2 cannot hold a ticket of each of 3 tasks"),
        ({"tasks": {"subject": {}}}, "no task can be named subject"),
        ({"tasks": {"tone": {"labels": ["calm"]}}}, r"tasks\.tone\.labels: .* at least 2"),
        ({"tasks": {"tone": {"labels": ["calm", "calm"]}}}, r"tasks\.tone: .* stands twice"),
        ({"tasks": {"tone": {"role": "auxiliary"}}}, "the mean over primary tasks, found none"),
    ],
)
def test_a_wrong_key_or_value_is_refused_by_name(document: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(document, "test")


def test_a_dumped_configuration_reads_back_equal(tmp_path: Path) -> None:
    config = parse_config({"tasks": {"tone": {"labels": ["calm", "angry"]}}, "seed": 3}, "test")
    path = tmp_path / "run.yaml"
    path.write_text(dump_config(config))
    assert read_config(path) == config


def test_without_a_file_the_reference_recipe_is_used() -> None:
    recipe = read_config(None)
    assert recipe == RunConfig()
    assert recipe.model.encoder == "distilbert-base-uncased"
    assert recipe.batch.composition == {"category": 12, "urgency": 10, "queue": 10}
    assert recipe.balance.equal_steps == 500


def test_a_file_that_is_not_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("a: [1")
    with pytest.raises(ConfigError, match=r"run\.yaml cannot be read"):
        read_config(path)


def test_a_composition_of_the_reference_serves_a_run_of_fewer_tasks() -> None:
    config = parse_config({"tasks": {"category": {}, "tone": {}}}, "test")
    assert parse_config(config.model_dump(), "test") == config


@pytest.mark.parametrize(
    "text", ["a: [1\n  b: {", "a: 2020-13-45", "[" * 1000, "a: \x00", "epochs: 2\nepochs: 3", "0"]
)
def test_a_broken_file_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"run\.yaml") as caught:
        read_config(path)
    assert "\n" not in str(caught.value)
