"""The tasks' losses come in; the norm of each one's gradient at the last shared layer goes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from training.parallel import Processes
from training.step.rows import flat


@dataclass
class Probe:
    """Gradients at some parameters, added up over passes and processes; unweighted.

    scale: what the losses were multiplied by, as half precision asks for; norms are divided by it.
    """

    parameters: Sequence[nn.Parameter]
    processes: Processes
    scale: float = 1.0
    _found: dict[str, Tensor] = field(default_factory=dict, init=False)

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """The losses of one pass, which are scaled already; their graph is kept."""
        for task, loss in losses.items():
            found = torch.autograd.grad(loss, self.parameters, retain_graph=True, allow_unused=True)
            row = flat(found, self.parameters)
            self._found[task] = self._found[task] + row if task in self._found else row

    def norms(self, tasks: Sequence[str]) -> dict[str, float]:
        """Of each task with a label anywhere in the step."""
        nothing = flat([None] * len(self.parameters), self.parameters)
        rows = [self._found.get(task, nothing.clone()) for task in tasks]
        self.processes.sum(rows)
        return {task: float(row.norm()) / self.scale for task, row in zip(tasks, rows, strict=True)}
