"""The shadow's YAML file comes in; which legacies run, how they are asked, and the plan go out."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from service.contract.tasks import Label, Task, TaskName
from service.errors import ShadowRefused
from service.ledger.records import Role
from service.shadow.plan import DEFAULT_MATURITY_DAYS, MaturityDays, Plan, TaskPlan
from service.shadow.remote_config import JsonConfig, V2Config
from service.strict_yaml import read_yaml

LegacyName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
GivenLabel = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Seconds = Annotated[float, Field(gt=0.0, le=3600.0)]
Kind = Literal["bundle", "v2", "json"]
_REMOTE_ONLY = ("connections", "breaker")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _relative_to_file(path: Path, info: ValidationInfo) -> Path:
    return Path((info.context or {}).get("directory", ".")) / path


class BreakerConfig(_Frozen):
    """When a remote system is left alone.

    failures: in a row that open the circuit. cooldown_s: until one ticket may try again.
    """

    failures: Annotated[int, Field(ge=1, le=10_000)] = 5
    cooldown_s: Seconds = 10.0


class LegacyConfig(_Frozen):
    """One legacy: exactly one of bundle, v2 and json says what it is.

    bundle: directory of an in-process Harbor bundle; relative to the file. tasks: that it is
    compared on; None stands for all that it shares with the bundle that answers. timeout_s: for one
    ticket, in all. connections: to a remote system, and so the tickets that it is asked at once.
    labels: by task, its labels in the words of the bundle that answers; equal ones need no line.
    """

    name: LegacyName
    role: Role = "incumbent"
    bundle: Annotated[Path, AfterValidator(_relative_to_file)] | None = None
    v2: V2Config | None = None
    json_: Annotated[JsonConfig | None, Field(alias="json")] = None
    tasks: Annotated[tuple[TaskName, ...], Field(min_length=1)] | None = None
    timeout_s: Seconds = 2.0
    connections: Annotated[int, Field(ge=1, le=256)] = 4
    breaker: BreakerConfig = BreakerConfig()
    labels: dict[TaskName, dict[GivenLabel, Label]] = {}

    @property
    def kind(self) -> Kind:
        """What stands behind the name."""
        if self.bundle is not None:
            return "bundle"
        return "v2" if self.v2 is not None else "json"

    @property
    def remote(self) -> V2Config | JsonConfig | None:
        """How the remote system is asked; None for a bundle."""
        return self.v2 if self.v2 is not None else self.json_

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if sum(given is not None for given in (self.bundle, self.v2, self.json_)) != 1:
            raise ValueError("exactly one of bundle, v2 and json must be given")
        return self

    @model_validator(mode="after")
    def _only_what_applies(self) -> Self:
        unused = self.model_fields_set & set(_REMOTE_ONLY)
        if self.bundle is not None and unused:
            raise ValueError(f"{min(unused)} is for remote systems, not for a bundle")
        if self.tasks is not None and len(set(self.tasks)) != len(self.tasks):
            raise ValueError("tasks names a task twice")
        return self

    @model_validator(mode="after")
    def _names_its_own_tasks(self) -> Self:
        answered = self.remote.outputs if self.remote is not None else None
        for task in self.tasks or ():
            if answered is not None and task not in answered:
                raise ValueError(f"tasks names {task}, which has no line in outputs")
        known = self.tasks if self.tasks is not None else answered
        for task in self.labels:
            if known is not None and task not in known:
                raise ValueError(f"labels names {task}, which is not among its tasks")
        return self


class ShadowConfig(_Frozen):
    """The whole file.

    sample: share of tickets that are offered. queue: tickets that may wait for each legacy.
    max_age_s: older ones are dropped. window: compared answers behind the running disagreement.
    wait_s: how long `shadow=wait` waits at most. alpha: chance of a wrong verdict, however often
    one looks. maturity_days: least age from which a ticket counts for a verdict; see `Plan`.
    tasks: what must be shown, by task.
    """

    sample: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    queue: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    max_age_s: Seconds = 30.0
    window: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    wait_s: Seconds = 2.0
    alpha: Annotated[float, Field(gt=0.0, le=0.2)] = 0.05
    maturity_days: MaturityDays = DEFAULT_MATURITY_DAYS
    tasks: dict[TaskName, TaskPlan] = {}
    legacies: Annotated[tuple[LegacyConfig, ...], Field(min_length=1, max_length=16)]

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        names = [legacy.name for legacy in self.legacies]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two legacies are named {twice[0]}")
        return self

    def plan_for(self, legacy: str, role: Role, tasks: Iterable[str]) -> Plan:
        """What must be shown on these tasks; a task without a line takes the defaults."""
        plans = {task: self.tasks.get(task, TaskPlan()) for task in tasks}
        return Plan(
            legacy=legacy,
            role=role,
            alpha=self.alpha,
            maturity_days=self.maturity_days,
            tasks=plans,
        )


def read_shadow(path: Path, environ: Mapping[str, str] = os.environ) -> ShadowConfig:
    """The file's legacies and plan; `${NAME}` comes from `environ`.

    Raises ShadowRefused naming the file, the key and the rule, never a value.
    """
    try:
        document = read_yaml(path)
    except ValueError as error:
        raise ShadowRefused(f"{path.name} cannot be read: {error}") from None
    context = {"environ": environ, "directory": path.resolve().parent}
    return parse_shadow({} if document is None else document, path.name, context)


def parse_shadow(
    document: Any, name: str, context: Mapping[str, Any] | None = None
) -> ShadowConfig:
    """The same from plain data; `name` stands in messages.

    context: `environ`, and `directory`, which relative paths start from. Raises ShadowRefused.
    """
    try:
        return ShadowConfig.model_validate(document, context=dict(context or {}))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        lines = (f"{_key(fault['loc'])}: {_rule(fault['msg'])}" for fault in faults)
        raise ShadowRefused(f"{name} is not a valid shadow: " + "; ".join(lines)) from None


def check_tasks(
    legacy: LegacyConfig, primary: Sequence[Task], own: Sequence[Task] | None = None
) -> None:
    """Checks a legacy against the bundle that was configured to answer.

    own: tasks of a legacy that is a bundle. Raises ShadowRefused where it names a task that either
    side lacks, where they share none, or where `labels` names a label that there is not.
    """
    known = {task.name: task for task in primary}
    if legacy.remote is not None:
        has, default = set(legacy.remote.outputs), tuple(legacy.remote.outputs)
    else:
        has = {task.name for task in own or ()}
        default = tuple(name for name in known if name in has)
    named = legacy.tasks or default
    for task in named:
        if task not in known or task not in has:
            side = "it" if task in known else "the bundle that answers"
            raise ShadowRefused(f"legacy {legacy.name}: {side} has no task {task}")
    if not named:
        raise ShadowRefused(f"legacy {legacy.name} shares no task with the bundle that answers")
    for task, table in legacy.labels.items():
        _check_labels(legacy.name, task, table, primary, own)


def check_plan(config: ShadowConfig, tasks: Iterable[Task]) -> None:
    """Raises ShadowRefused where the plan names a task or a label that there is not.

    tasks: of every open bundle: which of them answers may have been decided by a promotion.
    """
    known: dict[str, set[str]] = {}
    for task in tasks:
        known.setdefault(task.name, set()).update(task.labels)
    for name, plan in config.tasks.items():
        if name not in known:
            raise ShadowRefused(f"tasks.{name}: no bundle has this task")
        for guard in plan.guards:
            if guard.dimension in known and guard.value not in known[guard.dimension]:
                raise ShadowRefused(
                    f"tasks.{name}.guards: {guard.dimension} has no label {guard.value!r}"
                )


def _check_labels(
    legacy: str,
    task: str,
    table: Mapping[str, str],
    primary: Sequence[Task],
    own: Sequence[Task] | None,
) -> None:
    for side, words in ((primary, table.values()), (own, table)):
        if side is None:
            continue
        labels = next((one.labels for one in side if one.name == task), ())
        for label in words:
            if label not in labels:
                whose = "the bundle that answers" if side is primary else "it"
                raise ShadowRefused(
                    f"legacy {legacy}: labels.{task}: {whose} has no label {label!r}"
                )


def _key(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "the file"


def _rule(message: str) -> str:
    return message.removeprefix("Value error, ")
