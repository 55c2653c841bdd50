"""An older checkpoint: what changed since is said, and the common tickets decide."""

import json
from pathlib import Path

import numpy as np

from service.contract.bundle import seal
from tests.training.compare.made import said, write_baselines, write_run
from training.compare.against import against
from training.compare.comparison import compare
from training.compare.keep import keep


def metrics(share: float) -> dict[str, object]:
    labels = {"a": share, "b": 1.0 - share}
    return {"splits": {"train": {"tasks": {"t": {"labelled": 1000, "labels": labels}}}}}


def test_a_task_that_was_added_at_the_cost_of_another_is_found(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    truth_N, luck_N = chance.integers(3, size=2000), chance.random(2000)
    good_N, worse_N = (said(chance, truth_N, luck_N, share) for share in (0.85, 0.75))
    ids = [f"t{number}" for number in range(2000)]
    old = write_run(tmp_path / "old", {"t": truth_N}, {"t": good_N}, ids=ids)
    keep(compare([old], write_baselines(tmp_path, {"t": [old]}), margin=0.02), old)
    later = [f"t{number}" for number in range(500, 2500)]
    truth = {"t": np.roll(truth_N, -500), "added": truth_N}
    given = {"t": np.roll(worse_N, -500), "added": truth_N}
    new = write_run(tmp_path / "new", truth, given, ids=later, config={"epochs": 9})
    baselines = write_baselines(tmp_path, {"t": [new], "added": [new]})
    found = against(compare([new], baselines, margin=0.02), [new], [old])
    assert "task added: added" in found.changes
    assert "epochs: 5 before, 9 now" in found.changes
    rows = {(row.task, row.kind): row for row in found.rows}
    assert rows["t", "single"].verdict == "neutral"
    assert rows["t", "old"].verdict == "hurts"
    assert rows["t", "old"].tickets == 1500
    assert ("added", "old") not in rows
    assert found.status == 3


def test_a_label_mix_that_moved_is_told_with_its_figures(tmp_path: Path) -> None:
    truth = {"t": [0, 1, 2] * 5}
    old = write_run(tmp_path / "old", truth, truth, metrics=metrics(0.5))
    new = write_run(tmp_path / "new", truth, truth, metrics=metrics(0.7))
    path = new / "checkpoint" / "checkpoint.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "data_fingerprint": "sha256:9"}))
    (new / "checkpoint" / "SHA256SUMS").unlink()
    seal(new / "checkpoint")
    baselines = write_baselines(tmp_path, {"t": [new]})
    found = against(compare([new], baselines, margin=0.02), [new], [old])
    assert (
        "the tickets, or the labels that were read, are not those of the older run" in found.changes
    )
    assert any(one.startswith("label mix of t: 20.0 % of the tickets") for one in found.changes)


def test_a_verdict_that_turned_is_told(tmp_path: Path) -> None:
    chance = np.random.default_rng(2)
    truth_N, luck_N = chance.integers(3, size=1500), chance.random(1500)
    good_N, worse_N = (said(chance, truth_N, luck_N, share) for share in (0.85, 0.75))
    old = write_run(tmp_path / "old", {"t": truth_N}, {"t": good_N})
    new = write_run(tmp_path / "new", {"t": truth_N}, {"t": worse_N})
    baselines = write_baselines(tmp_path, {"t": [old]})
    keep(compare([old], baselines, margin=0.02), old)
    found = against(compare([new], baselines, margin=0.02), [new], [old])
    assert "verdict of t: neutral before, hurts now" in found.changes


def test_without_a_common_test_ticket_it_says_so(tmp_path: Path) -> None:
    truth = {"t": [0, 1, 2] * 5}
    old = write_run(tmp_path / "old", truth, truth, ids=[f"o{number}" for number in range(15)])
    new = write_run(tmp_path / "new", truth, truth)
    baselines = write_baselines(tmp_path, {"t": [new]})
    found = against(compare([new], baselines, margin=0.02), [new], [old])
    assert any("task t cannot be compared" in one and "0 of 15" in one for one in found.changes)
    assert [row.kind for row in found.rows] == ["single"]
