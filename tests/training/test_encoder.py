"""Encoders by directory and by package: what is loaded is what was pinned."""

import shutil
from pathlib import Path

import pytest
import torch
from transformers import DistilBertConfig, DistilBertModel, PreTrainedTokenizerFast, RobertaConfig

from service.contract.tokens import Tokenizer
from training.errors import ConfigError, EncoderError
from training.model.encoder import Encoder, load_encoder, minilm_directory, rebuild_encoder


def test_a_directory_in_the_hubs_format_is_loaded(encoder: Path) -> None:
    found = load_encoder(str(encoder))
    assert found.name == "tiny-bert"
    assert (found.width, found.positions) == (32, 64)
    assert str(encoder) not in str(found.saved_config())


def test_a_saved_configuration_rebuilds_the_same_module(encoder: Path) -> None:
    found = load_encoder(str(encoder))
    rebuilt = rebuild_encoder(found.saved_config())
    rebuilt.load_state_dict(found.module.state_dict())
    ids = torch.tensor([[1, 5, 2]])
    left = found.module.eval()(input_ids=ids).last_hidden_state
    assert torch.equal(left, rebuilt.eval()(input_ids=ids).last_hidden_state)


def test_a_directory_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="cannot be loaded"):
        load_encoder(str(tmp_path))


def test_the_offline_encoder_has_the_pinned_weights_and_no_fixed_padding() -> None:
    found = load_encoder("minilm")
    assert found.width == 384
    tokens = Tokenizer(found.tokenizer, 256).encode("printer")
    assert 3 <= len(tokens) < 8
    assert not tokens.truncated


def test_weights_of_another_digest_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"other")
    with pytest.raises(EncoderError, match="another digest"):
        minilm_directory(tmp_path)


def test_only_the_first_layers_are_kept_where_the_run_says_so(encoder: Path) -> None:
    found = load_encoder(str(encoder), layers=1)
    whole = load_encoder(str(encoder))
    assert len(found.module.encoder.layer) == 1
    name = "encoder.layer.0.output.dense.weight"
    assert torch.equal(found.module.state_dict()[name], whole.module.state_dict()[name])
    assert len(rebuild_encoder(found.saved_config()).encoder.layer) == 1
    with pytest.raises(ConfigError, match=r"at most 2 .* found 3"):
        load_encoder(str(encoder), layers=3)


def test_the_reference_encoders_architecture_is_loaded(encoder: Path, tmp_path: Path) -> None:
    PreTrainedTokenizerFast.from_pretrained(encoder).save_pretrained(tmp_path)
    size = DistilBertConfig(vocab_size=80, dim=32, n_layers=2, n_heads=2, hidden_dim=64)
    DistilBertModel(size).save_pretrained(tmp_path)
    found = load_encoder(str(tmp_path), layers=1)
    assert (found.width, len(found.module.transformer.layer)) == (32, 1)
    ids = torch.tensor([[1, 5, 2]])
    rebuilt = rebuild_encoder(found.saved_config())
    rebuilt.load_state_dict(found.module.state_dict())
    wanted = found.module.eval()(input_ids=ids).last_hidden_state
    assert torch.equal(rebuilt.eval()(input_ids=ids).last_hidden_state, wanted)


def test_weights_that_are_cut_short_or_of_another_shape_are_refused(
    encoder: Path, tmp_path: Path
) -> None:
    short = Path(shutil.copytree(encoder, tmp_path / "short"))
    weights = short / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    wide = Path(shutil.copytree(encoder, tmp_path / "wide"))
    config = wide / "config.json"
    config.write_text(config.read_text().replace('"hidden_size": 32', '"hidden_size": 64'))
    for broken in (short, wide):
        with pytest.raises(EncoderError, match="cannot be loaded"):
            load_encoder(str(broken))


def test_roberta_has_no_position_for_its_last_two_tokens() -> None:
    config = RobertaConfig(max_position_embeddings=514, pad_token_id=1)
    assert Encoder("roberta", torch.nn.Identity(), config, "").positions == 512
