"""A network and composed batches come in; a trained network goes out, one step after another."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from training.balance.balancer import Balancer
from training.config import RunConfig
from training.data.dataset import Dataset
from training.evaluate import Measures, macro_f1, measure_all, predict, predict_frozen
from training.frozen import FrozenFeatures, freeze_features
from training.listener import Listener
from training.losses import check_finite, check_gradient, task_losses
from training.model.network import Network
from training.precision import Arithmetic
from training.record import Record
from training.sampling import ComposedSampler
from training.schedule import Schedule
from training.state import Progress, save_state, save_weights

STATE, BEST = "state.safetensors", "best.safetensors"
BAR = "training"


@dataclass(frozen=True)
class Plan:
    """How long a run is, in steps."""

    steps_per_epoch: int
    epochs: int
    frozen_epochs: int

    @property
    def total(self) -> int:
        """Steps of the whole run."""
        return self.steps_per_epoch * self.epochs

    @property
    def frozen(self) -> int:
        """Steps in which the encoder does not learn."""
        return self.steps_per_epoch * self.frozen_epochs

    def rests(self, step: int) -> bool:
        """Whether the encoder is frozen at a step, counted from 0."""
        return step < self.frozen

    def epoch(self, step: int) -> int:
        """The epoch, counted from 0, that a step belongs to."""
        return step // self.steps_per_epoch


@dataclass
class Loop:
    """One run's moving parts; `run` reads top-down as the recipe does."""

    config: RunConfig
    network: Network
    balancer: Balancer
    optimizer: torch.optim.Optimizer
    sampler: ComposedSampler
    class_weights: dict[str, Tensor]
    validation: Dataset
    plan: Plan
    arithmetic: Arithmetic
    record: Record
    directory: Path
    progress: Progress
    listener: Listener

    def __post_init__(self) -> None:
        self._scaler = torch.amp.GradScaler("cuda", enabled=self.arithmetic.precision == "fp16")
        if self.progress.scaler:
            self._scaler.load_state_dict(self.progress.scaler)
        self._features: dict[str, FrozenFeatures] = {}
        share = self.config.optimizer.warmup_share
        self._schedules = {
            "encoder": Schedule(self.plan.frozen, self.plan.total, share),
            "heads": Schedule(0, self.plan.total, share),
            "balance": Schedule(0, self.plan.total, share),
        }

    def run(self) -> None:
        """Trains from where `progress` stands to the last epoch or an early stop. Raises
        LossError.
        """
        self.listener.progress(BAR, self.progress.step, self.plan.total)
        while self.progress.step < self.plan.total and not self.progress.stopped:
            step = self.progress.step
            self._step(step)
            self.progress.step += 1
            if self.progress.step % self.plan.steps_per_epoch == 0:
                self._end_epoch(self.plan.epoch(step))
            elif self.progress.step % self.config.save_every_steps == 0:
                self._save()

    def _step(self, step: int) -> None:
        # Dropout depends on the seed and the step alone: a resumed run drops what the first would.
        torch.manual_seed((self.config.seed << 32) + step)
        self._set_rates(step)
        losses = self._losses(step)
        values = {task: float(loss.detach()) for task, loss in losses.items()}
        check_finite(values, step)
        self.optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(self.balancer(losses, step)).backward()
        self._scaler.unscale_(self.optimizer)
        clip_norm = self.config.optimizer.clip_norm
        norm = float(nn.utils.clip_grad_norm_(self._parameters(), clip_norm))
        if not self._scaler.is_enabled():  # The scaler leaves such a step out, and scales less.
            check_gradient(norm, step)
        self._scaler.step(self.optimizer)
        self._scaler.update()
        self.record.write(
            "step", step=step, losses=values, gradient_norm=norm if math.isfinite(norm) else None
        )
        self.listener.step(step, values)
        self.listener.progress(BAR, step + 1, self.plan.total)

    def _losses(self, step: int) -> dict[str, Tensor]:
        positions_B = self.sampler.positions(step)
        batch = self.sampler.dataset.batch(positions_B).to(self.arithmetic.device)
        if self.plan.rests(step):
            features = self._frozen("train").at(positions_B)
            self.network.train()
            logits = self.network.answer(features)
        else:
            self.network.train()
            with self.arithmetic.autocast():
                logits = self.network(batch.ids, batch.mask)
        return task_losses(logits, batch.labels, self.class_weights)

    def _frozen(self, split: Literal["train", "validation"]) -> FrozenFeatures:
        if split not in self._features:
            dataset = self.sampler.dataset if split == "train" else self.validation
            name = f"reading the {split} split once"
            self._features[split] = freeze_features(
                self.network,
                dataset,
                self.arithmetic.device,
                lambda done: self.listener.progress(name, done, len(dataset)),
            )
        return self._features[split]

    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def _set_rates(self, step: int) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * self._schedules[group["name"]].factor(step)

    def _end_epoch(self, epoch: int) -> None:
        measures = self._measures(epoch)
        metric = self._metric(measures)
        improved = metric > self.progress.best
        if improved:
            save_weights(self.directory / BEST, self.network)
            self.progress.best, self.progress.best_epoch, self.progress.bad_epochs = (
                metric,
                epoch,
                0,
            )
        elif epoch >= self.plan.frozen_epochs:
            # A frozen epoch only prepares the heads: patience is for those in which all learns.
            self.progress.bad_epochs += 1
        self.progress.stopped = self.progress.bad_epochs >= self.config.stop.patience
        self.record.write(
            "epoch",
            step=self.progress.step - 1,
            epoch=epoch,
            validation=measures,
            metric=metric,
            best=improved,
            weights=self.balancer.weights(),
        )
        self._save()
        self.listener.epoch(epoch, measures, metric)

    def _measures(self, epoch: int) -> dict[str, Measures]:
        if epoch < self.plan.frozen_epochs:
            logits = predict_frozen(self.network, self._frozen("validation"), self.validation)
        else:
            # The trunk has learned since: what it said before is of no more use.
            self._features.clear()
            logits = predict(self.network, self.validation, self.arithmetic.device)
        return measure_all(self.network.tasks, logits, self.validation)

    def _metric(self, measures: dict[str, Measures]) -> float:
        name = self.config.stop.metric
        if name == "macro_f1":
            return macro_f1(self.network.tasks, measures)
        return measures[name].get("macro_f1", 0.0)

    def _save(self) -> None:
        self.progress.scaler = self._scaler.state_dict()
        save_state(
            self.directory / STATE, self.network, self.balancer, self.optimizer, self.progress
        )


def build_optimizer(config: RunConfig, network: Network, balancer: nn.Module) -> torch.optim.AdamW:
    """AdamW in three groups: encoder, everything after it, and the learned weights without
    decay.
    """
    encoder = list(network.trunk.encoder.parameters())
    inside = {id(parameter) for parameter in encoder}
    heads = [parameter for parameter in network.parameters() if id(parameter) not in inside]
    groups = [
        {"name": "encoder", "params": encoder, "peak": config.optimizer.encoder_rate},
        {"name": "heads", "params": heads, "peak": config.optimizer.head_rate},
    ]
    learned = list(balancer.parameters())
    if learned:
        groups.append(
            {"name": "balance", "params": learned, "peak": config.balance.rate, "weight_decay": 0.0}
        )
    # Fused: one pass over the weights, several times faster than the loop on a CPU as well.
    return torch.optim.AdamW(groups, lr=0.0, weight_decay=config.optimizer.weight_decay, fused=True)
