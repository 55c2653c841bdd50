"""A generated desk with a fault that a test plants, as the checks read it."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from service.contract.tasks import Task
from training.audit.finding import Finding
from training.audit.material import Material
from training.config import RunConfig
from training.data.sample import generate, write_csv
from training.data.sample.agents import CATEGORIES, QUEUES, URGENCIES
from training.data.split import SPLITS
from training.data.table import Row, Table

TASKS = (
    Task(name="category", labels=CATEGORIES),
    Task(name="urgency", labels=URGENCIES, kind="ordinal"),
    Task(name="queue", labels=QUEUES),
)
TICKETS = 1200
REFERENCE = RunConfig()


@lru_cache(maxsize=4)
def rows(tickets: int = TICKETS, seed: int = 7) -> tuple[Row, ...]:
    """The clean desk."""
    return tuple(generate(tickets, seed))


def amended(change: Callable[[int, Row], Row], tickets: int = TICKETS) -> tuple[Row, ...]:
    """The clean desk with every ticket changed by its place and itself."""
    return tuple(change(place, row) for place, row in enumerate(rows(tickets)))


def labelled(row: Row, **labels: str) -> Row:
    """The ticket with some labels set, or taken away where they are empty."""
    found = {**row.labels, **labels}
    return replace(row, labels={task: label for task, label in found.items() if label})


def material(
    tickets: Iterable[Row], tasks: tuple[Task, ...] = TASKS, given: dict[str, str] | None = None
) -> Material:
    """As `gather` would give it, were every ticket a group of its own; four in five train."""
    table = Table(tuple(tickets))
    cycle = (SPLITS[0],) * 12 + SPLITS[1:]
    found = {row.id: cycle[place % len(cycle)] for place, row in enumerate(table.rows)}
    return Material(
        table,
        table.fingerprint,
        tasks,
        found if given is None else given,
        {row.id: row.id for row in table.rows},
        {},
        {},
        given=given is not None,
    )


def written(path: Path, tickets: Iterable[Row]) -> Path:
    """The tickets as a file."""
    write_csv(path, tickets)
    return path


def of(findings: Iterable[Finding], check: str, about: str = "") -> Finding:
    """The one finding of a check whose subject begins with `about`."""
    (found,) = [one for one in findings if one.check == check and one.about.startswith(about)]
    return found
