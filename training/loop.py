"""A network and drawn batches come in; a trained network goes out, one step after another."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from training.config import RunConfig
from training.data.dataset import Dataset
from training.evaluate import Measures, macro_f1, measure_all, predict, predict_frozen
from training.frozen import FrozenFeatures, freeze_features
from training.journal import Journal
from training.losses import check_finite, check_gradient
from training.optimizer import Rates
from training.plan import Plan
from training.sampling.sampler import Sampler
from training.state import Progress, save_state, save_weights
from training.step.gradients import Gradients, Wanted

STATE, BEST = "state.safetensors", "best.safetensors"


@dataclass
class Loop:
    """One run's moving parts; `run` reads top-down as the recipe does."""

    config: RunConfig
    gradients: Gradients
    optimizer: torch.optim.Optimizer
    sampler: Sampler
    validation: Dataset
    plan: Plan
    directory: Path
    progress: Progress
    journal: Journal

    def __post_init__(self) -> None:
        self.network = self.gradients.network
        self._scaler = self.gradients.scaler
        if self.progress.scaler:
            self._scaler.load_state_dict(self.progress.scaler)
        self._features: dict[str, FrozenFeatures] = {}
        self._encoder = self.network.trunk.encoder_parameters()
        self._rates = Rates(self.optimizer, self.plan, self.config.optimizer.warmup_share)

    def run(self) -> None:
        """Trains from where `progress` stands to the last epoch or an early stop. Raises
        LossError.
        """
        if self.progress.step == 0:
            self.journal.sampling(self.sampler, self.config.diagnostics.sampling_steps)
        while self.progress.step < self.plan.total and not self.progress.stopped:
            step = self.progress.step
            self._step(step)
            self.progress.step += 1
            if self.plan.ends_epoch(step):
                self._end_epoch(step)
            elif self.progress.step % self.config.save_every_steps == 0:
                self._save()

    def _step(self, step: int) -> None:
        # Dropout depends on the seed and the step alone: a resumed run drops what the first would.
        torch.manual_seed((self.config.seed << 32) + step)
        self.journal.begin()
        self._rates.set(step)
        self.optimizer.zero_grad(set_to_none=True)
        taken = self.gradients.take(self._wanted(step))
        check_finite({**taken.losses, **taken.objectives}, step)
        weights = self.gradients.balancer.weights()
        norm = self._descend(step)
        self.progress.add(taken.losses)
        self.journal.step(step, taken, norm, weights)

    def _wanted(self, step: int) -> Wanted:
        resting = self.plan.rests(step)
        for parameter in self._encoder:
            parameter.requires_grad_(not resting)
        every = self.config.diagnostics.every_steps
        return Wanted(
            step=step,
            positions_B=self.sampler.positions(step),
            features=self._frozen("train") if resting and self._reads_once else None,
            resting=resting,
            diagnose=every > 0 and step % every == 0,
        )

    def _descend(self, step: int) -> float:
        """Clips and steps; returns the gradient's norm before it was clipped."""
        self._scaler.unscale_(self.optimizer)
        clip_norm = self.config.optimizer.clip_norm
        norm = float(nn.utils.clip_grad_norm_(self._parameters(), clip_norm))
        if not self._scaler.is_enabled():  # The scaler leaves such a step out, and scales less.
            check_gradient(norm, step)
        self._scaler.step(self.optimizer)
        self._scaler.update()
        return norm

    @property
    def _reads_once(self) -> bool:
        return self.network.trunk.reads_once and not self.config.data.stream

    def _frozen(self, split: Literal["train", "validation"]) -> FrozenFeatures:
        if split not in self._features:
            dataset = self.sampler.dataset if split == "train" else self.validation
            name = f"reading the {split} split once"
            self._features[split] = freeze_features(
                self.network,
                dataset,
                self.gradients.arithmetic.device,
                lambda done: self.journal.progress(name, done, len(dataset)),
                self.gradients.processes,
            )
        return self._features[split]

    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def _end_epoch(self, step: int) -> None:
        epoch, load = self.plan.epoch(step), self.network.trunk.load()
        measures = self._measures(epoch)
        metric = self._metric(measures)
        improved = metric > self.progress.best
        if improved:
            self.progress.best, self.progress.best_epoch, self.progress.bad_epochs = (
                metric,
                epoch,
                0,
            )
        elif epoch >= self.plan.frozen_epochs:
            # A frozen epoch only prepares the heads: patience is for those in which all learns.
            self.progress.bad_epochs += 1
        self.progress.stopped = self.progress.bad_epochs >= self.config.stop.patience
        self.gradients.balancer.end_epoch(self.progress.take_losses())
        # Written first: an event that the state knows nothing of is dropped by a resume.
        self.journal.epoch(
            step,
            measures,
            metric,
            best=improved,
            balancer=self.gradients.balancer,
            load=load,
        )
        self._save(best=improved)
        self.journal.tell(epoch, measures, metric)

    def _measures(self, epoch: int) -> dict[str, Measures]:
        arithmetic, processes = self.gradients.arithmetic, self.gradients.processes
        if epoch < self.plan.frozen_epochs and self._reads_once:
            logits = predict_frozen(self.network, self._frozen("validation"), self.validation)
        else:
            # The trunk has learned since: what it said before is of no more use.
            self._features.clear()
            logits = predict(self.network, self.validation, arithmetic.device, processes=processes)
        return measure_all(self.network.tasks, logits, self.validation)

    def _metric(self, measures: dict[str, Measures]) -> float:
        name = self.config.stop.metric
        if name == "macro_f1":
            return macro_f1(self.network.tasks, measures)
        return measures[name].get("macro_f1", 0.0)

    def _save(self, *, best: bool = False) -> None:
        self.progress.scaler = self._scaler.state_dict()
        if not self.gradients.processes.leads:
            return
        if best:
            save_weights(self.directory / BEST, self.network)
        save_state(self.directory / STATE, self.gradients.modules, self.optimizer, self.progress)
