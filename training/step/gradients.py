"""A step's tickets come in; the gradient of every parameter goes out, in `.grad`.

The batch may be cut into passes and dealt to processes: every loss is a sum over tickets divided by
what the whole batch weighs, so that neither changes the gradient.

Shapes: B tickets of a step.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from training.balance.balancer import Balancer
from training.config import BatchConfig
from training.data.dataset import Dataset
from training.diagnostics.cosine import Gradients as Compared
from training.diagnostics.cosine import comparable, compare_gradients
from training.frozen import FrozenFeatures
from training.losses import Losses
from training.model.network import Network
from training.objectives.objective import Objective, Pass
from training.parallel import Processes
from training.precision import Arithmetic
from training.step.passes import Places, cut
from training.step.probe import Probe
from training.step.rows import Rows, add_up
from training.step.taken import Taken

PENALTY = "sharing"
"""What the sharing scheme's own penalty is called among the objectives."""


@dataclass(frozen=True)
class Wanted:
    """What is to be done with a step's tickets.

    positions_B: of the whole batch. features: of a resting trunk that reads each ticket once.
    resting: the encoder does not learn, and what is beside the tasks waits. diagnose: the tasks'
    gradients are compared, on the first pass of the process that leads.
    """

    step: int
    positions_B: Places
    features: FrozenFeatures | None = None
    resting: bool = False
    diagnose: bool = False


@dataclass
class Gradients:
    """Losses to `.grad`: one backward of the weighted sum, or one gradient a task, combined."""

    network: Network
    balancer: Balancer
    losses: Losses
    objectives: tuple[Objective, ...]
    dataset: Dataset
    batch: BatchConfig
    arithmetic: Arithmetic
    scaler: torch.amp.GradScaler
    processes: Processes
    per_layer: bool = False

    def __post_init__(self) -> None:
        modules = (self.network, self.balancer, *self.objectives)
        every = (one for module in modules for one in module.parameters())
        self.parameters = [one for one in dict.fromkeys(every) if one.requires_grad]

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Everything that learns or remembers, under the names that a run's state has for it."""
        return {
            "network": self.network,
            "balancer": self.balancer,
            "objectives": nn.ModuleList(self.objectives),
        }

    def take(self, wanted: Wanted) -> Taken:
        """Fills `.grad`, scaled by the scaler; what no labelled ticket reaches keeps None."""
        weights = self.losses.weights(self.dataset, wanted.positions_B)
        taken = Taken(dict.fromkeys(weights, 0.0))
        scale = self.scaler.get_scale()
        rows = Rows(self.parameters, self.processes, scale)
        probe = Probe(self.network.trunk.last_shared(), self.processes, scale)
        watched = () if wanted.resting else self.objectives
        for objective in watched:
            objective.begin(self.dataset, wanted.positions_B, wanted.step)
        for number, places_B in enumerate(self._passes(wanted.positions_B)):
            part = self._forward(wanted, places_B)
            losses = self.losses.parts(part.logits, part.batch, weights, whole=wanted.resting)
            self._count(taken, part, losses)
            extras = self._extras(watched, part, taken)
            if number == 0 and self.processes.leads and not wanted.resting:
                extras += self._penalty(taken)
                if wanted.diagnose:
                    part_B = wanted.positions_B[places_B]
                    taken.compared = self._compare(losses, weights, part_B)
            if self._probes(wanted):
                probe.add({task: self.scaler.scale(loss) for task, loss in losses.items()})
            self._backward(losses, extras, rows, wanted.step)
        self._finish(tuple(weights), rows, wanted.step)
        names = [PENALTY, *(objective.name for objective in self.objectives)]
        taken.share(names, self.processes, self.arithmetic.device)
        if self._probes(wanted):
            self.balancer.probe(probe.norms(tuple(weights)), taken.losses, wanted.step)
        return taken

    def _probes(self, wanted: Wanted) -> bool:
        return self.balancer.probes and not wanted.resting

    def _passes(self, positions_B: Places) -> list[Places]:
        mine = self.processes.part(np.arange(len(positions_B)))
        lengths_B = self.dataset.lengths_N[positions_B]
        return list(cut(mine, lengths_B, self.batch.accumulate, self.batch.budget_tokens))

    def _forward(self, wanted: Wanted, places_B: Places) -> Pass:
        positions_B = wanted.positions_B[places_B]
        batch = self.dataset.batch(positions_B).to(self.arithmetic.device)
        self.network.train()
        if wanted.features is not None:
            features = wanted.features.at(positions_B)
            return Pass(batch, places_B, features, self.network.answer(features))
        if wanted.resting:
            # At rest it drops nothing, so that it says what it would say once for all epochs.
            trunk = self.network.trunk
            (trunk if trunk.reads_once else trunk.encoder).eval()
        with self.arithmetic.autocast():
            features = self.network.trunk(batch.ids, batch.mask)
            return Pass(batch, places_B, features, self.network.answer(features))

    def _count(self, taken: Taken, part: Pass, losses: Mapping[str, Tensor]) -> None:
        taken.tokens += int(part.batch.mask.sum())
        taken.padded_tokens += part.batch.mask.numel()
        for task, loss in losses.items():
            taken.losses[task] += float(loss.detach())

    def _extras(self, objectives: tuple[Objective, ...], part: Pass, taken: Taken) -> list[Tensor]:
        found = []
        for objective in objectives:
            with self.arithmetic.autocast():
                loss = objective.loss(self.network, part)
            if loss is not None:
                taken.objective(objective.name, loss)
                found.append(loss)
        return found

    def _penalty(self, taken: Taken) -> list[Tensor]:
        penalty = self.network.trunk.penalty()
        if penalty is None:
            return []
        taken.objective(PENALTY, penalty)
        return [penalty]

    def _compare(
        self, losses: Mapping[str, Tensor], weights: Mapping[str, float], part_B: Places
    ) -> Compared:
        """Of each task, the mean loss of this pass's tickets, which the whole batch's is like."""
        own = self.losses.weights(self.dataset, part_B)
        # Scaled, or a gradient in half precision may vanish.
        scaled = {
            task: self.scaler.scale(loss * (weights[task] / own[task]))
            for task, loss in losses.items()
        }
        return compare_gradients(
            scaled,
            comparable(self.network.trunk),
            per_layer=self.per_layer,
            scale=self.scaler.get_scale(),
        )

    def _backward(
        self, losses: dict[str, Tensor], extras: list[Tensor], rows: Rows, step: int
    ) -> None:
        terms = [*extras]
        if self.balancer.separate:
            for task, loss in losses.items():
                rows.add(task, self.scaler.scale(loss))
        elif losses:
            terms.append(self.balancer(losses, step))
        if terms:
            whole = torch.stack([term.float() for term in terms]).sum()
            torch.autograd.backward(self.scaler.scale(whole))

    def _finish(self, tasks: tuple[str, ...], rows: Rows, step: int) -> None:
        """Everything once a step: the balancer's own penalty, the sum over processes."""
        penalty = self.balancer.penalty(tasks, step) if tasks else None
        if penalty is not None and self.processes.leads:
            torch.autograd.backward(self.scaler.scale(penalty))
        gradient = [one.grad for one in self.parameters]
        add_up(gradient, self.parameters, self.processes)
        if self.balancer.separate and tasks:
            combined = rows.combine(self.balancer, tasks, step)
            gradient = [
                one if other is None else other if one is None else one + other
                for one, other in zip(gradient, combined, strict=True)
            ]
        for parameter, found in zip(self.parameters, gradient, strict=True):
            parameter.grad = found
