"""A YAML file comes in; what each task's decisions are to promise, validated, goes out."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.contract.promises import Choice, Cost, Costs
from service.contract.tasks import Label, Task, TaskName
from training.errors import ConfigError
from training.strict_yaml import read_yaml

Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Row = dict[Label, Cost]

DEFAULT = "default"
RESERVED = ("level", "sets", "scope")
"""Keys of the file that name no task."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TaskPromise(_Section):
    """What `auto` is to promise for a task: exactly one of precision, coverage and costs.

    precision: an `auto` answer is right at least so often. coverage: at least this share of the
    tickets is `auto`. costs: `costs[true][given]` of wrong labels, in any unit; a pair that it does
    not name costs its key `default` (1 if not given), a right label nothing; `human` is what an
    agent's decision costs. The mean cost is made the least that a threshold on the given label's
    probability can reach, and is shown to be below `human`. choose: which label is given.
    per_label: own thresholds for the labels that have the tickets for it.

    suggest: a label is shown to an agent from the confidence from which all answers, those that are
    `auto` included, are right at least so often; a promise like `precision`, each with the chance
    of `level`. It starts at `auto` at the latest. None shows a label from a confidence of one half.
    """

    precision: Share | None = None
    coverage: Share | None = None
    costs: dict[Label, Row] | None = None
    default: Cost = 1.0
    human: Cost | None = None
    choose: Choice = "probability"
    per_label: bool = False
    suggest: Share | None = None

    @model_validator(mode="before")
    @classmethod
    def _default_stands_among_the_costs(cls, document: Any) -> Any:
        if not isinstance(document, dict):
            return document
        if DEFAULT in document:
            raise ValueError("default is a key of costs, such as costs: {default: 1}")
        costs = document.get("costs")
        if not isinstance(costs, dict) or isinstance(costs.get(DEFAULT, {}), dict):
            return document
        named = {label: row for label, row in costs.items() if label != DEFAULT}
        return {**document, "costs": named, DEFAULT: costs[DEFAULT]}

    @model_validator(mode="after")
    def _one_promise(self) -> Self:
        given = [
            key for key in ("precision", "coverage", "costs") if getattr(self, key) is not None
        ]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"needs exactly one of precision, coverage, costs, found {found}")
        if (self.human is None) != (self.costs is None):
            raise ValueError("costs and human are given together or not at all")
        if self.choose == "expected_cost" and self.costs is None:
            raise ValueError("choose: expected_cost needs costs")
        if self.per_label and self.precision is None:
            raise ValueError("per_label needs precision")
        return self

    @model_validator(mode="after")
    def _suggests_below_auto(self) -> Self:
        if self.suggest and self.precision and self.suggest > self.precision:
            raise ValueError(
                f"suggest {self.suggest} must not exceed precision {self.precision}, which auto has"
            )
        return self

    @model_validator(mode="after")
    def _a_right_label_costs_nothing(self) -> Self:
        for label, row in (self.costs or {}).items():
            if row.get(label):
                raise ValueError(f"costs.{label}.{label} must be 0, found {row[label]}")
        return self

    @property
    def kind(self) -> Literal["precision", "coverage", "cost"]:
        """What is promised, as the bundle calls it."""
        if self.precision is not None:
            return "precision"
        return "cost" if self.coverage is None else "coverage"

    def costs_of(self, task: Task) -> Costs | None:
        """The costs as a matrix in the order of the task's labels; None without costs.

        Raises ConfigError where they name a label that the task lacks.
        """
        if self.costs is None or self.human is None:
            return None
        named = self.costs.keys() | {given for row in self.costs.values() for given in row}
        if unknown := sorted(named - set(task.labels)):
            allowed = ", ".join(task.labels)
            raise ConfigError(f"{task.name}.costs may name {allowed}, found {unknown[0]}")
        matrix = [[self._cost(true, given) for given in task.labels] for true in task.labels]
        return Costs(matrix=tuple(tuple(row) for row in matrix), human=self.human)

    def _cost(self, true: Label, given: Label) -> float:
        if true == given:
            return 0.0
        return (self.costs or {}).get(true, {}).get(given, self.default)


class Promises(_Section):
    """What each task's decisions are to promise.

    level: the confidence with which each promise is shown, so that it is false with a chance of at
    most 1 - level. sets: coverage of the conformal sets. scope: share of the tickets like those of
    training that are to count as in scope.
    """

    tasks: dict[TaskName, TaskPromise] = {}
    level: Share = 0.95
    sets: Share = 0.9
    scope: Share = 0.99

    def check(self, tasks: tuple[Task, ...]) -> None:
        """Raises ConfigError where the promises name a task or a label that is not there."""
        known = {task.name: task for task in tasks}
        for name, promise in self.tasks.items():
            if name not in known:
                raise ConfigError(f"promises may name {', '.join(known)}, found {name}")
            promise.costs_of(known[name])


def read_promises(path: Path) -> Promises:
    """The promises of a YAML file: task names as keys, and `level`, `sets`, `scope`. Raises
    ConfigError.
    """
    return parse_promises(read_yaml(path), path.name)


def parse_promises(document: Any, name: str) -> Promises:
    """Promises from plain data; `name` stands in messages. Raises ConfigError naming the key."""
    if not isinstance(document, dict):
        raise ConfigError(f"{name} is not valid: the file must map tasks to promises")
    top = {key: document[key] for key in RESERVED if key in document}
    tasks = {key: value for key, value in document.items() if key not in RESERVED}
    try:
        return Promises.model_validate({**top, "tasks": tasks})
    except ValidationError as error:
        faults = error.errors(include_url=False)
        lines = (f"{_key(fault['loc'])}: {_reason(fault)}" for fault in faults)
        raise ConfigError(f"{name} is not valid: " + "; ".join(lines)) from error


def _key(location: tuple[int | str, ...]) -> str:
    parts = [str(part) for part in location if part != "[key]"]
    return ".".join(parts[1:] if parts[0] == "tasks" else parts)


def _reason(fault: Any) -> str:
    if fault["type"] == "extra_forbidden":
        allowed = ", ".join(key for key in TaskPromise.model_fields if key != DEFAULT)
        return f"no such key; allowed: {allowed}"
    if fault["type"] == "string_pattern_mismatch":
        return f"no name of a task or label; other keys of the file are {', '.join(RESERVED)}"
    return str(fault["msg"]).removeprefix("Value error, ")
