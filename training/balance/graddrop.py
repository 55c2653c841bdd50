"""GradDrop: each parameter follows one sign, drawn by how far the gradients agree."""

import torch
from torch import Tensor
from torchjd.aggregation import GradDrop

from training.balance.aggregation import drawing
from training.balance.balancer import Balancer

CHUNK = 1 << 18
"""Columns worked on at once: its many passes over them then stay in the processor's cache."""


class SignDropout(Balancer):
    """At each shared parameter the positive parts of the gradients are kept with probability
    (1 + sum / sum of sizes) / 2, else the negative parts (gradient sign dropout; Chen et al. 2020,
    arXiv:2010.06808, algorithm 1, lines 10 to 15; torchjd's, without leak).

    Scale: a sum over the tasks of the sign that was drawn. Deviations: the paper takes signs of
    gradient times activation at one layer, here it is each parameter's gradient; the draw is a
    function of seed and step. Rows that are not finite give a result that is not finite.
    """

    separate = True

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.aggregator = GradDrop()

    @torch.no_grad()
    def combine(self, rows_TP: Tensor, tasks: tuple[str, ...], step: int) -> Tensor:  # noqa: ARG002 - the rows say enough
        """One gradient (P,) from a gradient a task."""
        with drawing(self.seed, step, rows_TP.device):
            starts = range(0, rows_TP.shape[1], CHUNK)
            parts = [self.aggregator(rows_TP[:, start : start + CHUNK]) for start in starts]
        return torch.cat(parts)
