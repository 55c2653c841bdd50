"""A file of labelled tickets comes in; rows that can carry a new calibration go out, or the reason
why they cannot.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from export.errors import LabelsRefused
from service.contract.bundle import Manifest
from service.contract.tasks import Task
from training.data.read import read_table
from training.data.rejects import Rejects
from training.data.table import Row, Table
from training.errors import DataError
from training.prepare import Wanted

FEWEST = 50
"""Labelled tickets of a task: with fewer, the bins of a calibration would hold a handful each."""

UNSEEN = (
    "the labelled tickets must be ones that the model was not trained on: those it has learned by "
    "heart would make it look better than it is"
)


def read_labelled(
    path: Path,
    manifest: Manifest,
    tasks: Sequence[Task],
    rejects_path: Path | None,
    say: Callable[[str], None],
) -> tuple[Row, ...]:
    """The file's tickets with their labels of `tasks`, read as training reads them.

    Says what was not taken; `rejects_path` lists it row by row. Raises LabelsRefused (the file that
    the model was trained on, a label without a ticket, too few tickets) and DataError.
    """
    table, rejects = read_table(path, tasks, rejects_path=rejects_path)
    _say(path, table, rejects, say)
    if _was_trained_on(path, manifest):
        raise LabelsRefused(f"{path.name} is the file that the model was trained on; {UNSEEN}")
    say(f"warning: {UNSEEN}")
    for task in tasks:
        check_labels(task, {name: table.label_counts(task.name)[name] for name in task.labels})
    return table.rows


def read_traffic(path: Path, say: Callable[[str], None]) -> tuple[Row, ...]:
    """Recent tickets, whose labels are not needed. Raises DataError."""
    table, rejects = read_table(path, ())
    _say(path, table, rejects, say)
    return table.rows


def check_labels(task: Task, counts: dict[str, int], when: str = "") -> None:
    """Raises LabelsRefused unless every label of the task has a ticket, and the task enough.

    when: stands in the message, with a space at its end.
    """
    escape = "or name the other tasks with --tasks: it then keeps what it has"
    if missing := [name for name, count in counts.items() if not count]:
        raise LabelsRefused(
            f"{when}task {task.name} has no ticket labelled {', '.join(missing[:3])}"
            f"{' ...' if len(missing) > 3 else ''}, and needs one of each label: add some, {escape}"
        )
    if (found := sum(counts.values())) < FEWEST:
        raise LabelsRefused(
            f"{when}task {task.name} needs at least {FEWEST} labelled tickets, found {found}: "
            f"add some, {escape}"
        )


def _say(path: Path, table: Table, rejects: Rejects, say: Callable[[str], None]) -> None:
    say(f"{path.name}: {len(table)} tickets of {rejects.total_rows} rows")
    for line in rejects.summary().splitlines():
        say(line)


def _was_trained_on(path: Path, manifest: Manifest) -> bool:
    """Whether the file has the fingerprint of the training data, however it was read then."""
    for labels in (True, False):
        wanted = [Wanted(task.name, task.labels if labels else None) for task in manifest.tasks]
        try:
            table, _ = read_table(path, wanted, max_reject_share=1.0)
        except DataError:  # Without a column of a task it cannot be that file.
            return False
        if f"sha256:{table.fingerprint}" == manifest.data_fingerprint:
            return True
    return False
