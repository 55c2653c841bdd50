"""A prefix is what tokens attend to besides each other, and it takes no token's place.

Shapes: B batch, L length, P prefix, H width, V vocabulary.
"""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.training.model.sharing.trunks import (
    LIMIT,
    NAMES,
    WIDTH,
    Encoder,
    bert,
    check_export,
    distilbert,
    said,
    shaken,
    tickets,
)
from training.config.sharing import PrefixConfig
from training.model.sharing.prefix import PrefixTrunk
from training.model.sharing.trunk import mean_pool

LENGTH, HEADS = 5, 2


def prefix(encoder: nn.Module, **settings: object) -> PrefixTrunk:
    chosen = PrefixConfig.model_validate({"prefix": LENGTH, **settings})
    return PrefixTrunk(encoder, NAMES, "mean", WIDTH, chosen)


def bert_layer(layer: nn.Module, hidden: Tensor, prefix_PH: Tensor, mask_BL: Tensor) -> Tensor:
    """A BERT layer by hand: the prefix gives keys and values, and asks for nothing."""
    attention, batch = layer.attention, hidden.shape[0]
    seen = torch.cat([prefix_PH.expand(batch, -1, -1), hidden], dim=1)
    visible = torch.cat([torch.ones(batch, len(prefix_PH)), mask_BL], dim=1).bool()
    query, key, value = (
        product(rows).unflatten(-1, (HEADS, -1)).transpose(1, 2)
        for product, rows in (
            (attention.self.query, hidden),
            (attention.self.key, seen),
            (attention.self.value, seen),
        )
    )
    scores = query @ key.transpose(2, 3) / (WIDTH / HEADS) ** 0.5
    scores = scores.masked_fill(~visible[:, None, None], float("-inf"))
    mixed = (scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
    middle = attention.output.LayerNorm(attention.output.dense(mixed) + hidden)
    inner = functional.gelu(layer.intermediate.dense(middle))
    return layer.output.LayerNorm(layer.output.dense(inner) + middle)


@pytest.mark.parametrize("top", [1, None])
def test_a_task_s_prefix_is_one_of_keys_and_values(top: int | None) -> None:
    trunk = shaken(prefix(bert(), top_layers=top))
    ids_BL, mask_BL = tickets(3, 9)
    with torch.no_grad():
        hidden = trunk.encoder.embeddings(input_ids=ids_BL)
        for place, layer in enumerate(trunk.encoder.encoder.layer):
            depth = place - (2 - (top or 2))
            none_PH = torch.empty(0, WIDTH)
            own_PH = none_PH if depth < 0 else trunk.prefixes["urgency"][depth]
            hidden = bert_layer(layer, hidden, own_PH, mask_BL)
    found = said(trunk, ids_BL, mask_BL)["urgency"]
    torch.testing.assert_close(found, mean_pool(hidden, mask_BL), atol=1e-5, rtol=0)


@pytest.mark.parametrize("encoder", [bert, distilbert])
def test_a_ticket_may_be_as_long_as_without_a_prefix(encoder: Encoder) -> None:
    features = said(prefix(encoder(0), prefix=LIMIT + 8), *tickets(2, LIMIT))
    assert all(bool(found.isfinite().all()) for found in features.values())


def test_a_prefix_starts_as_what_the_layers_read_of_words() -> None:
    encoder = bert()
    trunk = prefix(encoder)
    with torch.no_grad():
        words = torch.arange(encoder.config.vocab_size)[:, None]
        known = encoder(input_ids=words, output_hidden_states=True).hidden_states
    for task in ("category", "urgency", "TYPE"):
        for depth, start_PH in enumerate(trunk.prefixes[task]):
            distance_PVH = (start_PH.detach()[:, None] - known[depth][:, 0]).abs()
            assert float(distance_PVH.amax(dim=2).amin(dim=1).max()) < 1e-4


@pytest.mark.parametrize("top", [1, None])
def test_the_parameters_are_as_many_as_stated(top: int | None) -> None:
    trunk = prefix(bert(), top_layers=top)
    learning = sum(one.numel() for one in trunk.parameters() if one.requires_grad)
    assert learning == len(NAMES) * (top or 2) * LENGTH * WIDTH
    assert sum(one.numel() for one in trunk.parameters()) == learning + bert().num_parameters()


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "top"), [(bert, 1), (distilbert, None)])
def test_its_graph_says_what_torch_says(encoder: Encoder, top: int | None, tmp_path: Path) -> None:
    check_export(prefix(encoder(0), top_layers=top), tmp_path / "graph.onnx")
