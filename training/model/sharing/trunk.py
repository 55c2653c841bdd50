"""The narrow protocol of a sharing scheme: tokens to features per task.

Shapes: B batch, L length, H width.
"""

from abc import abstractmethod
from typing import Literal

from torch import Tensor, nn

Pooling = Literal["cls", "mean"]


class Trunk(nn.Module):
    """What stands between tokens and heads.

    tasks: those whose features are asked for, in order. encoder: the pretrained part, which a
    frozen epoch leaves as it is and which learns at the encoder's rate; `encoder_parameters` names
    more where a scheme has several.
    """

    encoder: nn.Module
    tasks: tuple[str, ...]

    reads_once = False
    """Whether the features depend on the encoder alone, so that a frozen epoch may keep them."""

    @abstractmethod
    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> dict[str, Tensor]:
        """Token ids and mask, both (B, L), to one (B, H) vector per task of `tasks`."""

    @property
    def passes(self) -> float:
        """The serving cost: passes through the encoder's layers for all of `tasks` together."""
        return 1.0

    def encoder_parameters(self) -> list[nn.Parameter]:
        """The pretrained parameters that are to be tuned."""
        return [one for one in self.encoder.parameters() if one.requires_grad]

    def last_shared(self) -> list[nn.Parameter]:
        """The last layer that every task's loss reaches, where gradients are weighed against each
        other; nothing where there is none that learns.
        """
        stack = list(self.encoder.children())
        while stack and not isinstance(stack[-1], nn.ModuleList):
            last = stack.pop()
            stack += list(last.children())
        layer = list(stack[-1].children())[-1] if stack else self.encoder
        return [one for one in layer.parameters() if one.requires_grad]

    def penalty(self) -> Tensor | None:
        """A scalar that is added to the losses, already weighted; None where there is none."""
        return None

    def load(self) -> dict[str, list[float]]:
        """Of each task's gates, the share that each expert had in the last batch; empty without."""
        return {}

    def keep(self, tasks: tuple[str, ...]) -> None:
        """Answers for these tasks alone from now on, as an export wants it."""
        self.tasks = tuple(task for task in self.tasks if task in tasks)


def pool(hidden_BLH: Tensor, mask_BL: Tensor, pooling: Pooling) -> Tensor:
    """One vector a ticket, (B, H): the first token's, or the mean over real tokens."""
    return hidden_BLH[:, 0] if pooling == "cls" else mean_pool(hidden_BLH, mask_BL)


def mean_pool(hidden_BLH: Tensor, mask_BL: Tensor) -> Tensor:
    """The mean over real tokens, (B, H); a row without any gives zeros, not a division by zero."""
    weight_BL1 = mask_BL.unsqueeze(-1).to(hidden_BLH.dtype)
    count_B1 = weight_BL1.sum(dim=1).clamp(min=1.0)
    return (hidden_BLH * weight_BL1).sum(dim=1) / count_B1
