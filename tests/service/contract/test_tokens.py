"""Tokens: within the limit, alone or in company, whatever the file says of padding."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as FastTokenizer

from service.contract.errors import TokenizerError
from service.contract.ticket import render
from service.contract.tokens import Tokenizer, pad
from tests.tiny_bundle import tokenizer_definition


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    fast = FastTokenizer.from_str(tokenizer_definition())
    fast.enable_padding(length=12, pad_id=0)
    fast.enable_truncation(12)
    return Tokenizer(fast.to_str(), limit=16)


def test_padding_and_truncation_of_the_file_are_dropped(tokenizer: Tokenizer) -> None:
    assert len(tokenizer.encode("invoice")) < 12
    assert len(tokenizer.encode("invoice " * 14)) > 12
    definition = json.loads(tokenizer.to_json())
    assert definition["padding"] is None
    assert definition["truncation"] is None


def test_a_text_over_the_limit_is_truncated_and_says_so(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.encode("invoice " * 40)
    assert len(tokens) == 16
    assert tokens.truncated
    assert not tokenizer.encode("invoice").truncated


def test_a_megabyte_is_truncated_and_says_so(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("x" * 1_000_000).truncated
    assert tokenizer.encode(" " * 1_000_000 + "invoice").truncated


@given(st.lists(st.text(max_size=80), min_size=1, max_size=6))
def test_batched_equals_alone(texts: list[str]) -> None:
    tokenizer = Tokenizer(tokenizer_definition(), limit=16)
    for text, tokens in zip(texts, tokenizer.encode_batch(texts), strict=True):
        alone = tokenizer.encode(text)
        assert alone.ids.tolist() == tokens.ids.tolist()
        assert alone.truncated == tokens.truncated


@given(st.text(alphabet=st.characters(), max_size=60))
def test_every_text_that_json_can_carry_is_rendered_and_encoded(text: str) -> None:
    surrogate = text + "\ud83d"
    tokens = Tokenizer(tokenizer_definition(), limit=16).encode(render("", surrogate))
    assert 1 <= len(tokens) <= 16


def test_pad_fills_to_the_longest(tokenizer: Tokenizer) -> None:
    tickets = tokenizer.encode_batch(["invoice", "invoice refund login mail"])
    ids_BL, mask_BL = pad(tickets, pad_id=7)
    assert ids_BL.shape == mask_BL.shape == (2, len(tickets[1]))
    assert mask_BL.sum(axis=1).tolist() == [len(ticket) for ticket in tickets]
    assert (ids_BL[mask_BL == 0] == 7).all()
    assert ids_BL.dtype == mask_BL.dtype == np.int64


def test_a_definition_that_is_none_is_refused() -> None:
    with pytest.raises(TokenizerError, match="cannot be read"):
        Tokenizer("{}", limit=16)
    with pytest.raises(TokenizerError, match="at least 8, found 3"):
        Tokenizer(tokenizer_definition(), limit=3)


def test_equal_tokenizers_give_equal_bytes(tokenizer: Tokenizer) -> None:
    assert Tokenizer(tokenizer.to_json(), limit=30).to_json() == tokenizer.to_json()
