"""The relabel queue: planted wrong labels are found, and the queue holds no ticket's text."""

import csv
import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from service.contract.tasks import Task
from tests.training.audit.planted import labelled, material, rows
from tests.training.desk import TOPICS, tiny_config, write_desk
from training.audit.command import relabel
from training.config import dump_config
from training.data.sample.agents import CATEGORIES
from training.data.table import Row
from training.errors import DataError, TrainingError
from training.noise import COLUMNS, doubts_of, judge, out_of_fold, relabel_queue, write_queue

TASK = Task(name="category", labels=("a", "b", "c"))


def flipped(tickets: int, share: float) -> tuple[list[Row], dict[str, str]]:
    """A desk whose texts decide their category, with a share of wrong labels; id to the right
    one."""
    chance, right = random.Random(6), dict[str, str]()
    found = []
    for number in range(tickets):
        label = "abc"[number % 3]
        words = [f"{label}{chance.randrange(8)}" for _ in range(6)]
        filler = [f"w{chance.randrange(40)}" for _ in range(6)]
        given = label
        if chance.random() < share:
            given = chance.choice([other for other in "abc" if other != label])
            right[f"t{number}"] = label
        text = " ".join([*words, *filler, f"n{number}"])
        found.append(Row(f"t{number}", "", text, {"category": given}))
    return found, right


def test_nearly_all_planted_wrong_labels_are_found_and_set_right() -> None:
    tickets, right = flipped(400, 0.1)
    (found,) = doubts_of(material(tickets, (TASK,)))
    suggested = {doubt.id: doubt.suggested for doubt in found.doubts}
    hits = sum(suggested.get(name) == label for name, label in right.items())
    assert hits >= 0.9 * len(right)
    assert len(suggested) <= 1.2 * len(right)
    assert found.wrong == pytest.approx(len(right), rel=0.25)


@pytest.mark.slow
def test_of_wrong_labels_in_the_generated_desk_four_in_five_are_queued() -> None:
    chance, wrong = random.Random(3), set()
    tickets = []
    for row in rows(4000):
        label = row.labels.get("category")
        if label is not None and chance.random() < 0.08:
            others = [one for one in CATEGORIES if one != label]
            tickets.append(labelled(row, category=chance.choice(others)))
            wrong.add(row.id)
        else:
            tickets.append(row)
    task = Task(name="category", labels=CATEGORIES)
    (found,) = doubts_of(material(tickets, (task,)))
    queued = {doubt.id for doubt in found.doubts}
    assert len(queued & wrong) >= 0.8 * len(wrong)
    assert len(queued) <= 3 * len(wrong)


def test_clean_labels_raise_next_to_no_doubt() -> None:
    (found,) = doubts_of(material(flipped(400, 0.0)[0], (TASK,)))
    assert len(found.doubts) <= 4
    assert found.share < 0.02


def test_a_copy_does_not_vouch_for_its_own_wrong_label() -> None:
    tickets, _ = flipped(12, 0.0)
    odd = Row("odd", "", "zq zr zs zt", {"category": "c"})
    copy = Row("copy", "", "zq zr zs zt zu", {"category": "c"})
    base = material([*tickets, odd, copy], (TASK,))
    apart = out_of_fold(base, folds=14)["category"][-2]
    together = replace(base, group_of={**base.group_of, "copy": "odd"})
    shares = out_of_fold(together, folds=13)["category"][-2]
    assert apart[2] > 0.6
    assert shares[2] < 0.5


def test_the_folds_are_the_same_for_the_same_seed() -> None:
    tickets = material(flipped(90, 0.1)[0], (TASK,))
    first, second = doubts_of(tickets, 3, seed=1), doubts_of(tickets, 3, seed=1)
    assert first == second


def test_tickets_without_a_label_and_rare_labels_are_never_in_doubt() -> None:
    labels_N = np.array([0] * 20 + [1] * 20 + [-1] * 10 + [2] * 2)
    shares_NC = np.full((52, 3), 0.01)
    shares_NC[np.arange(52), np.maximum(labels_N, 0)] = 0.98
    shares_NC[[0, 40, 50]] = [0.01, 0.98, 0.01]
    found = judge(TASK, [str(place) for place in range(52)], labels_N, shares_NC)
    assert [(doubt.id, doubt.given, doubt.suggested) for doubt in found.doubts] == [("0", "a", "b")]
    assert found.tickets == 40


def test_a_task_of_one_label_has_nothing_to_doubt() -> None:
    assert judge(TASK, ["x"] * 9, np.zeros(9, dtype=np.int64), np.ones((9, 3)) / 3).doubts == ()


def test_the_queue_is_a_file_worst_first_without_any_text(tmp_path: Path) -> None:
    found = doubts_of(material(flipped(200, 0.1)[0], (TASK,)))
    path = tmp_path / "made" / "queue.csv"
    assert write_queue(path, found) == len(found[0].doubts) > 0
    with path.open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert tuple(lines[0]) == COLUMNS
    qualities = [float(line["quality"]) for line in lines]
    assert qualities == sorted(qualities)
    assert all(line["given"] != line["suggested"] for line in lines)
    assert " w1" not in path.read_text()


def test_a_queue_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_queue(tmp_path / "file" / "queue.csv", [])


def test_more_folds_than_groups_are_refused() -> None:
    with pytest.raises(DataError, match="50 folds need as many groups"):
        doubts_of(material(flipped(20, 0.0)[0], (TASK,)), 50)


def test_a_finished_run_judges_the_tickets_that_it_did_not_train_on(
    finished: Path, desk: Path, encoder: Path
) -> None:
    found = relabel_queue(desk, tiny_config(encoder), finished)
    report = json.loads((finished / "report.json").read_text())
    held = report["tickets"]["calibration"] + report["tickets"]["test"]
    with (finished / "splits.csv").open(encoding="utf-8", newline="") as stream:
        split_of = {line["id"]: line["split"] for line in csv.DictReader(stream)}
    assert [one.task for one in found] == ["category", "urgency"]
    assert all(0 < one.tickets <= held for one in found)
    with desk.open(encoding="utf-8", newline="") as stream:
        given = {line["id"]: line for line in csv.DictReader(stream)}
    for doubt in (doubt for one in found for doubt in one.doubts):
        assert split_of[doubt.id] in {"calibration", "test"}
        assert given[doubt.id][doubt.task] == doubt.given


def test_a_run_whose_splits_were_changed_is_refused(
    finished: Path, desk: Path, encoder: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    lines = (copy / "splits.csv").read_text().splitlines()
    kept = [line for line in lines if ",test," not in line]
    (copy / "splits.csv").write_text("\n".join(kept) + "\n")
    with pytest.raises(TrainingError, match=r"splits.csv has 0 tickets of test"):
        relabel_queue(desk, tiny_config(encoder), copy)


def test_the_command_writes_the_queue_and_says_how_many(encoder: Path, tmp_path: Path) -> None:
    config, out = tmp_path / "run.yaml", tmp_path / "queue.csv"
    config.write_text(dump_config(tiny_config(encoder)))
    data = write_desk(tmp_path / "desk.csv", 120)
    lines = data.read_text().splitlines()
    wrong = dict(zip(TOPICS, reversed(TOPICS), strict=True))
    for place in range(2, 20, 3):  # A few tickets with both labels get the other category.
        *start, category, level = lines[place].rsplit(",", 2)
        lines[place] = ",".join([*start, wrong.get(category, ""), level])
    data.write_text("\n".join(lines) + "\n")
    with (tmp_path / "shown").open("w") as stream:
        console = Console(width=120, file=stream)
        arguments = {"run": None, "folds": 3, "seed": 0, "console": console}
        assert relabel(data=data, config=config, out=out, **arguments) == 0
    queued = len(out.read_text().splitlines()) - 1
    assert f"{queued} labels to look at again" in (tmp_path / "shown").read_text()
