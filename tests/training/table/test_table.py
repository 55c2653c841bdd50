"""The table: every value of every factor once, run by run, and gone on with where it stopped."""

import json
from pathlib import Path
from typing import get_args

import pytest

from tests.training.desk import silent, tiny_config
from training.conclude import CHECKPOINT
from training.config import RunConfig
from training.config.balance import Method
from training.config.batch import Sampling
from training.errors import ConfigError
from training.table.results import page
from training.table.table import Place, Wanted, make_table
from training.table.trial import keep_answers
from training.table.variants import ONE_SEED, SCHEMES, left_out, variants


def test_every_value_of_every_factor_is_in_the_table_once() -> None:
    found = list(variants(RunConfig()))
    names = [one.name for one in found]
    assert len(names) == len(set(names))
    assert names[0] == "reference"
    expected = {f"architecture={scheme}" for scheme in SCHEMES}
    expected |= {f"balance={one}" for one in get_args(Method)} - {
        "balance=uncertainty",
        "balance=manual",
    }
    expected |= {f"sampling={one}" for one in get_args(Sampling)} - {"sampling=composition"}
    assert set(names[1:]) == expected
    assert {one.name for one in found if one.seeds == 1} == {f"balance={one}" for one in ONE_SEED}


def test_a_variant_differs_from_the_reference_in_its_factor_alone() -> None:
    reference = RunConfig()
    for one in variants(reference):
        apart = {
            key
            for key, value in one.config.model_dump().items()
            if value != reference.model_dump()[key]
        }
        section = {"architecture": "model", "balance": "balance", "sampling": "batch"}
        assert apart == ({section[one.factor]} if one.factor != "reference" else set())


def test_a_way_that_does_not_go_with_the_recipe_is_left_out_and_said() -> None:
    reference = RunConfig.model_validate({"balance": "pcgrad"})
    names = {one.name for one in variants(reference)}
    assert "architecture=soft" not in names
    assert {"architecture=lora", "balance=equal"} <= names
    assert any("model.sharing soft" in line for line in left_out(reference))
    weighed = RunConfig.model_validate({"balance": {"method": "manual", "weights": {"queue": 2.0}}})
    assert {"balance=equal", "architecture=soft"} <= {one.name for one in variants(weighed)}
    assert list(left_out(weighed)) == []


def test_folds_that_do_not_make_the_whole_are_refused(
    encoder: Path, desk: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"5 folds need data.test 0.2, found 0.1"):
        make_table(tiny_config(encoder), desk, tmp_path, Wanted(folds=5), silent())


def test_no_run_is_started_when_the_time_is_over(encoder: Path, desk: Path, tmp_path: Path) -> None:
    found = make_table(tiny_config(encoder), desk, tmp_path, Wanted(minutes=0.0), silent())
    assert {one.runs for one in found} == {0}
    assert "| reference | 0 of 3 |" in page(found)


def test_answers_outlive_the_weights(finished: Path, tmp_path: Path) -> None:
    import shutil

    from training.compare.answers import read_finished

    copy = Path(shutil.copytree(finished, tmp_path / "run"))
    before = read_finished(copy)
    keep_answers(copy / CHECKPOINT)
    keep_answers(copy / CHECKPOINT)
    assert not (copy / CHECKPOINT / "model.safetensors").exists()
    assert read_finished(copy).ids == before.ids


@pytest.mark.slow
def test_folds_and_seeds_together_count_a_seed_when_all_its_folds_are_done(
    encoder: Path, desk: Path, tmp_path: Path
) -> None:
    config = tiny_config(
        encoder, data={"train": 0.3, "validation": 0.1, "calibration": 0.1, "test": 0.5}, epochs=1
    )
    wanted = Wanted(seeds=2, folds=2, margin=0.02, factors=())
    (found,) = make_table(config, desk, tmp_path, wanted, silent())
    assert (found.runs, found.missing) == (4, 0)
    assert {row.seeds for row in found.rows} == {(2, 2)}
    assert sum(row.tickets for row in found.rows if row.task == "category") > 60


@pytest.mark.slow
def test_a_table_has_a_verdict_a_task_and_trains_nothing_twice(
    encoder: Path, desk: Path, tmp_path: Path
) -> None:
    config = tiny_config(encoder, data={"train": 0.4, "test": 0.4})
    wanted = Wanted(seeds=1, margin=0.02, factors=("sampling",))
    found = make_table(config, desk, tmp_path, wanted, silent())
    assert {one.runs for one in found} == {1}
    assert all({row.task for row in one.rows} == {"category", "urgency"} for one in found)
    assert all(one.cost is not None and one.cost.passes == 1.0 for one in found)
    document = json.loads((tmp_path / "table.json").read_text())
    assert [one["variant"] for one in document["lines"]] == [one.variant for one in found]
    directory = Place(tmp_path).run(next(variants(config)), config.seed, 0)
    before = (directory / "events.jsonl").stat().st_mtime_ns
    again = make_table(config, desk, tmp_path, wanted, silent())
    assert again == found
    assert (directory / "events.jsonl").stat().st_mtime_ns == before
