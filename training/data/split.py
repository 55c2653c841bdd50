"""A table comes in; for each row id its split goes out, with no near-duplicates on both sides.

By group: the hash of a group's canonical member decides, so a row that is added moves no other. The
canonical member is the earliest by `created_at`, then the one with the smallest text hash; undated
rows come last. The limit of that: a row moves when an added one becomes its group's canonical
member (earlier, or undated with a smaller hash), or joins its group to another one's.
"""

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

from service.contract.tasks import Task
from training.data.duplicates import near_duplicate_groups
from training.data.table import Row, Table, text_key
from training.errors import ConfigError, DataError

SPLITS = ("train", "validation", "calibration", "test")

Assignment = dict[str, str]
"""Row id to split name, in the order of the table."""

_NEVER = datetime.max.replace(tzinfo=UTC)


def group_rows(table: Table) -> dict[str, str]:
    """Row id to its near-duplicate group: the text key of the group's canonical member."""
    members: dict[int, list[Row]] = defaultdict(list)
    for row, first in zip(
        table.rows, near_duplicate_groups([row.text for row in table.rows]), strict=True
    ):
        members[first].append(row)
    key_of = {row.id: _canonical(rows)[1] for rows in members.values() for row in rows}
    return {row.id: key_of[row.id] for row in table.rows}


def split_by_group(
    table: Table,
    shares: Mapping[str, float],
    seed: int,
    groups: Mapping[str, str] | None = None,
    fold: int = 0,
) -> Assignment:
    """Splits by the seeded hash of each row's group; the shares hold on average, not exactly.

    groups: what `group_rows` gave, to save doing it twice. fold: turns the groups by so many shares
    of the test split, so that as many folds as test splits fit test every row once. Raises
    ConfigError.
    """
    limits = _limits(shares)
    groups = groups or group_rows(table)
    turn = fold * shares["test"]
    return {row.id: _at(limits, (_position(groups[row.id], seed) + turn) % 1) for row in table.rows}


def split_by_time(
    table: Table, shares: Mapping[str, float], groups: Mapping[str, str] | None = None
) -> Assignment:
    """Splits in the order of `created_at`: the oldest rows train, the newest test.

    A group stands where its earliest row stands, so that later splits hold new texts only. Raises
    ConfigError, and DataError where a row has no `created_at`.
    """
    limits = _limits(shares)
    if undated := sum(row.created_at is None for row in table.rows):
        raise DataError(f"a split by time needs created_at on every row, {undated:,} lack it")
    groups = groups or group_rows(table)
    sizes: dict[str, int] = defaultdict(int)
    starts: dict[str, datetime] = {}
    for row in table.rows:
        group, when = groups[row.id], row.created_at or _NEVER
        sizes[group] += 1
        starts[group] = min(starts.get(group, _NEVER), when)
    split_of, passed = dict[str, str](), 0
    for group in sorted(starts, key=lambda group: (starts[group], group)):
        split_of[group] = _at(limits, (passed + sizes[group] / 2) / len(table))
        passed += sizes[group]
    return {row.id: split_of[groups[row.id]] for row in table.rows}


def label_shares(table: Table, assignment: Mapping[str, str], tasks: Sequence[Task]) -> Any:
    """For the report: `{split: {"rows": n, "tasks": {task: {"labelled": n, "labels": {...}}}}}`.

    labels: label to its share of the rows labelled for that task in that split, 0 without any.
    """
    return {
        split: _split_shares([row for row in table.rows if assignment[row.id] == split], tasks)
        for split in SPLITS
    }


def write_splits(
    path: Path, assignment: Mapping[str, str], groups: Mapping[str, str] | None = None
) -> None:
    """Writes `id,split,group`; the group is empty where `groups` is not given."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["id", "split", "group"])
        for row_id, split in assignment.items():
            writer.writerow([row_id, split, groups[row_id][:16] if groups else ""])


def read_splits(path: Path) -> Assignment:
    """What `write_splits` wrote. Raises DataError."""
    return dict(each_split(path))


def each_split(path: Path) -> Iterator[tuple[str, str]]:
    """As `read_splits`, line by line; what a line may not hold is raised after the last one."""
    unknown = set[str]()
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            for line in csv.DictReader(stream):
                unknown |= {line["split"]} - set(SPLITS)
                yield line["id"], line["split"]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        raise DataError(f"{path.name} is no file of splits: {error}") from error
    if unknown:
        raise DataError(f"{path.name} names {len(unknown)} splits beyond {', '.join(SPLITS)}")


def _canonical(rows: Sequence[Row]) -> tuple[datetime, str]:
    return min((row.created_at or _NEVER, text_key(row.text)) for row in rows)


def _limits(shares: Mapping[str, float]) -> list[tuple[float, str]]:
    """The upper end of each split on [0, 1), in the order of SPLITS."""
    if set(shares) != set(SPLITS):
        raise ConfigError(f"shares must name exactly {', '.join(SPLITS)}")
    if min(shares.values()) < 0 or abs(sum(shares.values()) - 1.0) > 1e-9:
        raise ConfigError("shares must not be negative and must sum to 1")
    return list(zip(accumulate(shares[split] for split in SPLITS), SPLITS, strict=True))


def _at(limits: Sequence[tuple[float, str]], position: float) -> str:
    return next((split for upper, split in limits if position < upper), SPLITS[-1])


def _position(group: str, seed: int) -> float:
    """A number on [0, 1) that depends on nothing but the group and the seed."""
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _split_shares(rows: Sequence[Row], tasks: Sequence[Task]) -> dict[str, Any]:
    counted = Table(tuple(rows))
    report: dict[str, Any] = {"rows": len(rows), "tasks": {}}
    for task in tasks:
        counts = counted.label_counts(task.name)
        labelled = sum(counts.values())
        labels = {label: counts[label] / max(labelled, 1) for label in task.labels}
        report["tasks"][task.name] = {"labelled": labelled, "labels": labels}
    return report
