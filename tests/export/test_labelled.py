"""Which rows of a file of labelled tickets are taken, and which files are refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from export.errors import LabelsRefused
from export.labelled import read_labelled
from service.contract.bundle import Manifest, read_manifest
from tests.export.desk import written
from tests.export.tiny import TASKS
from training.data.read import read_table
from training.data.table import Row
from training.errors import DataError, TooManyRejects
from training.prepare import Wanted as Column


@pytest.fixture(scope="module")
def manifest(sealed: Path) -> Manifest:
    """Of the bundle that is to be calibrated anew."""
    return read_manifest(sealed)


def read(path: Path, manifest: Manifest) -> tuple[Row, ...]:
    """The file's tickets; what is said of them is of no matter."""
    return read_labelled(path, manifest, TASKS, None, lambda _: None)


def test_rows_that_are_not_taken_are_counted_and_listed(
    manifest: Manifest, drifted_rows: list[Row], tmp_path: Path
) -> None:
    first = drifted_rows[0]
    twice = replace(first, id="again", labels={"category": "technical", "urgency": "P0"})
    other = replace(first, labels={"category": "billing", "urgency": "P0"})
    strange = replace(drifted_rows[1], labels={"category": "sales"})
    path = written(tmp_path / "l.csv", [other, twice, strange, *drifted_rows[2:200]])
    said: list[str] = []
    rejects = tmp_path / "rejects.csv"
    rows = read_labelled(path, manifest, TASKS, rejects, said.append)
    assert "l.csv: 199 tickets of 201 rows" in said
    assert any(line.startswith("conflict (blanked): 2") for line in said)
    assert any("must be ones that the model was not trained on" in line for line in said)
    listed = rejects.read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in listed if line.startswith("3,"))
    assert line.endswith(",category,unknown_label,rejected,found 'sales'")
    assert sum("category" in row.labels for row in rows) == 198


Refusal = tuple[type[Exception], str]
REFUSALS: dict[str, tuple[Callable[[list[Row]], list[Row]], Refusal]] = {
    "a label without a ticket": (
        lambda rows: [row for row in rows if row.labels["category"] != "billing"],
        (LabelsRefused, "task category has no ticket labelled billing, and needs one of each"),
    ),
    "too few tickets": (
        lambda rows: rows[:40],
        (LabelsRefused, "needs at least 50 labelled tickets, found 40"),
    ),
    "labels that the bundle does not know": (
        lambda rows: [replace(row, labels={"category": "sales"}) for row in rows],
        (TooManyRejects, "unknown_label"),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_is_refused(manifest: Manifest, drifted_rows: list[Row], tmp_path: Path, name: str) -> None:
    change, (kind, message) = REFUSALS[name]
    path = written(tmp_path / "labelled.csv", change(drifted_rows))
    with pytest.raises(kind, match=message):
        read(path, manifest)


def test_a_file_without_the_column_of_a_task_is_refused(
    manifest: Manifest, drifted_rows: list[Row], tmp_path: Path
) -> None:
    path = written(tmp_path / "labelled.csv", drifted_rows, ("urgency",))
    with pytest.raises(DataError, match="no column for the task category"):
        read(path, manifest)
    (tmp_path / "labelled.txt").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match="must end in one of"):
        read(tmp_path / "labelled.txt", manifest)


@pytest.mark.parametrize("fixed", [True, False])
def test_the_file_that_the_model_was_trained_on_is_refused(
    manifest: Manifest, drifted_rows: list[Row], tmp_path: Path, fixed: bool
) -> None:
    rows = [*drifted_rows, replace(drifted_rows[0], id="x", body="!", labels={"category": "rare"})]
    path = written(tmp_path / "labelled.csv", rows)
    columns = [Column(task.name, task.labels if fixed else None) for task in TASKS]
    table, _ = read_table(path, columns)
    fingerprint = f"sha256:{table.fingerprint}"
    learned = manifest.model_copy(update={"data_fingerprint": fingerprint})
    with pytest.raises(LabelsRefused, match="is the file that the model was trained on"):
        read(path, learned)
