"""A comparison in a checkpoint: it is found again, nothing else moves, and the seal holds."""

import hashlib
import json
from pathlib import Path

import pytest

from service.contract.bundle import check_digests
from tests.training.compare.made import write_baselines, write_run
from training.checkpoint import PREDICTIONS, load_facts
from training.compare.comparison import Comparison, compare
from training.compare.keep import comparison_rows, keep
from training.conclude import CHECKPOINT
from training.errors import CheckpointError

TRUTH = {"t": [0, 1, 2] * 4}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run; its metrics hold something already."""
    return write_run(tmp_path / "run", TRUTH, TRUTH, metrics={"best_epoch": 3})


@pytest.fixture
def found(run: Path, tmp_path: Path) -> Comparison:
    """The run against one like it."""
    single = write_run(tmp_path / "single", TRUTH, TRUTH)
    return compare([run], write_baselines(tmp_path, {"t": [single]}), margin=0.02)


def test_the_comparison_is_found_in_the_checkpoint_and_beside_it(
    run: Path, found: Comparison
) -> None:
    before = load_facts(run / CHECKPOINT)[0]
    digest = keep(found, run)
    facts, kept = load_facts(run / CHECKPOINT)
    assert check_digests(run / CHECKPOINT) == digest
    assert facts.metrics["best_epoch"] == 3
    assert facts.model_copy(update={"metrics": before.metrics}) == before
    assert len(kept["test"]) == 12
    beside = json.loads((run / "comparison.json").read_text())
    for document in (facts.metrics, facts.metrics["comparison"], beside):
        row = comparison_rows(document)[0]
        assert {"task", "kind", "difference", "low", "high", "verdict", "needed"} <= row.keys()
        # Twelve tickets on which both said the same show nothing.
        assert (row["task"], row["verdict"]) == ("t", "inconclusive")
    assert comparison_rows(before.metrics) == []


def test_every_other_file_stays_as_it_was_and_a_second_time_changes_nothing(
    run: Path, found: Comparison
) -> None:
    def digest() -> str:
        return hashlib.sha256((run / CHECKPOINT / PREDICTIONS).read_bytes()).hexdigest()

    before = digest()
    first = keep(found, run)
    assert keep(found, run) == first
    assert digest() == before


def test_a_damaged_checkpoint_is_not_sealed_again(run: Path, found: Comparison) -> None:
    (run / CHECKPOINT / PREDICTIONS).write_bytes(b"no")
    with pytest.raises(CheckpointError):
        keep(found, run)
    assert not (run / "comparison.json").exists()
