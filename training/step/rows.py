"""A gradient for each task, of every parameter, comes in; one for each parameter goes out.

Shapes: T tasks, P shared parameters, flattened.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from training.balance.balancer import Balancer
from training.parallel import Processes

Gradient = list[Tensor | None]
"""One entry a parameter; None where nothing reaches it."""


@dataclass
class Rows:
    """The tasks' gradients of one step, over its passes and over all processes.

    parameters: in the order of the entries. scale: what the losses were multiplied by.
    """

    parameters: Sequence[nn.Parameter]
    processes: Processes
    scale: float = 1.0
    _rows: dict[str, Gradient] = field(default_factory=dict, init=False)

    def add(self, task: str, loss: Tensor) -> None:
        """Adds the gradient of one pass's loss, which is scaled already; its graph is kept."""
        found = _gradient(loss, self.parameters)
        known = self._rows.get(task)
        self._rows[task] = found if known is None else _added(known, found)

    def combine(self, balancer: Balancer, tasks: tuple[str, ...], step: int) -> Gradient:
        """What a task has for itself gets its own gradient; what several share, the balancer's.

        tasks: those with a label anywhere in the step. Still scaled.
        """
        rows = [self._rows.get(task) or [None] * len(self.parameters) for task in tasks]
        for row in rows:
            add_up(row, self.parameters, self.processes)
        columns = list(zip(*rows, strict=True))
        found = [next((one for one in column if one is not None), None) for column in columns]
        shared = [
            place for place, column in enumerate(columns) if sum(x is not None for x in column) > 1
        ]
        if not shared:
            return found
        parameters = [self.parameters[place] for place in shared]
        rows_TP = torch.stack([flat([row[place] for place in shared], parameters) for row in rows])
        whole_P = balancer.combine(rows_TP / self.scale, tasks, step) * self.scale
        pieces = torch.split(whole_P, [one.numel() for one in parameters])
        for place, parameter, piece in zip(shared, parameters, pieces, strict=True):
            found[place] = piece.view_as(parameter)
        return found


def add_up(gradient: Gradient, parameters: Sequence[nn.Parameter], processes: Processes) -> None:
    """Sums over all processes, in place; None stays where no process has anything."""
    if processes.count == 1:
        return
    reached = torch.tensor(
        [0.0 if one is None else 1.0 for one in gradient], device=parameters[0].device
    )
    processes.sum([reached])
    for place, known in enumerate(reached.tolist()):
        if known and gradient[place] is None:
            gradient[place] = torch.zeros_like(parameters[place])
    processes.sum([one for one in gradient if one is not None])


def flat(gradient: Sequence[Tensor | None], parameters: Sequence[nn.Parameter]) -> Tensor:
    """All entries as one vector, zeros where there is none."""
    parts = [
        torch.zeros_like(parameter) if one is None else one
        for one, parameter in zip(gradient, parameters, strict=True)
    ]
    return torch.cat([part.reshape(-1) for part in parts])


def _gradient(loss: Tensor, parameters: Sequence[nn.Parameter]) -> Gradient:
    """Those of a resting encoder ask for none, which autograd would refuse."""
    learning = [one for one in parameters if one.requires_grad]
    parts = iter(torch.autograd.grad(loss, learning, retain_graph=True, allow_unused=True))
    return [next(parts) if one.requires_grad else None for one in parameters]


def _added(known: Gradient, found: Sequence[Tensor | None]) -> Gradient:
    return [
        one if other is None else other if one is None else one + other
        for one, other in zip(known, found, strict=True)
    ]
