"""Text comes in, token ids within the token limit go out; training and serving use this very class.

Shapes: B batch, L padded length.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding
from tokenizers import Tokenizer as FastTokenizer

from service.contract.errors import TokenizerError
from service.contract.pieces import Pieces

IntArray = NDArray[np.int64]

CHARACTERS_PER_TOKEN = 24
"""Text beyond `limit` times this is cut before tokenising, so that a ticket of a megabyte costs
what a long one does.
"""

_PAD_TOKENS = ("[PAD]", "<pad>", "<|pad|>")


@dataclass(frozen=True, slots=True)
class Tokens:
    """One ticket's token ids, shape (length,), and whether text was left out to keep to the
    limit.
    """

    ids: IntArray
    truncated: bool

    def __len__(self) -> int:
        return len(self.ids)


class Tokenizer:
    """A `tokenizer.json` with a token limit.

    Padding and truncation settings that the file brings are dropped and set once, here: changing
    them while another
    thread encodes makes the underlying object fail with "Already borrowed".
    """

    def __init__(self, definition: str, limit: int) -> None:
        """definition: the text of a `tokenizer.json`. limit: tokens at most, special tokens
        included, at least 8.

        Raises TokenizerError.
        """
        if limit < 8:
            raise TokenizerError(f"the token limit must be at least 8, found {limit}")
        try:
            self._fast = FastTokenizer.from_str(definition)
        except Exception as error:  # The library raises bare Exception on any fault.
            raise TokenizerError(f"the tokenizer cannot be read: {error}") from error
        self.limit = limit
        self.pad_id = _pad_id(self._fast)
        self._characters = limit * CHARACTERS_PER_TOKEN
        self._fast.no_padding()
        self._fast.no_truncation()
        self._definition = self._fast.to_str(pretty=False)
        self._fast.enable_truncation(limit)
        self._pieces = Pieces.of(self._fast, self._definition)

    @classmethod
    def from_file(cls, path: Path, limit: int) -> Self:
        """Reads a `tokenizer.json`. Raises TokenizerError."""
        try:
            definition = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TokenizerError(f"the tokenizer {path.name} cannot be read: {error}") from error
        return cls(definition, limit)

    @property
    def vocabulary_size(self) -> int:
        """How many ids there are, added tokens included."""
        return int(self._fast.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str) -> Tokens:
        """Token ids of one cleaned text (see `service.contract.ticket.render`), special tokens
        included.
        """
        cut = text[: self._characters]
        known = None if self._pieces is None else self._pieces.encode(cut, self.limit)
        if known is None:
            return _tokens(self._fast.encode(cut), len(cut) < len(text))
        ids, more = known
        return Tokens(ids, more or len(cut) < len(text))

    def encode_batch(self, texts: Sequence[str]) -> list[Tokens]:
        """As `encode`, for many texts on all cores and nothing remembered; same ids."""
        cuts = [text[: self._characters] for text in texts]
        encodings = self._fast.encode_batch(cuts)
        return [
            _tokens(encoding, len(cut) < len(text))
            for encoding, cut, text in zip(encodings, cuts, texts, strict=True)
        ]

    def to_json(self) -> str:
        """The definition without padding or truncation, keys sorted, so that equal tokenizers
        give equal bytes.
        """
        return json.dumps(json.loads(self._definition), ensure_ascii=False, sort_keys=True) + "\n"


def pad(
    tickets: Sequence[Tokens], pad_id: int, length: int | None = None
) -> tuple[IntArray, IntArray]:
    """Token ids and attention mask, both (B, L) int64; L is the longest ticket's length unless
    `length` is given. Of one ticket alone the ids are its own, not to be written to.
    """
    if len(tickets) == 1 and length in (None, len(tickets[0])):
        ids_BL = tickets[0].ids[np.newaxis]
        return ids_BL, np.ones_like(ids_BL)
    width = length or max(len(ticket) for ticket in tickets)
    ids_BL = np.full((len(tickets), width), pad_id, dtype=np.int64)
    mask_BL = np.zeros((len(tickets), width), dtype=np.int64)
    for row, ticket in enumerate(tickets):
        ids_BL[row, : len(ticket)] = ticket.ids
        mask_BL[row, : len(ticket)] = 1
    return ids_BL, mask_BL


def _tokens(encoding: Encoding, cut: bool) -> Tokens:
    return Tokens(np.asarray(encoding.ids, dtype=np.int64), cut or bool(encoding.overflowing))


def _pad_id(fast: FastTokenizer) -> int:
    if fast.padding is not None:
        return int(fast.padding["pad_id"])
    found = (fast.token_to_id(token) for token in _PAD_TOKENS)
    return next((token_id for token_id in found if token_id is not None), 0)
