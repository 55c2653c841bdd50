"""A pooled vector comes in; what experts make of it, weighed by a gate, goes out.

Shapes: B batch, H width, D width within an expert, E experts that a gate weighs.
"""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from training.attributes import attribute


def expert(width: int, inner: int) -> nn.Sequential:
    """A perceptron of one hidden layer, (B, H) to (B, H): H D + D + D H + H parameters."""
    return nn.Sequential(nn.Linear(width, inner), nn.ReLU(), nn.Linear(inner, width))


def experts(count: int, width: int, inner: int) -> nn.ModuleList:
    """So many of them, each with random weights of its own."""
    return nn.ModuleList(expert(width, inner) for _ in range(count))


class Gate(nn.Module):
    """A softmax over experts, linear in its input and without a bias, as in both papers: H E
    parameters.
    """

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, count, bias=False)
        self._share_E: Tensor | None = None

    def forward(self, input_BH: Tensor, answers_BEH: Tensor) -> Tensor:
        """The experts' answers (B, E, H), weighed by what the gate says to the input: (B, H)."""
        shares_BE = torch.softmax(self.score(input_BH).float(), dim=1)
        # A tensor kept while tracing would be none that anybody can read.
        if self.training and not torch.compiler.is_compiling():
            self._share_E = shares_BE.detach().mean(dim=0)
        return (shares_BE.unsqueeze(-1) * answers_BEH).sum(dim=1)

    def load(self) -> list[float]:
        """The mean share of each expert in the last training batch; empty before the first."""
        return [] if self._share_E is None else self._share_E.tolist()


def answers_of(chosen: nn.Module, input_BH: Tensor) -> list[Tensor]:
    """What each of a list of experts says, (B, H) each."""
    return [one(input_BH) for one in cast("nn.ModuleList", chosen)]


def loads_of(gates: nn.Module, tasks: Iterable[str]) -> dict[str, list[float]]:
    """Each task's gate of a dictionary of them; a task is left out before its first batch."""
    loads = {task: cast("Gate", gates.get_submodule(attribute(task))).load() for task in tasks}
    return {task: load for task, load in loads.items() if load}
