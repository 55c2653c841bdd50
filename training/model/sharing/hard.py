"""Hard parameter sharing: one encoder, one pooled vector, read by every head (Caruana 1997,
Multitask Learning).

Shapes: B batch, L length, H width. Parameters: the encoder's. Serving cost: one pass for all tasks.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from training.model.sharing.trunk import Trunk

Pooling = Literal["cls", "mean"]


class HardSharing(Trunk):
    """The trunk that gives every task the same features."""

    def __init__(self, encoder: nn.Module, tasks: tuple[str, ...], pooling: Pooling) -> None:
        super().__init__()
        self.encoder = encoder
        self.tasks = tasks
        self.pooling = pooling

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> dict[str, Tensor]:
        """Token ids and mask, both (B, L), to one (B, H) vector per task."""
        hidden_BLH = self.encoder(input_ids=ids_BL, attention_mask=mask_BL).last_hidden_state
        pooled_BH = hidden_BLH[:, 0] if self.pooling == "cls" else mean_pool(hidden_BLH, mask_BL)
        return dict.fromkeys(self.tasks, pooled_BH)


def mean_pool(hidden_BLH: Tensor, mask_BL: Tensor) -> Tensor:
    """The mean over real tokens, (B, H); a row without any gives zeros, not a division by zero."""
    weight_BL1 = mask_BL.unsqueeze(-1).to(hidden_BLH.dtype)
    count_B1 = torch.clamp(weight_BL1.sum(dim=1), min=1.0)
    return (hidden_BLH * weight_BL1).sum(dim=1) / count_B1
