"""Text comes in; its token ids go out, each piece between two spaces looked up where it is known.

A desk's tickets use the same words over and over, and a tokenizer spends microseconds on each of
them. Where white space ends every word anyway, the ids of a text are those of its pieces in a row.
"""

import json
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as FastTokenizer

KNOWN = 16_384
"""Pieces that are remembered at most; half of them go at once, those that were not used of late."""

LONGEST = 64
"""Characters of a piece that is remembered, so that the memory of all of them is bounded."""

_SIZE = np.dtype(np.int64).itemsize
_PROBES = ("a", "b c d")


class Pieces:
    """Encodes as its tokenizer does, without asking it about pieces that it was asked about."""

    def __init__(self, fast: FastTokenizer, before: Sequence[int], after: Sequence[int]) -> None:
        """before, after: the special tokens around every text."""
        self._fast = fast
        self._before, self._after = _bytes(before), _bytes(after)
        # Ids as bytes lie in one place each; and a queue of who was used when would be written to
        # at every look: both cost where a graph has just emptied the caches.
        self._recent: dict[str, bytes] = {}
        self._older: dict[str, bytes] = {}

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

    def encode(self, text: str, limit: int) -> tuple[NDArray[np.int64], bool] | None:
        """The first `limit` ids, special tokens included, and whether there are more.

        None where a piece is too long to be remembered. The array is not to be written to.
        """
        pieces = text.replace("\n", " ").replace("\t", " ").replace("\r", " ").split(" ")
        room = limit * _SIZE - len(self._before) - len(self._after)
        try:
            found = b"".join(map(self._recent.__getitem__, pieces))
        except KeyError:
            if max(map(len, pieces)) > LONGEST:
                return None
            found = b"".join(map(self._ids, pieces))
        whole = self._before + found[:room] + self._after
        return np.frombuffer(whole, dtype=np.int64), len(found) > room

    def _ids(self, piece: str) -> bytes:
        """Of one piece, which is remembered from now on; any thread may call it."""
        recent = self._recent
        if (known := recent.get(piece)) is not None:
            return known
        if (known := self._older.get(piece)) is None:
            known = _bytes(self._fast.encode(piece, add_special_tokens=False).ids)
        if len(recent) >= KNOWN // 2:
            self._older, self._recent = recent, {}
        self._recent[piece] = known
        return known


def _bytes(ids: Sequence[int]) -> bytes:
    return np.array(ids, dtype=np.int64).tobytes()


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
