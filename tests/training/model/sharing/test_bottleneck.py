"""A task's adapters stand behind the layers, and nowhere else.

Shapes: B batch, L length, H width.
"""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.training.model.sharing.trunks import (
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
from training.config.sharing import BottleneckConfig
from training.model.sharing.bottleneck import BottleneckAdapters
from training.model.sharing.hard import HardSharing

INNER = 6


def bottleneck(encoder: nn.Module, **settings: object) -> BottleneckAdapters:
    chosen = BottleneckConfig.model_validate({"adapter": INNER, **settings})
    return BottleneckAdapters(encoder, NAMES, "mean", WIDTH, chosen)


@pytest.mark.parametrize("top", [1, None])
@pytest.mark.parametrize("encoder", [bert, distilbert])
def test_a_task_answers_as_an_encoder_whose_layers_end_in_its_adapters(
    encoder: Encoder, top: int | None
) -> None:
    trunk = shaken(bottleneck(encoder(0), top_layers=top))
    assert isinstance(trunk, BottleneckAdapters)
    saved = trunk.state_dict()
    plain = encoder(0)
    plain.load_state_dict(trunk.encoder.state_dict())
    stack = [part for part in plain.modules() if isinstance(part, nn.ModuleList)][-1]
    for depth, layer in enumerate(list(stack)[-(top or 2) :]):

        def behind(_: nn.Module, __: object, out_BLH: Tensor, depth: int = depth) -> Tensor:
            down, up = (f"adapters.TYPE.{depth}.{place}" for place in (0, 2))
            inner = out_BLH @ saved[f"{down}.weight"].T + saved[f"{down}.bias"]
            # The error function's GELU, written out.
            bent = inner * 0.5 * (1.0 + torch.erf(inner / 2**0.5))
            return out_BLH + bent @ saved[f"{up}.weight"].T + saved[f"{up}.bias"]

        layer.register_forward_hook(behind)
    expected = said(HardSharing(plain, NAMES, "mean"), *tickets(3, 9))["type"]
    torch.testing.assert_close(said(trunk, *tickets(3, 9))["type"], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("top", [1, None])
def test_the_parameters_are_as_many_as_stated(top: int | None) -> None:
    trunk = bottleneck(bert(), top_layers=top)
    added = sum(one.numel() for one in trunk.parameters()) - bert().num_parameters()
    assert added == len(NAMES) * (top or 2) * (2 * INNER * WIDTH + INNER + WIDTH)


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "top"), [(bert, 1), (distilbert, None)])
def test_its_graph_says_what_torch_says(encoder: Encoder, top: int | None, tmp_path: Path) -> None:
    check_export(bottleneck(encoder(0), top_layers=top), tmp_path / "graph.onnx")
