"""Everything a run needs to go on after a kill: written to one file at once, and read back to the
same bits.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from training.errors import CheckpointError


@dataclass
class Progress:
    """Where a run stands. step: the next one, counted from 0. best: the best validation metric so
    far. losses: of the epoch that is under way, by task: their sum and how many steps had one.
    """

    step: int = 0
    best: float = -1.0
    best_epoch: int = -1
    bad_epochs: int = 0
    stopped: bool = False
    scaler: dict[str, Any] = field(default_factory=dict)
    losses: dict[str, list[float]] = field(default_factory=dict)

    def add(self, losses: Mapping[str, float]) -> None:
        """A step's loss of each task that had a label in it."""
        for task, loss in losses.items():
            total, steps = self.losses.get(task, [0.0, 0.0])
            self.losses[task] = [total + loss, steps + 1.0]

    def take_losses(self) -> dict[str, float]:
        """The mean of each task over the epoch, which is then over."""
        means = {task: total / steps for task, (total, steps) in self.losses.items()}
        self.losses = {}
        return means


def save_state(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    progress: Progress,
) -> None:
    """Writes the file beside its place and renames it there, so that a kill leaves the old one or
    the new one. modules: by the prefix that their tensors get.
    """
    tensors = _optimizer_tensors(optimizer)
    for prefix, module in modules.items():
        tensors |= _prefixed(prefix, module.state_dict())
    fresh = path.with_suffix(".tmp")
    save_file(tensors, fresh, metadata={"progress": json.dumps(asdict(progress))})
    os.replace(fresh, path)


def load_state(
    path: Path, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer
) -> Progress:
    """Restores all of them in place and returns where the run stands. Raises CheckpointError."""
    try:
        with safe_open(path, framework="pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a dict
            progress = Progress(**json.loads(stored.metadata()["progress"]))
        for prefix, module in modules.items():
            module.load_state_dict(_without_prefix(prefix, tensors))
        _restore_optimizer(optimizer, _without_prefix("optimizer", tensors))
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path.name} is not a state of this run: {reason}") from error
    return progress


def save_weights(path: Path, network: nn.Module) -> None:
    """The network's weights as safetensors, written at once."""
    fresh = path.with_suffix(".tmp")
    save_file(_prefixed("", network.state_dict()), fresh)
    os.replace(fresh, path)


def _prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    lead = f"{prefix}." if prefix else ""
    return {lead + name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}


def _without_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    lead = f"{prefix}."
    return {
        name.removeprefix(lead): value for name, value in tensors.items() if name.startswith(lead)
    }


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    states = optimizer.state_dict()["state"]
    return {
        f"optimizer.{index}.{key}": torch.as_tensor(value).detach().cpu()
        for index, values in states.items()
        for key, value in values.items()
    }


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    document = optimizer.state_dict()
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        states.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({**document, "state": states})
