"""What one step's passes gave, added up over passes and over processes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from training.diagnostics.cosine import Gradients as Compared
from training.parallel import Processes


@dataclass
class Taken:
    """losses: by task. objectives: by name, weighted. tokens: real ones, and padded_tokens all.

    compared: the tasks' gradients beside each other, where that was asked for.
    """

    losses: dict[str, float]
    objectives: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    padded_tokens: int = 0
    compared: Compared | None = None

    def objective(self, name: str, loss: Tensor) -> None:
        """One pass's part of an objective beside the tasks."""
        self.objectives[name] = self.objectives.get(name, 0.0) + float(loss.detach())

    def share(self, names: Sequence[str], processes: Processes, device: torch.device) -> None:
        """Makes every process hold the sums of all. names: of every objective there could be."""
        if processes.count == 1:
            return
        values = [
            *self.losses.values(),
            *(self.objectives.get(name, 0.0) for name in names),
            float(self.tokens),
            float(self.padded_tokens),
        ]
        figures = torch.tensor(values, dtype=torch.float64, device=device)
        processes.sum([figures])
        *found, tokens, padded_tokens = figures.tolist()
        told = dict(zip(names, found[len(self.losses) :], strict=True))
        self.losses = dict(zip(self.losses, found, strict=False))
        self.objectives = {name: value for name, value in told.items() if value}
        self.tokens, self.padded_tokens = int(tokens), int(padded_tokens)
