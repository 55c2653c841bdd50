"""A gradient a task comes in; the gradient that a method makes of their inner products goes out.

Shapes: T tasks with a label in the step, P shared parameters.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from training.balance.balancer import Balancer

CHUNK = 1 << 18
"""Columns read at once, in float64: in float32 the inner products of millions of columns are off by
more than RIDGE.
"""
RIDGE = 1e-6
"""Added to the diagonal of cosines before a solver: above what float32 gradients are rounded by,
so that gradients which cancel have one solution, with weights that stay within bounds.
"""
STREAM = 0x41_47_47
"""Keeps these draws apart from the sampler's and from dropout's, which start from the same seed."""


class Aggregation(Balancer):
    """A gradient method that needs of the gradients only their inner products (T, T): the result
    is a sum of the rows under the weights that `weigh` finds from them.

    A row of zeros is left out, as if its task had no label in the step: a task that asks nothing of
    the shared parameters does not hold the others up. Where one row is left, it is the result.
    Rows that are not finite give a result that is not finite.
    """

    separate = True

    @torch.no_grad()
    def combine(self, rows_TP: Tensor, tasks: tuple[str, ...], step: int) -> Tensor:  # noqa: ARG002 - the rows say enough
        """One gradient (P,) from a gradient a task."""
        gramian_TT = gramian(rows_TP)
        if not bool(torch.isfinite(gramian_TT).all()):
            return torch.full_like(rows_TP[0], torch.nan)
        asking_T = gramian_TT.diagonal() > 0.0
        weights_T = asking_T.double()
        if int(asking_T.sum()) > 1:
            weights_T[asking_T] = self.weigh(gramian_TT[asking_T][:, asking_T], step)
        return weights_T.to(rows_TP) @ rows_TP

    def weigh(self, gramian_TT: Tensor, step: int) -> Tensor:
        """Weights (T,) of the rows from their inner products, both float64 on the CPU; T is at
        least 2, and the diagonal is above 0.
        """
        raise NotImplementedError


def gramian(rows_TP: Tensor) -> Tensor:
    """Inner products (T, T) of the rows, float64 on the CPU."""
    total_TT = torch.zeros(len(rows_TP), len(rows_TP), dtype=torch.float64, device=rows_TP.device)
    for start in range(0, rows_TP.shape[1], CHUNK):
        chunk_TC = rows_TP[:, start : start + CHUNK].double()
        total_TT += chunk_TC @ chunk_TC.T
    return total_TT.cpu()


def cosines(gramian_TT: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines (T, T) between the rows, and the rows' norms (T,)."""
    norms_T = gramian_TT.diagonal().sqrt()
    return gramian_TT / torch.outer(norms_T, norms_T), norms_T


@contextmanager
def drawing(seed: int, step: int, device: torch.device) -> Iterator[None]:
    """Inside, what torch draws is a function of seed and step alone: the same in each process of a
    run, and after a resume. Outside, its generators go on as if nothing had been drawn.
    """
    devices = [device] if device.type == "cuda" else []
    state = np.random.SeedSequence((STREAM, seed, step)).generate_state(1, np.uint64)
    with torch.random.fork_rng(devices):
        for generator in [torch.default_generator, *map(_cuda_generator, devices)]:
            generator.manual_seed(int(state[0]))
        yield


def _cuda_generator(device: torch.device) -> torch.Generator:
    index = torch.cuda.current_device() if device.index is None else device.index
    generator: torch.Generator = torch.cuda.default_generators[index]
    return generator
