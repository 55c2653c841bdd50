"""A task's vector changes the gain and the bias of each layer's last norm, and nothing else."""

from pathlib import Path

import pytest
import torch
from torch import nn

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
from training.config.sharing import ConditionedConfig
from training.model.sharing.conditioned import ConditionedTrunk
from training.model.sharing.hard import HardSharing

SIZE = 5


def conditioned(encoder: nn.Module, **settings: object) -> ConditionedTrunk:
    chosen = ConditionedConfig.model_validate({"embedding": SIZE, **settings})
    return ConditionedTrunk(encoder, NAMES, "mean", WIDTH, chosen)


@pytest.mark.parametrize("top", [1, None])
@pytest.mark.parametrize(
    ("encoder", "norm"), [(bert, "output.LayerNorm"), (distilbert, "output_layer_norm")]
)
def test_a_task_answers_as_an_encoder_whose_last_norms_were_changed(
    encoder: Encoder, norm: str, top: int | None
) -> None:
    trunk = shaken(conditioned(encoder(0), top_layers=top))
    assert isinstance(trunk, ConditionedTrunk)
    plain = encoder(0)
    plain.load_state_dict(trunk.encoder.state_dict())
    stack = [part for part in plain.modules() if isinstance(part, nn.ModuleList)][-1]
    with torch.no_grad():
        for reader, layer in zip(trunk.readers, list(stack)[-(top or 2) :], strict=True):
            read = reader.weight @ trunk.vectors["urgency"] + reader.bias
            last = layer.get_submodule(norm)
            last.weight *= 1.0 + read[:WIDTH]
            last.bias.copy_(last.bias * (1.0 + read[:WIDTH]) + read[WIDTH:])
    expected = said(HardSharing(plain, NAMES, "mean"), *tickets(3, 9))["urgency"]
    torch.testing.assert_close(said(trunk, *tickets(3, 9))["urgency"], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("top", [1, None])
def test_the_parameters_are_as_many_as_stated(top: int | None) -> None:
    trunk = conditioned(bert(), top_layers=top)
    added = sum(one.numel() for one in trunk.parameters()) - bert().num_parameters()
    assert added == len(NAMES) * SIZE + (top or 2) * 2 * WIDTH * (SIZE + 1)


def test_the_first_step_moves_the_readers_and_the_second_the_vectors() -> None:
    trunk = conditioned(bert(), trunk="frozen")
    optimiser = torch.optim.SGD([one for one in trunk.parameters() if one.requires_grad], lr=0.1)
    before = trunk.vectors["urgency"].detach().clone()
    for moved in (False, True):
        optimiser.zero_grad()
        trunk(*tickets(3, 9))["urgency"].square().sum().backward()
        optimiser.step()
        assert torch.equal(trunk.vectors["urgency"], before) is not moved
        assert all(bool(reader.weight.abs().max() > 0) for reader in trunk.readers)


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "top"), [(bert, 1), (distilbert, None)])
def test_its_graph_says_what_torch_says(encoder: Encoder, top: int | None, tmp_path: Path) -> None:
    check_export(conditioned(encoder(0), top_layers=top), tmp_path / "graph.onnx")
