"""A CSV, JSONL or Parquet file comes in; a checked table and a list of what was not taken go out.

Schema: `id, subject, body, created_at, source` and one column a task; columns beyond these are
ignored. `subject` or `body` and each task's column must exist, the others may be missing. Without
an `id` column, or where it is empty, an id is made from the text.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from service.contract.tasks import Task
from training.data.formats.csv_file import read_csv
from training.data.formats.jsonl import read_jsonl
from training.data.formats.parquet import read_parquet
from training.data.formats.record import Record, Records
from training.data.merge import Merger
from training.data.rejects import Reject, Rejects, write_rejects
from training.data.rows import BrokenRule, TaskSpec, to_row
from training.data.table import Row, Table
from training.errors import DataError, TooFewLabels, UnknownColumn

_FORMATS: Mapping[str, Callable[[Path], Records]] = {
    ".csv": read_csv,
    ".csv.gz": read_csv,
    ".jsonl": read_jsonl,
    ".jsonl.gz": read_jsonl,
    ".parquet": read_parquet,
}
_PRIORITY = re.compile(r"P\d")
_MOST_LABELS = 1000


def read_table(
    path: Path,
    tasks: Sequence[TaskSpec],
    *,
    max_reject_share: float = 0.05,
    rejects_path: Path | None = None,
    votes: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Table, Rejects]:
    """Reads the tickets and the tasks' labels. votes: task to the column with its votes.

    A bad row is left out, counted and listed; `rejects_path` is written before anything is raised
    for it. Raises DataError (a file that cannot be read), UnknownColumn, TooManyRejects.
    """
    found = open_records(path)
    _check_columns(path, found.columns, tasks, votes)
    allowed = {task.name: None if task.labels is None else set(task.labels) for task in tasks}
    table, rejects = _collect(found, allowed, votes)
    if rejects_path is not None:
        write_rejects(rejects_path, rejects.items)
    rejects.check(max_reject_share)
    if not table.rows:
        raise DataError(f"{path.name} holds no rows that can be used")
    return table, rejects


def infer_tasks(table: Table, names: Sequence[str], *, min_count: int = 1) -> tuple[Task, ...]:
    """A task for each name, with the table's labels, sorted; `urgency` of P0, P1 ... is ordinal.

    Labels on fewer than `min_count` rows are left out: `table.restrict(tasks)` blanks them.
    Raises TooFewLabels where fewer than two remain, and DataError where more than 1,000 do.
    """
    return tuple(_infer_task(table, name, min_count) for name in names)


def _infer_task(table: Table, name: str, min_count: int) -> Task:
    counts = table.label_counts(name)
    labels = tuple(sorted(label for label, count in counts.items() if count >= min_count))
    if len(labels) < 2:
        raise TooFewLabels(
            f"task {name} needs at least two labels on {min_count} rows or more each, "
            f"found {len(labels)} of {len(counts)}"
        )
    if len(labels) > _MOST_LABELS:
        raise DataError(f"task {name} may have {_MOST_LABELS:,} labels, found {len(labels):,}")
    ordinal = name == "urgency" and all(_PRIORITY.fullmatch(label) for label in labels)
    return Task(name=name, labels=labels, kind="ordinal" if ordinal else "nominal")


def open_records(path: Path) -> Records:
    suffix = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
    reader = _FORMATS.get(suffix.lower())
    if reader is None:
        raise DataError(f"{path.name} must end in one of {', '.join(_FORMATS)}")
    return reader(path)


def _check_columns(
    path: Path,
    columns: Collection[str],
    tasks: Sequence[TaskSpec],
    votes: Mapping[str, str] = MappingProxyType({}),
) -> None:
    if not {"subject", "body"} & set(columns):
        raise UnknownColumn(f"{path.name} has neither a subject nor a body column", "body")
    for task in tasks:
        if task.name not in columns:
            raise UnknownColumn(f"{path.name} has no column for the task {task.name}", task.name)
    for name, column in votes.items():
        if column not in columns:
            raise UnknownColumn(f"{path.name} has no column for the votes of task {name}", column)


def _collect(
    found: Records, allowed: Mapping[str, Collection[str] | None], votes: Mapping[str, str]
) -> tuple[Table, Rejects]:
    merger, broken, total, made_ids = Merger(), list[Reject](), 0, 0
    for record in found.records:
        total += 1
        try:
            row = to_row(record, allowed, votes)
        except BrokenRule as rule:
            broken.append(_reject(record, rule))
            continue
        made_ids += not record.fields.get("id", "").strip()
        merger.add(record, row)
    rows, items = merger.finish()
    return Table(rows), Rejects(total, (*broken, *items), made_ids)


def _reject(record: Record, rule: BrokenRule) -> Reject:
    fault = rule.fault
    return Reject(record.number, record.line, fault.column, fault.rule, fault.message)


__all__ = ["Row", "Table", "TaskSpec", "infer_tasks", "read_table"]
