"""A network comes in; a module that takes its tickets side by side, without padding, goes out.

Shapes: T tokens of all tickets, B tickets, L the longest ticket's tokens, H width, C classes.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from export.errors import GraphError
from service.contract.tasks import Task
from training.model.network import Network
from training.model.sharing.hard import HardSharing

FROM_ZERO = ("bert", "distilbert")
AFTER_PADDING = ("roberta", "xlm-roberta", "camembert")
"""Encoders whose attention and positions can be told; the latter count from behind the padding
id."""


class SideBySide(nn.Module):
    """The network over tokens in a row: the logits in the order of the tasks, then the scope score
    where there is one.
    """

    def __init__(self, network: Network, tasks: Sequence[Task], scope: nn.Module | None) -> None:
        """Raises GraphError where the network's trunk or encoder cannot be asked so."""
        super().__init__()
        self.trunk = hard_sharing(network)
        self.network = network
        self.names = tuple(task.name for task in tasks)
        self.scope = scope
        config = config_of(self.trunk)
        self._first = int(config.pad_token_id) + 1 if config.model_type in AFTER_PADDING else 0

    def forward(
        self,
        ids_T: Tensor,
        positions_T: Tensor,
        cu_seqlens: Tensor,
        token_offset: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """cu_seqlens: (B + 1,), where each ticket starts, and the end. token_offset: (B, L), as
        packed attention wants it; without, attention sees all tokens, those of others masked.
        """
        belongs_T = owners(cu_seqlens, ids_T.shape[0])
        hidden_TH = self._encode(ids_T, positions_T, cu_seqlens, token_offset, belongs_T)
        pooled_BH = self._pool(hidden_TH, cu_seqlens, belongs_T)
        features = dict.fromkeys(self.names, pooled_BH)
        logits = self.network.answer(features)
        outputs = tuple(logits[name] for name in self.names)
        return outputs if self.scope is None else (*outputs, self.scope(features))

    def _encode(
        self,
        ids_T: Tensor,
        positions_T: Tensor,
        cu_seqlens: Tensor,
        token_offset: Tensor | None,
        belongs_T: Tensor,
    ) -> Tensor:
        places_T = positions_T + self._first
        inputs: dict[str, Any] = {"input_ids": ids_T[None], "position_ids": places_T[None]}
        if token_offset is None:
            inputs["attention_mask"] = block_diagonal(belongs_T)
        else:
            inputs |= {"token_offset": token_offset, "cu_seqlens": cu_seqlens}
        hidden_TH: Tensor = self.trunk.encoder(**inputs).last_hidden_state[0]
        return hidden_TH

    def _pool(self, hidden_TH: Tensor, cu_seqlens: Tensor, belongs_T: Tensor) -> Tensor:
        """(B, H): each ticket's first token, or the mean of its tokens."""
        starts_B = cu_seqlens[:-1].long()
        if self.trunk.pooling == "cls":
            return hidden_TH[starts_B]
        lengths_B = (cu_seqlens[1:] - cu_seqlens[:-1]).to(hidden_TH.dtype)
        rows_B = torch.arange(starts_B.shape[0])
        # A product adds each ticket by itself; a running sum would carry one's rounding to others.
        members_BT = (rows_B[:, None] == belongs_T[None]).to(hidden_TH.dtype)
        return (members_BT @ hidden_TH) / lengths_B[:, None]


def hard_sharing(network: Network) -> HardSharing:
    """The network's trunk, if its tickets can be asked side by side. Raises GraphError."""
    trunk = network.trunk
    if not isinstance(trunk, HardSharing):
        raise GraphError(
            "a graph without padding is made of hard sharing alone, found "
            f"{type(trunk).__name__}: its layers know padded batches only"
        )
    kind = str(config_of(trunk).model_type)
    if kind not in (*FROM_ZERO, *AFTER_PADDING):
        known = ", ".join((*FROM_ZERO, *AFTER_PADDING))
        raise GraphError(
            f"a graph without padding needs an encoder of type {known}, found {kind}: how it "
            "places and attends to tokens is not known"
        )
    return trunk


def config_of(trunk: HardSharing) -> Any:
    """The encoder's configuration, as transformers has it."""
    return cast("Any", trunk.encoder).config


def owners(cu_seqlens: Tensor, tokens: int) -> Tensor:
    """To which ticket each token belongs, (T,) int64."""
    ends_B = cu_seqlens[1:].long()
    return (torch.arange(tokens)[:, None] >= ends_B[None]).sum(dim=1)


def block_diagonal(belongs_T: Tensor) -> Tensor:
    """What is added to attention's scores, (1, 1, T, T) float32: 0 within a ticket."""
    same_TT = belongs_T[:, None] == belongs_T[None]
    lowest = torch.finfo(torch.float32).min
    return torch.where(same_TT, 0.0, lowest)[None, None]
