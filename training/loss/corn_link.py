"""Conditional logits come in; log probabilities of the classes go out.

Shapes: B tickets, C classes, in their order.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class CornLink(nn.Module):
    """The last layer of a CORN head (Shi, Cao & Raschka 2021, arXiv:2111.08851).

    Output k of the layer below says, as a logit, how likely the label is above k where it is at
    least k. What comes out are logarithms of class probabilities, which are logits like every other
    head's: the export, the calibration and the measures take their softmax. A last linear layer of
    this head has C - 1 outputs. Parameters: none.
    """

    def forward(self, conditionals: Tensor) -> Tensor:
        """(B, C - 1) to (B, C), float32 for any lesser type; the exponentials of a row sum to 1.

        log P(c) = log(1 - s_c) + the sum over k < c of log(s_k), without the first term for the
        last class; s is the sigmoid of a conditional.
        """
        wide = (
            conditionals.double() if conditionals.dtype == torch.float64 else conditionals.float()
        )
        # Softplus, not the logarithm of a sigmoid, which is minus infinity from -104 downwards.
        above = -functional.softplus(-wide)
        here = -functional.softplus(wide)
        reached = functional.pad(above.cumsum(dim=1), (1, 0))
        return reached + functional.pad(here, (0, 1))
