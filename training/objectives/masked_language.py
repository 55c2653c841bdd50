"""A batch's tokens come in; what it costs to guess some of them back goes out.

Shapes: B batch, L length, H width, V vocabulary, M tokens that are to be guessed, K of them in one
ticket.
"""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.config.objectives import MaskedConfig
from training.data.dataset import Batch, Dataset
from training.errors import ConfigError
from training.model.network import Network
from training.objectives.objective import Objective, Pass
from training.objectives.vocabulary import Vocabulary, read_vocabulary

HIDDEN, SWAPPED = 0.8, 0.1
"""Of the tokens to guess: the shares that become the mask and another word; the rest stays."""

_STREAM = 3
"""Keeps these draws apart from those of other parts of a run, which begin with the same seed."""
_NOWHERE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class _Draw:
    """Of one ticket: where the tokens to guess stand, (K,), and what is shown there, (K,)."""

    places_K: NDArray[np.int64]
    shown_K: NDArray[np.int64]


class MaskedLanguage(Objective):
    """Masked language modelling (Devlin et al. 2019, arXiv:1810.04805): 15 % of a ticket's tokens
    are to be guessed; 80 % of these are hidden, 10 % swapped for another word, 10 % left as they
    are.

    Each token is drawn by itself (Liu et al. 2019, arXiv:1907.11692, draw anew in every epoch, as
    here), never a special one and never padding; special tokens are not swapped in either. A draw
    depends on seed, step and the ticket's position alone, so that any cut of a batch draws the
    same. The loss is the mean over the tokens to guess of the step's whole batch. It costs one pass
    more of `network.trunk.encoder`; of a trunk with several encoders that is the first one alone.
    Parameters: H^2 + 3H + V, beside the word embeddings, which are the encoder's own.
    """

    name = "masked"

    def __init__(
        self, encoder: nn.Module, tokenizer: str, settings: MaskedConfig, seed: int
    ) -> None:
        """encoder: with word embeddings that learn. tokenizer: the text of a `tokenizer.json`.

        Raises ConfigError where the tokenizer has no mask, or where the encoder is frozen.
        """
        super().__init__()
        embeddings_VH = _embeddings(encoder)
        if not embeddings_VH.requires_grad:
            raise ConfigError(
                "masked.weight above 0 teaches the encoder, and model.sharing.trunk is frozen; "
                "allowed: tuned"
            )
        words, width = embeddings_VH.shape
        self.vocabulary: Vocabulary = read_vocabulary(tokenizer)
        # A tokenizer may know tokens that the encoder has no embedding for.
        self._words = self.vocabulary.words[self.vocabulary.words < words]
        self.settings = settings
        self.seed = seed
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.bias_V = nn.Parameter(torch.zeros(words))
        self._draws: list[_Draw] = []
        self._drawn = 0

    def begin(self, dataset: Dataset, positions_B: NDArray[np.int64], step: int) -> None:
        """Draws what is to be guessed in the whole batch of a step."""
        self._draws = [
            self._draw(dataset.tokens[position].ids, step, int(position))
            for position in positions_B
        ]
        self._drawn = sum(len(draw.places_K) for draw in self._draws)

    def loss(self, network: Network, part: Pass) -> Tensor | None:
        """The weighted cross-entropy of this pass's tokens over the number in the whole batch."""
        rows_M, places_M, shown_M = self._of(part)
        if len(rows_M) == 0:
            return None
        batch = part.batch
        at = (rows_M.to(batch.ids.device), places_M.to(batch.ids.device))
        hidden_MH = _read(network.trunk.encoder, batch, at, shown_M)
        embeddings_VH = _embeddings(network.trunk.encoder)
        logits_MV = functional.linear(self.head(hidden_MH), embeddings_VH, self.bias_V)
        total = functional.cross_entropy(logits_MV.float(), batch.ids[at], reduction="sum")
        return self.settings.weight * total / self._drawn

    def _of(self, part: Pass) -> tuple[Tensor, Tensor, Tensor]:
        """Row in the pass, place in the ticket and id shown of each token to guess, (M,) each."""
        draws = [self._draws[place] for place in part.places_B]
        counts = [len(draw.places_K) for draw in draws]
        rows_M = np.repeat(np.arange(len(draws)), counts)
        places_M = np.concatenate([_NOWHERE, *(draw.places_K for draw in draws)])
        shown_M = np.concatenate([_NOWHERE, *(draw.shown_K for draw in draws)])
        return torch.from_numpy(rows_M), torch.from_numpy(places_M), torch.from_numpy(shown_M)

    def _draw(self, ids_L: NDArray[np.int64], step: int, position: int) -> _Draw:
        chance = np.random.default_rng([self.seed, _STREAM, step, position])
        # Numbers are drawn for every token, so that they do not depend on what the tokens are.
        asked_L, fate_L = chance.random((2, len(ids_L)))
        swap_L = chance.choice(self._words, len(ids_L))
        told_L = self.vocabulary.is_word[ids_L] & (asked_L < self.settings.share)
        hidden_L = fate_L < HIDDEN
        swapped_L = ~hidden_L & (fate_L < HIDDEN + SWAPPED)
        shown_L = np.where(hidden_L, self.vocabulary.mask, np.where(swapped_L, swap_L, ids_L))
        return _Draw(np.flatnonzero(told_L), shown_L[told_L])


def _read(encoder: nn.Module, batch: Batch, at: tuple[Tensor, Tensor], shown_M: Tensor) -> Tensor:
    """The encoder's vectors (M, H) of the tokens to guess, with what is shown in their places."""
    ids_BL = batch.ids.index_put(at, shown_M.to(batch.ids.device))
    hidden_BLH = encoder(input_ids=ids_BL, attention_mask=batch.mask).last_hidden_state
    return cast("Tensor", hidden_BLH[at])


def _embeddings(encoder: nn.Module) -> nn.Parameter:
    """The word embeddings, (V, H)."""
    return cast("nn.Parameter", cast("Any", encoder).get_input_embeddings().weight)
