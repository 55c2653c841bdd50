"""A run's configuration and its training tickets come in; the configuration of some of its tasks
alone, at the same budget, goes out.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from service.contract.tasks import Task
from training.config import REFERENCE_COMPOSITION, RunConfig, parse_config
from training.data.table import Row

Labelled = Mapping[tuple[str, ...], int]
"""Tasks, to the training tickets that have a label of at least one of them."""


def labelled_tickets(rows: Sequence[Row], tasks: Sequence[Task]) -> int:
    """How many tickets have a label of at least one of the tasks, or votes: an epoch's tickets."""
    allowed = {task.name: frozenset(task.labels) for task in tasks}
    return sum(any(_knows(row, name, labels) for name, labels in allowed.items()) for row in rows)


def _knows(row: Row, task: str, labels: frozenset[str]) -> bool:
    """Whether a ticket has a label of the task, or votes for one."""
    return row.labels.get(task) in labels or not labels.isdisjoint(row.votes.get(task, {}))


def alone(config: RunConfig, task: str, labelled: int, tickets: int) -> RunConfig:
    """The run of one task, with nothing that weighs or shares: one plain encoder, its loss alone.

    labelled: training tickets with a label of this task. tickets: with a label of any task of
    `config`. The optimiser, the loss, the masked objective, the batch size and the seed stay.
    """
    document = _with_tasks(config, (task,), labelled, tickets)
    document["tasks"][task].update(role="primary", exported=True)
    document["model"]["sharing"] = {"scheme": "hard"}
    document["balance"] = {"method": "equal"}
    document["batch"].update(sampling="composition", composition={task: config.batch.size})
    return parse_config(document, f"task {task} alone")


def restricted(config: RunConfig, tasks: Sequence[str], labelled: int, tickets: int) -> RunConfig:
    """The run of some of its tasks, sharing and weighing as before. As `alone` for the counts.

    Where only auxiliary tasks are left, they become primary: somebody must decide when to stop.
    """
    document = _with_tasks(config, tasks, labelled, tickets)
    for one in document["tasks"].values():
        one["exported"] = True
    if all(one["role"] == "auxiliary" for one in document["tasks"].values()):
        for one in document["tasks"].values():
            one["role"] = "primary"
    batch, balance = document["batch"], document["balance"]
    if batch["composition"] != REFERENCE_COMPOSITION:
        batch["composition"] = _only(batch["composition"], tasks)
    balance["weights"] = _only(balance["weights"], tasks)
    return parse_config(document, "tasks " + ", ".join(tasks))


def _with_tasks(
    config: RunConfig, tasks: Sequence[str], labelled: int, tickets: int
) -> dict[str, Any]:
    """The budget is steps: with fewer labelled tickets an epoch is shorter, so there are more of
    them, rounded up, and patience and the frozen epochs grow with them.

    A configuration counts epochs, so the steps agree to within one epoch, never too few: where it
    is not exact, the smaller task set has the advantage.
    """
    document = config.model_dump(mode="json")
    size = config.batch.size
    ratio = _steps(tickets, size) / _steps(labelled, size)
    document["tasks"] = _only(document["tasks"], tasks)
    document["epochs"] = math.ceil(config.epochs * ratio - 1e-9)
    document["frozen_epochs"] = min(round(config.frozen_epochs * ratio), document["epochs"])
    document["stop"]["patience"] = math.ceil(config.stop.patience * ratio - 1e-9)
    if config.stop.metric not in tasks:
        document["stop"]["metric"] = "macro_f1"
    return document


def _steps(labelled: int, size: int) -> int:
    return max(1, -(-labelled // size))


def _only(named: Mapping[str, Any], tasks: Sequence[str]) -> dict[str, Any]:
    return {name: named[name] for name in tasks if name in named}
