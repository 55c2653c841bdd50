"""A trunk that rests and a data set come in; each ticket's features go out, computed once.

While the encoder is frozen it runs without dropout, so its answer to a ticket does not change from
one epoch to the next. The heads' frozen epochs then cost next to nothing.

Shapes: N tickets, B batch, H width.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data.dataset import Dataset
from training.model.network import Network
from training.parallel import ALONE, Processes


@dataclass(frozen=True)
class FrozenFeatures:
    """Per task (N, H) float32 on the run's device; tasks that share features share the tensor."""

    features: dict[str, Tensor]

    def at(self, positions: NDArray[np.int64]) -> dict[str, Tensor]:
        """The features (B, H) of the tickets at these positions."""
        chosen_B = torch.from_numpy(positions)
        picked = {id(every): every[chosen_B.to(every.device)] for every in self.features.values()}
        return {task: picked[id(every)] for task, every in self.features.items()}


def freeze_features(
    network: Network,
    dataset: Dataset,
    device: torch.device,
    on_progress: Callable[[int], None] = lambda _: None,
    processes: Processes = ALONE,
) -> FrozenFeatures:
    """Runs every ticket through the trunk, in order of length whatever the epoch or the batch.

    on_progress: called with the number of tickets done. processes: each does its part of the
    batches, and all get all.

    In float32 like every evaluation. The order decides the last bits of a float: a resumed run
    must find the same ones.
    """
    network.eval()
    stores: dict[str, Tensor] = {}
    done = 0
    with torch.inference_mode(False), torch.no_grad():
        for number, positions in enumerate(dataset.by_length()):
            # The first is everybody's: it tells what there is to store.
            if number == 0 or processes.deals(number):
                batch = dataset.batch(positions).to(device)
                _put(stores, network.trunk(batch.ids, batch.mask), positions, len(dataset))
            if number == 0 and not processes.leads:
                _clear(stores)
            done += len(positions)
            on_progress(done)
    processes.sum(list({id(one): one for one in stores.values()}.values()))
    return FrozenFeatures(stores)


def _clear(stores: dict[str, Tensor]) -> None:
    for store in stores.values():
        store.zero_()


def _put(
    stores: dict[str, Tensor],
    features: dict[str, Tensor],
    positions: NDArray[np.int64],
    tickets: int,
) -> None:
    seen: dict[int, Tensor] = {}
    for task, features_BH in features.items():
        if task not in stores:
            shape = (tickets, features_BH.shape[1])
            fresh = torch.zeros(shape, dtype=torch.float32, device=features_BH.device)
            stores[task] = seen.get(id(features_BH), fresh)
        if id(features_BH) not in seen:
            stores[task][torch.from_numpy(positions).to(features_BH.device)] = features_BH.float()
        seen[id(features_BH)] = stores[task]
