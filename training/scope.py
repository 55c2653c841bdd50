"""Features of training tickets come in; how unlike them another ticket is goes out, as one number.

Shapes: N tickets, B batch, H width of the joined features.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from sklearn.covariance import LedoitWolf
from torch import Tensor, nn

from training.data.dataset import Dataset
from training.errors import CheckpointError
from training.model.network import Network

FloatArray = NDArray[np.floating]

METHOD = "mahalanobis"
MOST = 5000
"""Training tickets to fit on: from 2,000 to 5,000 the share of foreign tickets that is found still
grows by a few points, beyond it the time of the pass counts more."""

_FLOOR = 1e-4
"""Least spread of a column, and of a direction of standardised columns. Below it float32 sees only
its own rounding, and dividing by it would make that the score."""

_TINY = 1e-12
"""In place of the length of features that are all zero."""

_MEAN, _WHITENING = "mean", "whitening"


class Mahalanobis(nn.Module):
    """The squared Mahalanobis distance of a ticket's `joined` features from the training tickets'.

    After Lee et al. 2018 (arXiv:1807.03888), on features of unit length (Mueller and Hein 2025,
    arXiv:2505.18032), because raw lengths scatter far more widely than a Gaussian has it. Two
    deviations: one Gaussian over all tickets in place of one a class, which measured no better, and
    the logarithm of the length is a dimension of its own.
    """

    mean: Tensor
    whitening: Tensor

    def __init__(self, mean_H: Tensor, whitening_HH: Tensor) -> None:
        """whitening_HH: times its transpose it is the inverse of the covariance."""
        super().__init__()
        self.register_buffer(_MEAN, mean_H)
        self.register_buffer(_WHITENING, whitening_HH)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """The trunk's features by task, each (B, width), to scores (B,), float32: from 0, the
        larger the stranger.
        """
        apart_BH = joined(features) - self.mean
        return (apart_BH @ self.whitening).square().sum(dim=1)


def joined(features: Mapping[str, Tensor]) -> Tensor:
    """The distinct features of all tasks side by side: each scaled to length 1, then the logarithm
    of its length; (B, H) float32.

    Tasks that share their features, as in hard sharing, hold the very same tensor; it counts once.
    """
    columns: list[Tensor] = []
    for part_BH in {id(part): part.float() for part in features.values()}.values():
        length_B1 = part_BH.square().sum(dim=1, keepdim=True).sqrt().clamp(min=_TINY)
        columns += [part_BH / length_B1, length_B1.log()]
    return torch.cat(columns, dim=1)


def fit_scope(features_NH: FloatArray) -> Mahalanobis:
    """The score fitted on training tickets. features_NH: as `features` gives them, N at least 2.

    The correlations are shrunk towards none (Ledoit and Wolf 2004), so that they can be inverted
    with fewer tickets than dimensions. Raises ValueError.
    """
    if len(features_NH) < 2:
        raise ValueError(f"a covariance needs at least 2 tickets, found {len(features_NH)}")
    every_NH = np.asarray(features_NH, dtype=np.float64)
    mean_H, spread_H = every_NH.mean(axis=0), np.maximum(every_NH.std(axis=0), _FLOOR)
    standard_NH = (every_NH - mean_H) / spread_H
    shrunk_HH = LedoitWolf(store_precision=False, assume_centered=True).fit(standard_NH).covariance_
    variances_H, directions_HH = np.linalg.eigh(shrunk_HH)
    whitening_HH = directions_HH / spread_H[:, None] / np.sqrt(np.maximum(variances_H, _FLOOR**2))
    return Mahalanobis(_tensor(mean_H), _tensor(whitening_HH))


def features(
    network: Network,
    dataset: Dataset,
    device: torch.device,
    most: int = MOST,
    on_progress: Callable[[int], None] = lambda _: None,
) -> FloatArray:
    """`joined` features (N, H) of at most `most` tickets, drawn evenly from the whole data set, in
    order of length.

    One pass through the trunk, float32; the network is left in evaluation mode. on_progress: called
    with the number of tickets done.
    """
    network.eval()
    drawn = np.linspace(0, len(dataset) - 1, min(most, len(dataset)), dtype=np.int64)
    parts: list[FloatArray] = []
    done = 0
    with torch.inference_mode():
        for positions in dataset.by_length():
            chosen = positions[np.isin(positions, drawn)]
            if len(chosen):
                batch = dataset.batch(chosen).to(device)
                parts.append(joined(network.trunk(batch.ids, batch.mask)).cpu().numpy())
                done += len(chosen)
                on_progress(done)
    return np.concatenate(parts)


def save_scope(path: Path, scope: Mahalanobis) -> None:
    """Writes mean and whitening as one safetensors file."""
    save_file({name: part.cpu().contiguous() for name, part in scope.state_dict().items()}, path)


def load_scope(path: Path) -> Mahalanobis:
    """What `save_scope` wrote. Raises CheckpointError."""
    try:
        parts = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path.name} cannot be read: {error}") from error
    if parts.keys() != {_MEAN, _WHITENING}:
        raise CheckpointError(f"{path.name} must hold mean and whitening, found {sorted(parts)}")
    width = len(parts[_MEAN])
    if parts[_WHITENING].shape != (width, width):
        found = tuple(parts[_WHITENING].shape)
        raise CheckpointError(f"{path.name}: whitening must be ({width}, {width}), found {found}")
    return Mahalanobis(parts[_MEAN], parts[_WHITENING])


def _tensor(array: FloatArray) -> Tensor:
    return torch.from_numpy(np.asarray(array, dtype=np.float32)).contiguous()
