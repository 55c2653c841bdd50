"""A YAML file comes in; what it asks of each task's decisions, validated, goes out."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from service.contract.promises import Choice, Cost, Probability
from service.contract.tasks import Label, Task, TaskName
from service.errors import PolicyRefused
from service.strict_yaml import parse_yaml

DEFAULT = "default"


class _Frozen(BaseModel):
    # Strict: `auto: true` and `auto: "0.9"` are slips, not numbers.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class CostTable(_Frozen):
    """`{true: {given: cost}}`; a pair that is not named costs `default`, a right label nothing."""

    default: Cost = 1.0
    named: dict[Label, dict[Label, Cost]] = {}

    @model_validator(mode="before")
    @classmethod
    def _default_stands_among_the_labels(cls, document: Any) -> Any:
        if not isinstance(document, dict):
            return document
        named = {label: row for label, row in document.items() if label != DEFAULT}
        given = {DEFAULT: document[DEFAULT]} if DEFAULT in document else {}
        return {**given, "named": named}

    @model_validator(mode="after")
    def _a_right_label_costs_nothing(self) -> Self:
        for label, row in self.named.items():
            if row.get(label):
                raise ValueError(f"{label}.{label} must be 0, a right label costs nothing")
        return self

    def matrix(self, labels: tuple[Label, ...]) -> tuple[tuple[Cost, ...], ...]:
        """`matrix[true][given]` in the order of the labels. Raises ValueError for another label."""
        mentioned = self.named.keys() | {given for row in self.named.values() for given in row}
        if unknown := sorted(mentioned - set(labels)):
            raise ValueError(f"costs may name {', '.join(labels)}, found {unknown[0]}")
        return tuple(tuple(self._cost(true, given) for given in labels) for true in labels)

    def _cost(self, true: Label, given: Label) -> Cost:
        return 0.0 if true == given else self.named.get(true, {}).get(given, self.default)


class TaskPolicy(_Frozen):
    """What is asked of one task's decisions; a key that is left out changes nothing.

    auto, suggest: confidences from which on at the earliest; a raised `auto` keeps the promise of a
    precision, but what it keeps beyond that is shown nowhere. choose, costs: which label is given.
    human: what an agent's decision costs; a label that is expected to cost more is never `auto`,
    and no promise is left: it was shown for all labels that the thresholds let through.
    may_loosen: `auto` and `suggest` replace the bundle's even where they are lower, and a label
    chosen by another rule than the bundle's may be `auto`.
    """

    auto: Probability | None = None
    suggest: Probability | None = None
    choose: Choice | None = None
    costs: CostTable | None = None
    human: Cost | None = None
    may_loosen: bool = False

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        asked = (self.auto, self.suggest, self.choose, self.costs, self.human)
        if all(value is None for value in asked):
            raise ValueError("changes nothing; give auto, suggest, choose, costs or human")
        return self

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.auto is not None and self.suggest is not None and self.suggest > self.auto:
            raise ValueError(f"suggest {self.suggest} must not exceed auto {self.auto}")
        return self


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole file. name: as messages have it. digest: `sha256:...` of its bytes."""

    name: str
    digest: str
    tasks: Mapping[TaskName, TaskPolicy]

    def check(self, tasks: tuple[Task, ...]) -> None:
        """Raises ValueError where it names a task that the bundle lacks."""
        known = [task.name for task in tasks]
        for name in self.tasks:
            if name not in known:
                raise ValueError(f"it may name {', '.join(known)}, found {name}")


_FILE = TypeAdapter(
    dict[TaskName, TaskPolicy], config=ConfigDict(strict=True, hide_input_in_errors=True)
)


def read_policy(path: Path) -> Policy:
    """The file's policy. Raises PolicyRefused naming the key and what is allowed there."""
    try:
        content = path.read_bytes()
        document = parse_yaml(content)
    except OSError as error:
        raise PolicyRefused(f"{path.name} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise PolicyRefused(f"{path.name} cannot be read: {error}") from None
    if not isinstance(document, dict) or not document:
        raise PolicyRefused(f"{path.name} is not a valid policy: it must map tasks to mappings")
    try:
        tasks = _FILE.validate_python(document)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        lines = (f"{_key(fault['loc'])}: {_rule(fault)}" for fault in faults)
        raise PolicyRefused(f"{path.name} is not a valid policy: " + "; ".join(lines)) from None
    return Policy(path.name, "sha256:" + hashlib.sha256(content).hexdigest(), tasks)


def _key(location: tuple[int | str, ...]) -> str:
    """The key as it stands in the file: `named` is this module's own word."""
    parts = [str(part) for part in location if part != "[key]"]
    return ".".join(part for place, part in enumerate(parts) if (place, part) != (2, "named"))


def _rule(fault: Any) -> str:
    if fault["type"] == "extra_forbidden":
        return f"no such key; allowed: {', '.join(TaskPolicy.model_fields)}"
    if fault["type"] == "model_type":
        return "must be a mapping"
    return str(fault["msg"]).removeprefix("Value error, ")
