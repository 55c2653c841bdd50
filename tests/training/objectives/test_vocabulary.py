"""Which ids are words, of definitions that mark their special tokens and of ones that do not."""

import json

import pytest
from transformers import AutoTokenizer

from tests.tiny_bundle import tokenizer_definition
from tests.training.objectives.network import DEFINITION
from training.errors import ConfigError
from training.model.encoder import minilm_directory
from training.objectives.vocabulary import read_vocabulary


def test_special_tokens_are_no_words_though_nothing_marks_them() -> None:
    vocabulary = read_vocabulary(DEFINITION)
    known = json.loads(DEFINITION)["model"]["vocab"]
    special = {known[name] for name in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")}
    assert set(vocabulary.words.tolist()) == set(known.values()) - special
    assert vocabulary.mask == known["[MASK]"]


def test_the_ids_are_those_that_transformers_knows() -> None:
    place = minilm_directory()
    reference = AutoTokenizer.from_pretrained(place)
    vocabulary = read_vocabulary((place / "tokenizer.json").read_text(encoding="utf-8"))
    assert vocabulary.mask == reference.mask_token_id
    everything = set(range(reference.vocab_size))
    assert set(vocabulary.words.tolist()) == everything - set(reference.all_special_ids)


def test_a_tokenizer_without_a_mask_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"masked.weight .* \[MASK\] or <mask>"):
        read_vocabulary(tokenizer_definition())
