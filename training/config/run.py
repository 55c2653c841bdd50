"""Everything that decides what a run learns, and which of it goes together."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from service.contract.tasks import TaskName
from training.config.balance import GRADIENT_METHODS, Balance, BalanceConfig
from training.config.batch import REFERENCE_COMPOSITION, BatchConfig
from training.config.data import DataConfig
from training.config.model import ModelConfig
from training.config.objectives import DiagnosticsConfig, DistillConfig, MaskedConfig
from training.config.optimizer import OptimizerConfig, StopConfig
from training.config.section import Count, Section
from training.config.sharing import shares_parameters
from training.config.tasks import Loss, TaskConfig

_NO_TASKS = frozenset({"id", "subject", "body", "created_at", "source", "macro_f1"})
"""A ticket's own columns, and what `stop.metric` calls the mean: a task of that name would be read
from the text that it is to be told from, or would be taken for the mean.
"""
_REFERENCE = {name: TaskConfig() for name in ("category", "urgency", "queue")}


class RunConfig(Section):
    """Everything that decides what a run learns."""

    tasks: Annotated[dict[TaskName, TaskConfig], Field(min_length=1, max_length=32)] = _REFERENCE
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    batch: BatchConfig = BatchConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    balance: Balance = BalanceConfig()
    stop: StopConfig = StopConfig()
    masked: MaskedConfig = MaskedConfig()
    distill: DistillConfig = DistillConfig()
    diagnostics: DiagnosticsConfig = DiagnosticsConfig()
    class_weights: Literal["none", "sqrt", "balanced"] = "balanced"
    epochs: Count = 5
    frozen_epochs: Annotated[int, Field(ge=0)] = 1
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    save_every_steps: Count = 200
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 7

    @property
    def losses(self) -> dict[str, Loss]:
        """The loss of each task, by name."""
        return {name: task.loss for name, task in self.tasks.items()}

    @property
    def exported(self) -> tuple[str, ...]:
        """The tasks that a bundle will have."""
        return tuple(name for name, task in self.tasks.items() if task.exported)

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
        self._check_named("batch.composition", self.batch.composition, REFERENCE_COMPOSITION)
        self._check_named("balance.weights", self.balance.weights, {})
        return self

    @model_validator(mode="after")
    def _weights_are_for_manual(self) -> Self:
        weights, method = self.balance.weights, self.balance.method
        if weights and method != "manual":
            raise ValueError(f"balance.weights are for the method manual, found {method}")
        if weights and all(weights.get(name, 1.0) == 0.0 for name in self.tasks):
            raise ValueError("balance.weights must not all be 0")
        return self

    @model_validator(mode="after")
    def _a_stream_is_read_once(self) -> Self:
        if self.data.stream and any(task.votes for task in self.tasks.values()):
            raise ValueError("data.stream true does not read tasks.*.votes; allowed: null")
        if self.data.stream and self.distill.teacher is not None:
            raise ValueError("data.stream true does not go with distill.teacher; allowed: null")
        return self

    @model_validator(mode="after")
    def _architecture_and_balance_combine(self) -> Self:
        sharing, method = self.model.sharing, self.balance.method
        if not shares_parameters(sharing) and method in {*GRADIENT_METHODS, "gradnorm"}:
            raise ValueError(
                f"balance.method {method} weighs gradients of shared parameters, and here "
                f"model.sharing {sharing.scheme} has none that learn; allowed: "
                "equal, manual, uncertainty, dwa, random"
            )
        return self

    def _check_named(
        self, key: str, named: Mapping[str, float], reference: Mapping[str, float]
    ) -> None:
        unknown = sorted(named.keys() - self.tasks.keys())
        if unknown and named != reference:
            raise ValueError(f"{key} may name {', '.join(self.tasks)}, found {unknown[0]}")
