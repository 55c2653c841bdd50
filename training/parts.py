"""What a run works with, before it is put together."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from service.contract.tokens import Tokenizer
from training.balance.balancer import Balancer
from training.config import RunConfig
from training.data.dataset import Dataset
from training.data.stream import StreamedDesk
from training.loss.build import build_loss
from training.losses import Losses, class_weights
from training.model.network import Network
from training.objectives.objective import Objective
from training.parallel import Processes
from training.plan import Plan
from training.precision import Arithmetic
from training.prepare import Desk
from training.sampling.build import build_sampler
from training.sampling.sampler import Sampler
from training.step.gradients import Gradients


@dataclass(frozen=True)
class Parts:
    """A run's configuration, its tickets and its network."""

    config: RunConfig
    directory: Path
    network: Network
    desk: Desk | StreamedDesk
    datasets: dict[str, Dataset]
    tokenizer: Tokenizer
    arithmetic: Arithmetic
    processes: Processes

    @property
    def names(self) -> tuple[str, ...]:
        """The tasks, in the order of the configuration."""
        return tuple(task.name for task in self.desk.tasks)

    @property
    def training(self) -> Dataset:
        """The training split."""
        return self.datasets["train"]

    @cached_property
    def plan(self) -> Plan:
        """An epoch has as many steps as the labelled tickets fill."""
        known_N = np.zeros(len(self.training), dtype=np.bool_)
        for name in self.names:
            known_N[self.training.labelled(name)] = True
        steps = max(1, -(-int(known_N.sum()) // self.config.batch.size))
        return Plan(steps, self.config.epochs, self.config.frozen_epochs)

    @cached_property
    def sampler(self) -> Sampler:
        """What each step draws."""
        return build_sampler(self.config.batch, self.training, self.config.seed)

    @property
    def losses(self) -> Losses:
        """The loss of each task, with its class weights; a teacher takes its share of it."""
        kind, device = self.config.class_weights, self.arithmetic.device
        each = {}
        for task in self.desk.tasks:
            weights_C = class_weights(self.training, task.name, task.classes, kind).to(device)
            each[task.name] = build_loss(self.config.tasks[task.name], weights_C)
        taught = self.config.distill.teacher is not None
        return Losses(each, device, 1.0 - self.config.distill.weight if taught else 1.0)

    def gradients(self, balancer: Balancer, objectives: tuple[Objective, ...]) -> Gradients:
        """What turns a step's tickets into gradients."""
        return Gradients(
            network=self.network,
            balancer=balancer,
            losses=self.losses,
            objectives=objectives,
            dataset=self.training,
            batch=self.config.batch,
            arithmetic=self.arithmetic,
            scaler=torch.amp.GradScaler("cuda", enabled=self.arithmetic.precision == "fp16"),
            processes=self.processes,
            per_layer=self.config.diagnostics.per_layer,
        )
