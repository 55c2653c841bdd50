"""What only training shows: scales, cosines, stopping, baselines and calibration."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.contract.tasks import Task
from training.config import RunConfig, parse_config
from training.doctor import training_facts
from training.doctor.evidence import Evidence, check_same_tickets, read_evidence
from training.errors import TrainingError

TASKS = (
    Task(name="category", labels=tuple("abcdefghijkl")),
    Task(name="urgency", labels=("P0", "P1"), kind="ordinal"),
)


def config(**changes: Any) -> RunConfig:
    document = {"tasks": {"category": {}, "urgency": {}}, "balance": "equal", **changes}
    return parse_config(document, "test")


def losses(**means: float) -> Evidence:
    steps = [{"event": "step", "step": at, "losses": dict(means)} for at in range(60)]
    return Evidence(events=tuple(steps))


def compared(mean: float) -> Evidence:
    chance = np.random.default_rng(1)
    series = mean + 0.05 * chance.standard_normal(40)
    events = [
        {"event": "gradients", "step": at, "cosines": {"category|urgency": float(value)}}
        for at, value in enumerate(series)
    ]
    return Evidence(events=tuple(events))


def reported(**test: float) -> Evidence:
    rows = {"test": {"n": 900.0, **test}, "tfidf": {"macro_f1": 0.6, "accuracy_low": 0.7}}
    return Evidence(report={"tasks": {task.name: rows for task in TASKS}})


def test_without_a_run_the_scale_is_what_an_untrained_head_loses() -> None:
    found = training_facts.scales(TASKS, config(), Evidence())
    assert found.figure == f"{math.log(12) / math.log(2):.1f} x"
    assert found.verdict == "warn"


@pytest.mark.parametrize(("category", "verdict"), [(1.0, "pass"), (4.0, "warn"), (20.0, "fail")])
def test_a_loss_that_dominates_is_found(category: float, verdict: str) -> None:
    found = training_facts.scales(TASKS, config(), losses(category=category, urgency=1.0))
    assert found.verdict == verdict


def test_manual_weights_count_and_learned_weights_soften_a_failure() -> None:
    seen = losses(category=20.0, urgency=1.0)
    manual = config(balance={"method": "manual", "weights": {"category": 0.05}})
    assert training_facts.scales(TASKS, manual, seen).verdict == "pass"
    assert training_facts.scales(TASKS, config(balance="uncertainty"), seen).verdict == "warn"


def test_a_task_that_was_told_to_learn_nothing_raises_no_alarm() -> None:
    manual = config(balance={"method": "manual", "weights": {"urgency": 0.0}})
    for seen in (Evidence(), losses(category=1.0, urgency=1.0)):
        found = training_facts.scales(TASKS, manual, seen)
        assert (found.verdict, found.figure) == ("pass", "1.0 x")
        assert "urgency" not in found.said


@pytest.mark.parametrize(
    ("mean", "verdict"), [(0.3, "pass"), (0.0, "pass"), (-0.2, "warn"), (-0.5, "fail")]
)
def test_tasks_that_oppose_each_other_are_found(mean: float, verdict: str) -> None:
    found = training_facts.cosine(compared(mean))
    assert found.verdict == verdict
    assert found.said.startswith("category and urgency")


def test_gradients_that_nobody_compared_are_warned_of() -> None:
    assert training_facts.cosine(Evidence()).verdict == "warn"


def test_a_metric_of_one_task_leaves_the_others_out() -> None:
    assert training_facts.stopping(TASKS, config(), Evidence()).verdict == "pass"
    found = training_facts.stopping(TASKS, config(stop={"metric": "category"}), Evidence())
    assert found.verdict == "warn"
    assert "1 primary tasks have no say" in found.said


def test_a_run_that_was_still_improving_wants_more_epochs() -> None:
    epochs = [{"event": "epoch", "epoch": at, "best": at == 2} for at in range(3)]
    seen = Evidence(events=tuple(epochs))
    found = training_facts.stopping(TASKS, config(epochs=3), seen)
    assert (found.verdict, found.remedy) == ("warn", "raise epochs")
    assert training_facts.stopping(TASKS, config(epochs=5), seen).verdict == "pass"


def test_every_task_needs_a_single_task_model() -> None:
    some = {"tasks": {"category": {"single": [{"directory": "x"}]}, "urgency": {"single": []}}}
    found = training_facts.baselines(TASKS, Evidence(baselines=some))
    assert (found.verdict, found.figure) == ("warn", "1/2")
    every = {"tasks": {task.name: {"single": [{}]} for task in TASKS}}
    assert training_facts.baselines(TASKS, Evidence(baselines=every)).verdict == "pass"


def test_a_run_below_a_bag_of_words_fails_where_the_intervals_do_not_meet() -> None:
    every = {"tasks": {task.name: {"single": [{}]} for task in TASKS}}

    def verdict(**test: float) -> str:
        seen = replace(reported(**test), baselines=every)
        return training_facts.baselines(TASKS, seen).verdict

    assert verdict(macro_f1=0.7, accuracy_high=0.8) == "pass"
    assert verdict(macro_f1=0.5, accuracy_high=0.8) == "warn"
    assert verdict(macro_f1=0.5, accuracy_high=0.6) == "fail"


@pytest.mark.parametrize(
    ("error", "p", "verdict"),
    [(0.08, 0.001, "fail"), (0.03, 0.001, "warn"), (0.01, 0.001, "pass"), (0.08, 0.4, "pass")],
)
def test_confidences_that_were_refuted_are_found(error: float, p: float, verdict: str) -> None:
    checks = training_facts.calibration(TASKS, reported(ece_debiased=error, ece_p=p))
    assert {one.verdict for one in checks} == {verdict}


def test_without_a_finished_run_calibration_is_not_known() -> None:
    assert {one.verdict for one in training_facts.calibration(TASKS, Evidence())} == {"warn"}


def test_a_directory_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="is not a run directory"):
        read_evidence(tmp_path, None)


@pytest.mark.parametrize("text", ["{", "[]", '{"tasks": 3}'])
def test_a_damaged_file_of_baselines_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "baselines.json").write_text(text)
    with pytest.raises(TrainingError, match=r"baselines\.json of .* cannot be read"):
        read_evidence(None, tmp_path)


def test_baselines_of_other_tickets_are_refused(tmp_path: Path) -> None:
    document = {"data_fingerprint": "abc", "tasks": {}}
    (tmp_path / "baselines.json").write_text(json.dumps(document))
    found = read_evidence(None, tmp_path)
    check_same_tickets(found, "abc")
    with pytest.raises(TrainingError, match="--baselines was trained on other tickets"):
        check_same_tickets(found, "abd")
