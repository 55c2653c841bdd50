"""A tokenizer's definition comes in; which of its ids are words, and which one hides a word, go
out.
"""

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from training.errors import ConfigError

_MASKS = ("[MASK]", "<mask>")
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "<s>", "</s>", "<pad>", "<unk>", *_MASKS)


@dataclass(frozen=True)
class Vocabulary:
    """mask: the id that stands for a hidden token. is_word: by id, False for special tokens."""

    mask: int
    is_word: NDArray[np.bool_]

    @property
    def words(self) -> NDArray[np.int64]:
        """The ids of all tokens that are not special."""
        return np.flatnonzero(self.is_word)


def read_vocabulary(definition: str) -> Vocabulary:
    """From the text of a `tokenizer.json`. Raises ConfigError where it has no token for a mask."""
    fast = Tokenizer.from_str(definition)
    mask = next((found for name in _MASKS if (found := fast.token_to_id(name)) is not None), None)
    if mask is None:
        raise ConfigError(
            f"masked.weight above 0 needs an encoder whose tokenizer has {' or '.join(_MASKS)}"
        )
    is_word = np.zeros(max(fast.get_vocab(with_added_tokens=True).values()) + 1, dtype=np.bool_)
    is_word[list(fast.get_vocab(with_added_tokens=True).values())] = True
    is_word[_special(fast, json.loads(definition))] = False
    return Vocabulary(mask, is_word)


def _special(fast: Tokenizer, definition: dict[str, object]) -> list[int]:
    """Ids of tokens that are marked so, that surround every text, or that have a known name.

    Not every definition marks them: one without added tokens knows them by name alone.
    """
    added = fast.get_added_tokens_decoder()
    marked = [token_id for token_id, token in added.items() if token.special]
    around = fast.encode("").ids
    model = definition["model"]
    unknown = model.get("unk_token") if isinstance(model, dict) else None
    names = [*_SPECIAL, *([unknown] if isinstance(unknown, str) else [])]
    named = (fast.token_to_id(name) for name in names)
    return sorted({*marked, *around, *(found for found in named if found is not None)})
