"""An encoder that was taken apart says what it says whole.

Shapes: B batch, L length, H width.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    CamembertConfig,
    CamembertModel,
    MPNetConfig,
    MPNetModel,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from tests.training.model.sharing.trunks import LIMIT, WIDTH, WORDS, bert, distilbert, tickets
from training.errors import ConfigError
from training.model.layers import Layers, layers_of, top_count

SIZE = {
    "vocab_size": WORDS,
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": LIMIT + 2,
    "initializer_range": 0.3,
}


def like_roberta(config: type, model: type) -> nn.Module:
    torch.manual_seed(0)
    # Padding has the id that `tickets` pads with.
    made: nn.Module = model(config(**SIZE, pad_token_id=0), add_pooling_layer=False)
    return made.eval()


MAKERS = {
    "bert": bert,
    "distilbert": distilbert,
    "roberta": lambda: like_roberta(RobertaConfig, RobertaModel),
    "xlm-roberta": lambda: like_roberta(XLMRobertaConfig, XLMRobertaModel),
    "camembert": lambda: like_roberta(CamembertConfig, CamembertModel),
}


def stepped(layers: Layers, ids_BL: Tensor, mask_BL: Tensor) -> Tensor:
    hidden_BLH = layers.embed(ids_BL)
    attention = layers.mask(mask_BL, hidden_BLH)
    for layer in layers.each:
        hidden_BLH = layers.run(layer, hidden_BLH, attention)
    return hidden_BLH


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_layer_by_layer_gives_the_encoder_s_own_output(
    make: Callable[[], nn.Module], attention: str
) -> None:
    encoder = make()
    encoder.set_attn_implementation(attention)
    layers = layers_of(encoder, "lora")
    for shape in ((1, LIMIT), (4, 11)):
        ids_BL, mask_BL = tickets(*shape)
        with torch.no_grad():
            whole_BLH = encoder(input_ids=ids_BL, attention_mask=mask_BL).last_hidden_state
            assert torch.equal(stepped(layers, ids_BL, mask_BL), whole_BLH)


def test_an_encoder_of_unknown_layers_is_refused_by_name() -> None:
    encoder = MPNetModel(MPNetConfig(**SIZE), add_pooling_layer=False)
    with pytest.raises(ConfigError, match=r"sharing lora needs an encoder of type .* found mpnet"):
        layers_of(encoder, "lora")


def test_all_layers_are_the_top_ones_unless_a_number_is_given() -> None:
    layers = layers_of(bert(), "lora")
    assert [top_count(layers, given) for given in (None, 1, 2)] == [2, 1, 2]
    with pytest.raises(ConfigError, match=r"model\.sharing\.top_layers .* at most 2, .* found 3"):
        top_count(layers, 3)
