"""Text comes in; its token ids go out, each piece between two spaces looked up where it is known.

A desk's tickets use the same words over and over, and a tokenizer spends microseconds on each of
them. Where white space ends every word anyway, the ids of a text are those of its pieces in a row.
"""

import json
from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import chain, islice
from typing import Any, Self

from tokenizers import Tokenizer as FastTokenizer

KNOWN = 16_384
"""Pieces that are remembered; the one that was used longest ago goes first."""

LONGEST = 64
"""Characters of a piece that is remembered, so that the memory of all of them is bounded."""

_PROBES = ("a", "b c d")


class Pieces:
    """Encodes as its tokenizer does, without asking it about pieces that it was asked about."""

    def __init__(self, fast: FastTokenizer, before: Sequence[int], after: Sequence[int]) -> None:
        """before, after: the special tokens around every text."""
        self._before, self._after = before, after
        self._ids = lru_cache(KNOWN)(partial(_ask, fast))

    @classmethod
    def of(cls, fast: FastTokenizer, definition: str) -> Self | None:
        """None where a piece's ids might depend on its neighbours. definition: its JSON text.

        They do not where text is cleaned character by character and split at white space, as BERT's
        is, where no added token reaches beyond a piece, and special tokens surround a text.
        """
        if not _splits_at_spaces(json.loads(definition)):
            return None
        first, *others = (_around(fast, probe) for probe in _PROBES)
        if first is None or not any(first) or any(other != first for other in others):
            return None
        return cls(fast, *first)

    def encode(self, text: str, limit: int) -> tuple[list[int], bool] | None:
        """The first `limit` ids, special tokens included, and whether there are more.

        None where a piece is too long to be remembered.
        """
        pieces = text.replace("\n", " ").replace("\t", " ").replace("\r", " ").split(" ")
        if max(map(len, pieces)) > LONGEST:
            return None
        room = limit - len(self._before) - len(self._after)
        ids = list(islice(chain.from_iterable(map(self._ids, pieces)), room + 1))
        return [*self._before, *ids[:room], *self._after], len(ids) > room


def _ask(fast: FastTokenizer, piece: str) -> tuple[int, ...]:
    return tuple(fast.encode(piece, add_special_tokens=False).ids)


def _splits_at_spaces(definition: dict[str, Any]) -> bool:
    kinds = {part: (definition[part] or {}).get("type") for part in ("normalizer", "pre_tokenizer")}
    return (
        kinds == {"normalizer": "BertNormalizer", "pre_tokenizer": "BertPreTokenizer"}
        and definition["model"].get("type") == "WordPiece"
        and all(_stays_within(token) for token in definition["added_tokens"])
    )


def _stays_within(added: dict[str, Any]) -> bool:
    reaches = added["single_word"] or added["lstrip"] or added["rstrip"] or added["normalized"]
    return not reaches and not any(character.isspace() for character in added["content"])


def _around(fast: FastTokenizer, probe: str) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The special tokens before and after a text, None where they do not just surround it."""
    whole, inner = fast.encode(probe).ids, fast.encode(probe, add_special_tokens=False).ids
    for start in range(len(whole) - len(inner) + 1):
        stop = start + len(inner)
        if whole[start:stop] == inner:
            return tuple(whole[:start]), tuple(whole[stop:])
    return None
