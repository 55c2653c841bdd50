"""A seed comes in; a small network that learned several tasks, and what the diagnostics saw of it,
go out.

Shapes: B batch, D inputs, H shared features, T tasks.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.diagnostics.alerts import Alert, Watch
from training.diagnostics.cosine import comparable, compare_gradients
from training.diagnostics.verdict import Verdict, judge_all

INPUTS, WIDTH = 12, 12
STEPS, EVERY, EPOCH, RATE = 160, 4, 40, 0.5
BATCH = 32
FLIPPED = 0.1
"""Of the labels: no task can be learned to the last ticket."""


@dataclass(frozen=True)
class World:
    """What the tasks ask. directions_TD: each task's label is the side of its direction that a
    ticket lies on. inverted: tasks whose label is the other one. tied: all tasks read the features
    through one head.
    """

    directions_TD: Tensor
    inverted: frozenset[int] = frozenset()
    tied: bool = False


@dataclass
class Seen:
    """What the diagnostics saw: the verdicts at the end, and every alert on the way."""

    verdicts: dict[str, Verdict]
    alerts: list[Alert] = field(default_factory=list)

    @property
    def conflicts(self) -> set[str]:
        """Pairs whose verdict is a conflict, or of which one was told during training."""
        told = {"|".join(alert.tasks) for alert in self.alerts if alert.kind == "conflict"}
        return told | {pair for pair, one in self.verdicts.items() if one.word == "conflicting"}


class Toy(nn.Module):
    """One shared layer, and a linear head a task or one for all."""

    def __init__(self, world: World) -> None:
        super().__init__()
        count = len(world.directions_TD)
        self.trunk = nn.Sequential(nn.Linear(INPUTS, WIDTH), nn.Tanh())
        self.heads = nn.ModuleList(nn.Linear(WIDTH, 2) for _ in range(count))
        if world.tied:
            self.heads = nn.ModuleList([self.heads[0]] * count)

    def forward(self, inputs_BD: Tensor) -> dict[str, Tensor]:
        features_BH = self.trunk(inputs_BD)
        return {f"t{place}": head(features_BH) for place, head in enumerate(self.heads)}


def orthogonal(count: int, random: torch.Generator) -> Tensor:
    """Directions (count, D) at right angles: tasks that have nothing to do with each other."""
    square = torch.randn(INPUTS, INPUTS, generator=random)
    return torch.linalg.qr(square).Q[:count]


def related(random: torch.Generator, cosine: float) -> Tensor:
    """Two directions (2, D) with a cosine between them."""
    first, second = orthogonal(2, random)
    return torch.stack([first, cosine * first + (1 - cosine**2) ** 0.5 * second])


def train(world: World, random: torch.Generator) -> Seen:
    """STEPS of plain descent on fresh batches; the gradients are compared every EVERY steps, and
    the watch hears of an epoch every EPOCH.
    """
    torch.manual_seed(int(torch.randint(2**31, (1,), generator=random)))
    network = Toy(world)
    watch, series, alerts = Watch(), dict[str, list[float]](), list[Alert]()
    for step in range(STEPS):
        losses = _losses(network, world, random)
        if step % EVERY == 0:
            found = compare_gradients(losses, comparable(network.trunk))
            watch.gradients(found.cosines, found.norms, {})
            for pair, cosine in found.cosines.items():
                series.setdefault(pair, []).append(cosine)
        _descend(network, losses)
        if (step + 1) % EPOCH == 0:
            alerts += watch.epoch({}, 0.0)
    return Seen(judge_all(series), alerts)


def _descend(network: Toy, losses: dict[str, Tensor]) -> None:
    parameters = list(network.parameters())
    gradients = torch.autograd.grad(torch.stack(list(losses.values())).sum(), parameters)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= RATE * gradient


def _losses(network: Toy, world: World, random: torch.Generator) -> dict[str, Tensor]:
    inputs_BD = torch.randn(BATCH, INPUTS, generator=random)
    sides_BT = inputs_BD @ world.directions_TD.T > 0
    flipped_BT = torch.rand(sides_BT.shape, generator=random) < FLIPPED
    labels_BT = (sides_BT ^ flipped_BT).long()
    return {
        name: functional.cross_entropy(
            logits_BC, 1 - labels_BT[:, place] if place in world.inverted else labels_BT[:, place]
        )
        for place, (name, logits_BC) in enumerate(network(inputs_BD).items())
    }
