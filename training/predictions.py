"""What a network says to a split's tickets, beside their labels: kept without any text, so that
calibration, promises and reports can be made again without the data.

Shapes: N tickets, C classes of a task.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from training.data.dataset import UNLABELLED
from training.errors import CheckpointError

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]
SCOPE = "scope"


@dataclass(frozen=True)
class Predictions:
    """Of one split, by task: raw logits (N, C) float32 and labels (N,), UNLABELLED where none.

    scope_N: the strangeness of each ticket; None where the network has no score for it.
    """

    logits: Mapping[str, FloatArray]
    labels: Mapping[str, IntArray]
    scope_N: FloatArray | None = None

    def __len__(self) -> int:
        """Tickets."""
        return len(next(iter(self.labels.values())))

    def labelled(self, task: str) -> tuple[FloatArray, IntArray]:
        """Logits and labels of the tickets that have a label of this task."""
        known = self.labels[task] != UNLABELLED
        return self.logits[task][known], self.labels[task][known]

    def at(self, chosen_N: NDArray[np.bool_] | IntArray) -> Self:
        """Those of some tickets alone."""
        return type(self)(
            {task: logits[chosen_N] for task, logits in self.logits.items()},
            {task: labels[chosen_N] for task, labels in self.labels.items()},
            None if self.scope_N is None else self.scope_N[chosen_N],
        )


def save_predictions(path: Path, splits: Mapping[str, Predictions]) -> None:
    """One safetensors file: `split/logits/task`, `split/labels/task`, `split/scope`."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for split, one in splits.items():
        for task, logits in one.logits.items():
            arrays[f"{split}/logits/{task}"] = np.ascontiguousarray(logits, dtype=np.float32)
            arrays[f"{split}/labels/{task}"] = np.ascontiguousarray(one.labels[task])
        if one.scope_N is not None:
            arrays[f"{split}/{SCOPE}"] = np.ascontiguousarray(one.scope_N, dtype=np.float32)
    save_file(arrays, path)


def load_predictions(path: Path) -> dict[str, Predictions]:
    """What `save_predictions` wrote, by split. Raises CheckpointError."""
    try:
        arrays = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path.name} cannot be read: {error}") from error
    splits = sorted({name.split("/")[0] for name in arrays})
    return {split: _split(split, arrays) for split in splits}


def _split(split: str, arrays: Mapping[str, NDArray[np.generic]]) -> Predictions:
    def of(kind: str) -> dict[str, NDArray[np.generic]]:
        start = f"{split}/{kind}/"
        return {name.removeprefix(start): arrays[name] for name in arrays if name.startswith(start)}

    logits, labels = of("logits"), of("labels")
    if logits.keys() != labels.keys() or not logits:
        raise CheckpointError(f"split {split} lacks the logits or the labels of a task")
    return Predictions(logits, labels, arrays.get(f"{split}/{SCOPE}"))  # type: ignore[arg-type]
