"""Ids looked up piece by piece are those of the whole text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as FastTokenizer

from service.contract import pieces
from service.contract.pieces import LONGEST, Pieces
from tests.tiny_bundle import WORDS, tokenizer_definition

LIMIT = 16
SPACES = ["", " ", "  ", "\n", "\t", "\r\n", "\x0b", "\x1c", "\x85", "\u00a0", "\u2028", "\u200b"]
ODD = [
    "[MASK]",
    "[CLS]",
    "x[SEP]y",
    "[",
    "\u0301",
    "e\u0301",
    "É",
    "ǅ",
    "ß",
    "漢字",
    "a漢b",
    "\ufffd",
]

texts = st.lists(
    st.tuples(st.sampled_from(WORDS + ODD) | st.text(max_size=6), st.sampled_from(SPACES)),
    max_size=24,
).map(lambda parts: "".join(word + space for word, space in parts))


def _definition(**changes: object) -> str:
    return json.dumps(json.loads(tokenizer_definition()) | changes)


def _fast(definition: str) -> FastTokenizer:
    fast = FastTokenizer.from_str(definition)
    fast.add_special_tokens(["[CLS]", "[SEP]", "[MASK]"])
    fast.enable_truncation(LIMIT)
    return fast


FAST = _fast(tokenizer_definition())
PIECES = Pieces.of(FAST, FAST.to_str())


@given(texts)
def test_the_ids_and_the_cut_are_those_of_the_whole_text(text: str) -> None:
    assert PIECES is not None
    whole = FAST.encode(text)
    found = PIECES.encode(text, LIMIT)
    if found is not None:
        assert found[0].tolist() == whole.ids
        assert found[1] == bool(whole.overflowing)


def test_half_of_the_pieces_are_forgotten_and_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pieces, "KNOWN", 8)
    remembering = Pieces.of(FAST, FAST.to_str())
    assert remembering is not None
    for text in [*WORDS, " ".join(WORDS), *reversed(WORDS)]:
        found = remembering.encode(text, LIMIT)
        assert found is not None
        assert found[0].tolist() == FAST.encode(text).ids
        assert len(remembering._recent) + len(remembering._older) <= 8


def test_a_piece_too_long_to_be_remembered_is_left_to_the_tokenizer() -> None:
    assert PIECES is not None
    assert PIECES.encode("x" * LONGEST, LIMIT) is not None
    assert PIECES.encode("x" * (LONGEST + 1), LIMIT) is None


TOKEN = {
    "id": 3,
    "content": "[SEP]",
    "single_word": False,
    "lstrip": False,
    "rstrip": False,
    "normalized": False,
    "special": True,
}


@pytest.mark.parametrize(
    "changes",
    [
        {"pre_tokenizer": {"type": "Whitespace"}},
        {"pre_tokenizer": None},
        {"normalizer": {"type": "Lowercase"}},
        {"added_tokens": [TOKEN | {"lstrip": True}]},
        {"added_tokens": [TOKEN | {"normalized": True}]},
        {"added_tokens": [TOKEN | {"content": "two words"}]},
    ],
)
def test_a_tokenizer_whose_pieces_may_touch_is_asked_every_time(changes: dict[str, object]) -> None:
    definition = _definition(**changes)
    assert Pieces.of(FastTokenizer.from_str(definition), definition) is None


def test_a_tokenizer_without_special_tokens_is_asked_every_time() -> None:
    """One piece could fill the limit, and nobody would know that there was more of it."""
    definition = _definition(post_processor=None)
    assert Pieces.of(FastTokenizer.from_str(definition), definition) is None
