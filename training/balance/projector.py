"""Inner products of gradients come in; weights of the projections onto their dual cone go out."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor
from torchjd.linalg import DualConeProjector, PSDMatrix

from training.balance.aggregation import RIDGE


class NonNegativeProjector(DualConeProjector):
    """Projects onto the set of vectors that have no negative inner product with any row, by
    non-negative least squares (Lawson & Hanson 1974).

    Quinton & Rey 2024 (arXiv:2406.16232, proposition 1) minimise v' G v over v >= u. With
    v = u + z and G = A' A that is the least |A z + A u| over z >= 0. Deviation from torchjd's own
    projector, which needs a GPL package: solved for rows of length 1, which is the same problem
    and keeps the smallest gradient from being lost beside the largest; the multiple of the
    identity that is added there is RIDGE, where torchjd adds 1e-4 to a matrix of trace 1, and no G
    counts as zero for being small.
    """

    def __call__(self, U: Tensor, G: PSDMatrix) -> Tensor:
        """U: (..., T), weights of the vectors to project. G: (T, T), the rows' inner products.

        Returns weights of U's shape, type and device.
        """
        gramian_TT = G.detach().cpu().double().numpy()
        norms_T = np.sqrt(gramian_TT.diagonal())
        norms_T[norms_T == 0.0] = 1.0
        cosines_TT = gramian_TT / np.outer(norms_T, norms_T)
        factor_TT = np.asarray(np.linalg.cholesky(cosines_TT + RIDGE * np.eye(len(norms_T))).T)
        vectors_NT = U.detach().cpu().double().numpy().reshape(-1, len(norms_T)) * norms_T
        weights_NT = [_project(vector_T, factor_TT) / norms_T for vector_T in vectors_NT]
        return torch.as_tensor(np.array(weights_NT), dtype=U.dtype, device=U.device).reshape(
            U.shape
        )


def _project(vector_T: NDArray[np.float64], factor_TT: NDArray[np.float64]) -> NDArray[np.float64]:
    added_T, _ = nnls(factor_TT, -factor_TT @ vector_T)
    return np.asarray(vector_T + added_T)
