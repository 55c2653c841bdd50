"""A file of tickets comes in; its tasks, splits and token ids go out.

What is wrong with the data is found here, before an encoder is loaded.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.contract.tasks import Task
from service.contract.ticket import render
from service.contract.tokens import Tokenizer
from training.at_once import write_at_once
from training.config import RunConfig, TaskConfig
from training.data.dataset import Dataset, encode_rows
from training.data.read import infer_tasks, read_table
from training.data.split import (
    SPLITS,
    group_rows,
    label_shares,
    split_by_group,
    split_by_time,
    write_splits,
)
from training.data.stream import StreamedDesk, prepare_stream
from training.data.table import Row, Table, text_key
from training.errors import ConfigError, DataError, TooFewLabels, TrainingError
from training.listener import Listener
from training.single import labelled_tickets

ORIGIN, SPLIT_FILE, REJECTS = "run.json", "splits.csv", "rejects.csv"


LEAST_ROWS = 2
"""Tickets of a class, with which it can be told from the others at all."""


class Wanted(NamedTuple):
    """A task as reading needs to know it."""

    name: str
    labels: tuple[str, ...] | None


@dataclass(frozen=True)
class Desk:
    """Tickets read and split; rows by the split's name."""

    table: Table
    tasks: tuple[Task, ...]
    rows: dict[str, tuple[Row, ...]]

    @property
    def tickets(self) -> dict[str, int]:
        """Tickets of every split."""
        return {name: len(rows) for name, rows in self.rows.items()}

    def labelled(self, tasks: Sequence[Task]) -> int:
        """How many training tickets have a label of at least one of the tasks."""
        return labelled_tickets(self.rows["train"], tasks)

    def label_shares(self) -> Any:
        """`training.data.split.label_shares` of the tasks' labels."""
        assignment = {row.id: split for split, rows in self.rows.items() for row in rows}
        return label_shares(self.table.restrict(self.tasks), assignment, self.tasks)

    def texts(self, split: str) -> list[str]:
        """The rendered texts of a split."""
        return [render(row.subject, row.body) for row in self.rows[split]]

    def sample(
        self,
        split: str,
        most: int,  # noqa: ARG002 - for a desk that memory cannot hold
    ) -> tuple[NDArray[np.int64], list[str]]:
        """Positions (M,) and texts of the whole split."""
        return np.arange(len(self.rows[split])), self.texts(split)

    def encode(self, tokenizer: Tokenizer) -> dict[str, Dataset]:
        """The data set of every split."""
        return {name: encode_rows(rows, self.tasks, tokenizer) for name, rows in self.rows.items()}


def note_origin(directory: Path, data: Path, baselines: Path | None = None) -> None:
    """Notes where a run's tickets are, for `resume`; a checkpoint holds nothing of it.

    baselines: the directory of the single-task models that the run is watched beside.
    """
    origin = {"data": str(data.resolve())}
    if baselines is not None:
        origin["baselines"] = str(baselines.resolve())
    _write_origin(directory, origin)


def noted_baselines(directory: Path) -> Path | None:
    """What `note_origin` was told of them. Raises TrainingError."""
    found = _read_origin(directory).get("baselines")
    return None if found is None else Path(found)


def prepare(config: RunConfig, directory: Path, listener: Listener) -> Desk | StreamedDesk:
    """Reads and splits a run's tickets; writes the splits and the rejects.

    Raises TrainingError, also where the tickets are not those that the run began with.
    """
    if config.data.stream:
        return _stream(config, Path(_read_origin(directory)["data"]), directory, listener)
    return prepare_rows(config, directory, listener)


def prepare_rows(config: RunConfig, directory: Path, listener: Listener) -> Desk:
    """As `prepare`, in memory whatever the configuration says: for those who look at every row.

    Split as the run is: where it streams, near-duplicates may be on both sides.
    """
    origin = _read_origin(directory)
    table = _read(config, Path(origin["data"]), directory, listener)
    if origin.setdefault("fingerprint", table.fingerprint) != table.fingerprint:
        raise DataError("the file of tickets has changed since the run began; start a new run")
    _write_origin(directory, origin)
    tasks = tuple(_task(name, task, table, config) for name, task in config.tasks.items())
    _check_classes(tasks, table, config)
    _say_left_out(tasks, table, listener)
    listener.say(f"looking for near-duplicates among {len(table)} tickets")
    groups = group_rows(table)
    same = {row.id: text_key(row.text) for row in table.rows} if config.data.stream else groups
    assignment = _split(config, table, same)
    write_splits(directory / SPLIT_FILE, assignment, groups)
    rows = {name: tuple(r for r in table.rows if assignment[r.id] == name) for name in SPLITS}
    counts = ", ".join(f"{name} {len(part)}" for name, part in rows.items())
    listener.say(f"split: {counts}")
    _check_coverage(tasks, rows)
    return Desk(table, tasks, rows)


def _stream(config: RunConfig, data: Path, directory: Path, listener: Listener) -> StreamedDesk:
    def tasks_of(table: Table) -> tuple[Task, ...]:
        tasks = tuple(_task(name, task, table, config) for name, task in config.tasks.items())
        _check_classes(tasks, table, config)
        _say_left_out(tasks, table, listener)
        return tasks

    return prepare_stream(
        data,
        directory,
        {name: task.labels for name, task in config.tasks.items()},
        tasks_of,
        lambda table, groups: _split(config, table, groups),
        config.data.max_reject_share,
        listener.say,
    )


def _read(config: RunConfig, data: Path, directory: Path, listener: Listener) -> Table:
    wanted = [Wanted(name, task.labels) for name, task in config.tasks.items()]
    limit, path = config.data.max_reject_share, directory / REJECTS
    votes = {name: task.votes for name, task in config.tasks.items() if task.votes}
    table, rejects = read_table(
        data, wanted, max_reject_share=limit, rejects_path=path, votes=votes
    )
    total = rejects.total_rows
    listener.say(f"{data.name}: {len(table)} tickets of {total} rows; {REJECTS} lists the rest")
    for line in rejects.summary().splitlines():
        listener.say(line)
    if rejects.made_ids:
        listener.say(f"{rejects.made_ids} rows without an id got one made from their text")
    return table


def _task(name: str, task: TaskConfig, table: Table, config: RunConfig) -> Task:
    if task.labels is not None:
        kind = task.kind or ("ordinal" if name == "urgency" else "nominal")
        made = Task(name=name, labels=task.labels, kind=kind, role=task.role)
    else:
        found = infer_tasks(table, (name,), min_count=config.data.min_label_rows)[0]
        kind = task.kind or found.kind
        made = Task(name=name, labels=found.labels, kind=kind, role=task.role)
    if made.kind == "nominal" and task.loss != "cross_entropy":
        raise ConfigError(
            f"tasks.{name}.loss {task.loss} needs ordered labels, and {name} is nominal; allowed: "
            f"cross_entropy, or tasks.{name}.kind ordinal with tasks.{name}.labels in order"
        )
    return made


def _check_classes(tasks: tuple[Task, ...], table: Table, config: RunConfig) -> None:
    """A class of one ticket could be trained on or measured, never both."""
    for task in tasks:
        counts = table.label_counts(task.name)
        rare = [label for label in task.labels if counts[label] < LEAST_ROWS]
        if not rare:
            continue
        given = config.tasks[task.name].labels is not None
        remedy = (
            f"take it out of tasks.{task.name}.labels"
            if given
            else f"data.min_label_rows must be at least {LEAST_ROWS}"
        )
        raise TooFewLabels(
            f"task {task.name}: the label {rare[0]!r} needs {LEAST_ROWS} tickets or more, found "
            f"{counts[rare[0]]}; {remedy}"
        )


def _say_left_out(tasks: tuple[Task, ...], table: Table, listener: Listener) -> None:
    for task in tasks:
        counts = table.label_counts(task.name)
        rare = counts.keys() - set(task.labels)
        if rare:
            rows = sum(counts[label] for label in rare)
            listener.say(f"task {task.name}: {len(rare)} rare labels on {rows} rows are left out")


def _check_coverage(tasks: tuple[Task, ...], rows: dict[str, tuple[Row, ...]]) -> None:
    """A task without a label in a split could not be learned, chosen, calibrated or measured."""
    for task in tasks:
        for split, part in rows.items():
            if not any(row.labels.get(task.name) in task.labels for row in part):
                raise TooFewLabels(
                    f"task {task.name} needs a labelled ticket in every split, "
                    f"found none among the {len(part)} of {split}"
                )


def _split(config: RunConfig, table: Table, groups: dict[str, str]) -> dict[str, str]:
    if config.data.split == "time":
        return split_by_time(table, config.data.shares, groups)
    data = config.data
    return split_by_group(table, data.shares, data.split_seed, groups, data.fold)


def _read_origin(directory: Path) -> dict[str, str]:
    try:
        origin: dict[str, str] = json.loads((directory / ORIGIN).read_text(encoding="utf-8"))
        return {**origin, "data": str(origin["data"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{directory.name} is not a run directory: {error}") from error


def _write_origin(directory: Path, origin: dict[str, str]) -> None:
    write_at_once(directory / ORIGIN, json.dumps(origin) + "\n")
