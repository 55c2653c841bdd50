"""The narrow protocol of a sharing scheme: tokens to features per task."""

from abc import abstractmethod

from torch import Tensor, nn


class Trunk(nn.Module):
    """What stands between tokens and heads. encoder: the part that a frozen epoch leaves as it
    is.
    """

    encoder: nn.Module

    @abstractmethod
    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> dict[str, Tensor]:
        """Token ids and mask, both (batch, length), to one (batch, width) vector per task."""
