"""Hard parameter sharing: one encoder, one pooled vector, read by every head (Caruana 1997,
Multitask Learning).

Shapes: B batch, L length, H width. Parameters: the encoder's. Serving cost: one pass for all tasks.
"""

from torch import Tensor, nn

from training.model.sharing.trunk import Pooling, Trunk, pool


class HardSharing(Trunk):
    """The trunk that gives every task the same features."""

    reads_once = True

    def __init__(self, encoder: nn.Module, tasks: tuple[str, ...], pooling: Pooling) -> None:
        super().__init__()
        self.encoder = encoder
        self.tasks = tasks
        self.pooling = pooling

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> dict[str, Tensor]:
        """Token ids and mask, both (B, L), to one (B, H) vector per task."""
        hidden_BLH = self.encoder(input_ids=ids_BL, attention_mask=mask_BL).last_hidden_state
        return dict.fromkeys(self.tasks, pool(hidden_BLH, mask_BL, self.pooling))
