"""Single-task runs and what needs no training: what is written, and what a second call does."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.training.desk import silent, tiny_config, write_desk
from training.baseline_runs import read_baselines, run_baselines, single_runs
from training.compare.comparison import compare
from training.compare.console import growth_table
from training.compare.one_at_a_time import add_one_at_a_time
from training.config import RunConfig, read_config
from training.errors import TrainingError
from training.record import read_events


def small(encoder: Path, **changes: object) -> RunConfig:
    return tiny_config(encoder, epochs=2, **changes)


@pytest.fixture(scope="module")
def place(encoder: Path, desk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the baselines of one seed, and the run of both tasks, are."""
    out = tmp_path_factory.mktemp("baselines")
    run_baselines(small(encoder), desk, out, 1, silent(), joint=True)
    return out


def test_every_task_has_every_kind_with_its_measures(place: Path) -> None:
    found = read_baselines(place)
    assert found["tasks"].keys() == {"category", "urgency"}
    for kinds in found["tasks"].values():
        assert kinds.keys() == {"majority", "tfidf", "frozen", "single"}
        assert [one["seed"] for one in kinds["single"]] == [7]
        every = [kinds["majority"], kinds["tfidf"], kinds["frozen"], kinds["single"][0]["test"]]
        assert len({measures["n"] for measures in every}) == 1
        assert all(0.0 <= measures["accuracy_low"] <= 1.0 for measures in every)
        assert all(one["macro_f1_low"] <= one["macro_f1_high"] for one in every)
        # The words decide: what reads them beats what does not.
        assert kinds["tfidf"]["accuracy"] > kinds["majority"]["accuracy"]


def test_a_single_task_run_has_as_many_steps_as_the_joint_one(place: Path) -> None:
    joint = read_events(place / "joint" / "seed-7" / "events.jsonl")[0]
    for runs in single_runs(place, read_baselines(place)).values():
        single = read_events(runs[0] / "events.jsonl")[0]
        assert joint["steps"] <= single["steps"] < joint["steps"] + single["steps_per_epoch"]
        assert list(read_config(runs[0] / "config.yaml").tasks) == [runs[0].parent.name]


def test_a_streamed_desk_has_the_baselines_of_its_own_split(
    place: Path, encoder: Path, desk: Path, tmp_path: Path
) -> None:
    streaming = small(encoder, data={"stream": True})
    found = run_baselines(streaming, desk, tmp_path / "plain", 1, silent())
    for task, kinds in read_baselines(place)["tasks"].items():
        for kind in ("majority", "tfidf", "frozen"):
            assert found["tasks"][task][kind] == pytest.approx(kinds[kind], abs=1e-6)
        counts = [
            one[task]["single"][0] for one in (found["tasks"], read_baselines(place)["tasks"])
        ]
        assert len({(one["labelled"], one["epochs"]) for one in counts}) == 1
    header, *lines = desk.read_text().splitlines()
    near = ["n{},{},{} again,{},{}".format(*line.split(",")) for line in lines]
    copied = tmp_path / "copied.csv"
    copied.write_text("\n".join([header, *lines, *near]) + "\n")
    for kinds in run_baselines(streaming, copied, tmp_path / "near", 1, silent())["tasks"].values():
        alone = kinds["single"][0]["test"]
        assert {kinds[kind]["n"] for kind in ("majority", "tfidf", "frozen")} == {alone["n"]}


def test_a_second_call_trains_nothing_again(place: Path, encoder: Path, desk: Path) -> None:
    checkpoints = sorted(place.rglob("model.safetensors"))
    before = {path: path.stat().st_mtime_ns for path in checkpoints}
    found = read_baselines(place)
    again = run_baselines(small(encoder), desk, place, 1, silent(), joint=True)
    assert again == found
    assert {path: path.stat().st_mtime_ns for path in checkpoints} == before
    assert len(before) == 3
    assert not list(place.rglob("state.safetensors"))


def test_the_joint_run_can_be_compared_with_them(place: Path) -> None:
    found = compare([place / "joint" / "seed-7"], place, margin=0.02, resamples=200)
    assert [row.task for row in found.rows] == ["category", "urgency"]
    assert all(row.low <= row.difference <= row.high for row in found.rows)
    assert all(row.left_out == 0 for row in found.rows)


def test_a_transferred_task_begins_where_the_largest_ended_and_is_compared_too(
    place: Path, encoder: Path, desk: Path, tmp_path: Path
) -> None:
    out = tmp_path / "baselines"
    shutil.copytree(place, out)
    found = run_baselines(small(encoder), desk, out, 1, silent(), transfer=True)
    counts = {task: one["single"][0]["labelled"] for task, one in found["tasks"].items()}
    first, later = sorted(counts, key=lambda task: -counts[task])
    assert "transfer" not in found["tasks"][first]
    (run,) = single_runs(out, found, "transfer")[later]
    config = read_config(run / "config.yaml")
    assert config.model.start == str(out / "single" / first / "seed-7" / "checkpoint")
    single = read_config(out / "single" / later / "seed-7" / "config.yaml")
    assert config.model_copy(update={"model": single.model}) == single
    before, after = (
        read_events(one / "events.jsonl") for one in (out / "single" / later / "seed-7", run)
    )
    losses = [
        [event["losses"] for event in events if event["event"] == "step"]
        for events in (before, after)
    ]
    assert losses[0][0] != losses[1][0]
    rows = compare([out / "joint" / "seed-7"], out, margin=0.02, resamples=200).rows
    assert [(row.task, row.kind) for row in rows if row.kind == "transfer"] == [(later, "transfer")]
    assert len(rows) == 3


def test_the_task_set_grows_from_the_best_and_every_step_is_judged(
    place: Path, encoder: Path, desk: Path
) -> None:
    found = add_one_at_a_time(small(encoder), desk, place, 1, 0.02, silent())
    reached = {
        task: _validation(runs[0])
        for task, runs in single_runs(place, read_baselines(place)).items()
    }
    assert found.first == max(reached, key=lambda task: reached[task])
    step = found.steps[0]
    assert {step.added, found.first} == {"category", "urgency"}
    assert [(row.task, row.kind) for row in step.rows] == [
        (found.first, "smaller"),
        (step.added, "single"),
    ]
    assert (step.added in found.kept) == (found.hurting == ())
    # Both tasks together are the joint run that was there already.
    assert not (place / "grown").exists()
    assert growth_table(found, 0.02).row_count == 2


def test_other_tickets_or_settings_in_the_same_place_are_refused(
    place: Path, encoder: Path, desk: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="another configuration"):
        run_baselines(small(encoder, class_weights="none"), desk, place, 1, silent())
    other = write_desk(tmp_path / "other.csv", tickets=150)
    with pytest.raises(TrainingError, match="other tickets"):
        run_baselines(small(encoder), other, place, 1, silent())


def test_what_is_no_directory_of_baselines_is_named(tmp_path: Path) -> None:
    (tmp_path / "baselines.json").write_text(json.dumps({"tasks": {"t": {}}}))
    with pytest.raises(TrainingError, match=r"no baselines\.json"):
        read_baselines(tmp_path)


def _validation(run: Path) -> float:
    report: dict[str, Any] = json.loads((run / "report.json").read_text())
    return float(report["validation_metric"])
