"""The smaller sections: reliability, coverage, learning and calibration."""

import json
from pathlib import Path

import numpy as np
import pytest

from service.contract.bundle import Calibration
from service.contract.tasks import Task
from service.statistics.intervals import Interval, wilson
from tests.training.report.runs import QUEUE, SPLITS, events, usual, write
from training.calibration.selection import Selected
from training.errors import TrainingError
from training.predictions import Predictions
from training.report.coverage import coverage, thinned
from training.report.finished import read_finished
from training.report.fitted import fitted
from training.report.formats import listed, p_value, percent, span
from training.report.learning import learning
from training.report.outcome import Told, outcome, tell
from training.report.reliability import diagram


def told() -> Told:
    run = usual()
    found = outcome(QUEUE, run.facts.calibration["queue"], run.predictions, "test")
    assert found is not None
    return found.told()


def test_bins_carry_their_interval_and_calibration_brings_them_to_the_diagonal() -> None:
    run = usual()
    one = outcome(QUEUE, run.facts.calibration["queue"], run.predictions, "test")
    assert one is not None
    before = diagram(tell(one.before_NC, one.labels_N, one.inside_N), "before")
    found = diagram(told(), "after")
    assert sum(one.holds for one in before.bins) < sum(one.holds for one in found.bins)
    assert sum(one.count for one in found.bins) == len(told().right_N)
    for one in found.bins:
        assert one.interval == wilson(round(one.accuracy * one.count), one.count)
        assert one.holds == (one.interval.low <= one.confidence <= one.interval.high)


def test_the_surest_tickets_are_right_more_often() -> None:
    found = coverage(told())
    assert found.accuracy[0.8] > found.accuracy[0.9] > found.accuracy[0.95] > found.all_
    assert found.all_ == pytest.approx(told().right_N.mean())


@pytest.mark.parametrize(("size", "kept"), [(1, 1), (10, 10), (1000, 50)])
def test_thinning_keeps_both_ends(size: int, kept: int) -> None:
    found = thinned(size, 50)
    assert (len(found), found[0], found[-1]) == (kept, 0, size - 1)


def test_learning_marks_the_epoch_whose_weights_were_kept_even_without_training_losses() -> None:
    kept = [one for one in events([QUEUE]) if one["event"] == "epoch"]
    found = learning(kept, "queue")
    assert found is not None
    assert (found.epochs, found.best) == (3, 2)
    assert learning(kept, "urgency") is None


def test_the_candidate_in_the_checkpoint_is_marked() -> None:
    made = Calibration(method="prior", scale=(1.0,) * 4, bias=(0.5, 0.0, 0.0, 0.0))
    candidates = {"none": (0.6, 0.1), "prior": (0.5, 0.0), "prior+vector": (0.5, 0.01)}
    found = fitted(QUEUE, made, Selected(made, np.zeros((0, 4)), candidates))
    assert [one.chosen for one in found.candidates] == [False, True, False]
    assert found.temperature is None
    assert [one.bias for one in found.values] == [0.5, 0.0, 0.0, 0.0]


def test_random_labels_are_told_in_words() -> None:
    made = Calibration(method="temperature_spread", scale=(0.5,) * 4, bias=(0.0,) * 4, spread=0.04)
    found = fitted(QUEUE, made, None)
    assert found.spread == ("4.0\xa0% of the labels look random: no confidence is above 97.0\xa0%")
    assert fitted(QUEUE, made.model_copy(update={"spread": 0.0}), None).spread is None


def test_of_many_labels_those_with_the_largest_bias_are_listed() -> None:
    wide = Task(name="product", labels=tuple(f"p{at}" for at in range(50)))
    made = Calibration(method="vector", scale=(0.5,) * 50, bias=tuple(at / 50 for at in range(50)))
    found = fitted(wide, made, None)
    assert [one.label for one in found.values][:2] == ["p49", "p48"]
    assert (len(found.values), found.left_out, found.candidates) == (20, 30, ())


def test_a_run_is_read_from_its_directory(tmp_path: Path) -> None:
    digest = write(usual(), tmp_path)
    found = read_finished(tmp_path)
    assert found.digest == digest
    assert found.facts == usual().facts
    assert json.dumps(found.events) == json.dumps(usual().events)
    for split in SPLITS:
        kept: Predictions = found.predictions[split]
        assert np.array_equal(kept.logits["queue"], usual().predictions[split].logits["queue"])


def test_a_run_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="has no checkpoint: the run has not come to its end"):
        read_finished(tmp_path)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    write(usual(), tmp_path)
    (tmp_path / "checkpoint" / "checkpoint.json").write_text("{}")
    with pytest.raises(TrainingError, match=r"checkpoint\.json differs from its digest"):
        read_finished(tmp_path)


def test_figures_are_written_for_a_person() -> None:
    assert (percent(0.1234), percent(None), percent(0.5, 0)) == ("12.3\xa0%", "–", "50\xa0%")
    assert span(Interval(0.1, 0.25)) == "10.0 to 25.0\xa0%"
    assert (p_value(0.0001), p_value(0.004), p_value(0.5)) == ("< 0.001", "= 0.004", "= 0.50")
    assert (listed(["a"]), listed(["a", "b", "c"])) == ("a", "a, b and c")
