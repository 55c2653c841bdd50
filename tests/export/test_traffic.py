"""Labelled tickets are thinned to the label shares that are estimated from today's."""

from pathlib import Path

import numpy as np
import pytest

from export.errors import LabelsRefused
from export.plan import Wanted
from export.recalibrate import KEY, recalibrate
from export.traffic import shifted
from service.contract.bundle import file_digest, read_manifest
from service.contract.tasks import Task
from tests.export.desk import promises, written
from training.data.dataset import UNLABELLED
from training.data.table import Row
from training.predictions import Predictions

TASK = Task(name="queue", labels=("a", "b"))


@pytest.mark.slow
def test_labelled_tickets_are_thinned_to_the_shares_of_today(
    promising: Path, drifted_rows: list[Row], labelled: Path, tmp_path: Path
) -> None:
    kept = [
        row for place, row in enumerate(drifted_rows)
        if row.labels["category"] != "billing" or place % 4 == 0
    ]  # fmt: skip
    traffic = written(tmp_path / "today.csv", kept, ())
    wanted = Wanted(labelled, promises=promises(category={"coverage": 0.5}), traffic=traffic)
    made = recalibrate(promising, tmp_path / "new", wanted)
    shift = {one.task: one for one in made.shifts}["category"]
    truth = sum(row.labels["category"] == "billing" for row in kept) / len(kept)
    before, today = shift.shares["billing"]
    assert abs(today - truth) < abs(before - truth) / 2
    assert shift.labelled == 700
    assert shift.kept == made.changes[0].after["n"] < 700
    origin = read_manifest(tmp_path / "new").metrics[KEY]
    assert origin["tickets"]["category"] == shift.kept
    assert origin["traffic"]["shares"]["category"]["billing"] == today
    assert origin["traffic"]["file"] == f"sha256:{file_digest(traffic)}"
    card = (tmp_path / "new" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"| category | billing | {before:.3f} | {today:.3f} |" in card
    assert "A promise takes the estimated shares as exact" in card


def answers(counts: tuple[int, int]) -> Predictions:
    """To so many tickets of each label, told apart nearly always."""
    labels_N = np.repeat([0, 1], counts)
    told_N = np.where(np.arange(len(labels_N)) % 10 == 0, 1 - labels_N, labels_N)
    logits_NC = np.stack([2.0 - 4.0 * told_N, 4.0 * told_N - 2.0], axis=1)
    return Predictions({"queue": logits_NC}, {"queue": labels_N})


def test_the_kept_tickets_have_the_shares_of_today() -> None:
    labels, (shift,) = shifted((TASK,), answers((300, 300)), answers((100, 300)), {})
    before, today = shift.shares["a"]
    assert (before, shift.labelled) == (0.5, 600)
    assert today == pytest.approx(0.25, abs=0.03)
    kept_N = labels["queue"][labels["queue"] != UNLABELLED]
    assert shift.kept == len(kept_N)
    assert np.mean(kept_N == 0) == pytest.approx(today, abs=0.05)


def test_the_refusal_names_the_estimated_shares_that_leave_too_few_tickets() -> None:
    with pytest.raises(LabelsRefused) as refused:
        shifted((TASK,), answers((10, 90)), answers((90, 10)), {})
    message = str(refused.value)
    assert "brought to the label shares of today, estimated as a 0.9" in message
    assert "(labelled: 0.100) and b 0.0" in message
    assert "task queue needs at least 50 labelled tickets, found" in message
