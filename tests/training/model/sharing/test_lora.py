"""A task's low-rank update is peft's own, and the encoder stays itself beside it."""

from pathlib import Path

import pytest
import torch
from peft import LoraConfig as PeftConfig
from peft import inject_adapter_in_model
from torch import nn

from tests.training.model.sharing.trunks import (
    NAMES,
    SHAPES,
    WIDTH,
    Encoder,
    bert,
    check_export,
    distilbert,
    said,
    shaken,
    tickets,
)
from training.config.sharing import LoraConfig
from training.model.sharing.hard import HardSharing
from training.model.sharing.lora import LoraAdapters, TaskLora

RANK, ALPHA = 3, 12.0


def lora(encoder: nn.Module, **settings: object) -> LoraAdapters:
    chosen = {"rank": RANK, "alpha": ALPHA, **settings}
    return LoraAdapters(encoder, NAMES, "mean", WIDTH, LoraConfig.model_validate(chosen))


def name_in_torch(task: str) -> str:
    return "TYPE" if task == "type" else task


def learned(encoder: Encoder, top: int | None) -> LoraAdapters:
    """Only the adapters have learned: the encoder is as it was given."""
    trunk = lora(encoder(0), top_layers=top, trunk="frozen").eval()
    torch.manual_seed(1)
    for parameter in trunk.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.3)
    return trunk


@pytest.mark.parametrize("top", [1, None])
@pytest.mark.parametrize(
    ("encoder", "targets"), [(bert, ["query", "value"]), (distilbert, ["q_lin", "v_lin"])]
)
def test_each_task_answers_as_peft_s_own_model_with_its_adapter(
    encoder: Encoder, targets: list[str], top: int | None
) -> None:
    trunk = learned(encoder, top)
    for task in NAMES:
        config = PeftConfig(
            r=RANK,
            lora_alpha=ALPHA,
            target_modules=targets,
            layers_to_transform=[1] if top == 1 else [0, 1],
        )
        reference = inject_adapter_in_model(config, encoder(0)).eval()
        name = name_in_torch(task)
        weights = {
            key.replace(f".{name}.", ".default."): value
            for key, value in trunk.encoder.state_dict().items()
            if f".{name}." in key
        }
        missing, unknown = reference.load_state_dict(weights, strict=False)
        assert weights
        assert unknown == []
        assert not any("lora" in key for key in missing)
        hard = HardSharing(reference, NAMES, "mean")
        for shape in SHAPES:
            expected = said(hard, *tickets(*shape))[task]
            torch.testing.assert_close(said(trunk, *tickets(*shape))[task], expected)


def test_an_update_can_be_added_to_the_weights() -> None:
    trunk, plain = learned(bert, None), bert()
    for name, product in trunk.encoder.named_modules():
        if isinstance(product, TaskLora):
            low, high = product.lora_A["urgency"].weight, product.lora_B["urgency"].weight
            plain.get_submodule(name).weight.data += ALPHA / RANK * high.detach() @ low.detach()
    expected = said(HardSharing(plain, NAMES, "mean"), *tickets(3, 9))["urgency"]
    found = said(trunk, *tickets(3, 9))["urgency"]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_the_encoder_by_itself_answers_without_an_update() -> None:
    trunk = learned(bert, None)
    ids_BL, mask_BL = tickets(3, 9)
    trunk(ids_BL, mask_BL)
    with torch.no_grad():
        found = trunk.encoder(input_ids=ids_BL, attention_mask=mask_BL).last_hidden_state
        expected = bert()(input_ids=ids_BL, attention_mask=mask_BL).last_hidden_state
    assert torch.equal(found, expected)


@pytest.mark.parametrize("top", [1, None])
def test_the_parameters_are_as_many_as_stated(top: int | None) -> None:
    trunk = lora(bert(), top_layers=top)
    added = sum(one.numel() for one in trunk.parameters()) - bert().num_parameters()
    assert added == len(NAMES) * (top or 2) * 4 * RANK * WIDTH


def test_dropout_belongs_to_the_update_alone() -> None:
    trunk = lora(bert(), dropout=0.5).train()
    for part in trunk.modules():
        if isinstance(part, nn.Dropout) and part.p < 0.5:
            part.p = 0.0
    expected = said(HardSharing(bert(), NAMES, "mean"), *tickets(3, 9))
    found = said(trunk, *tickets(3, 9))  # The updates are still zero.
    torch.testing.assert_close(found["urgency"], expected["urgency"])
    shaken(trunk).train()
    assert not torch.equal(
        said(trunk, *tickets(3, 9))["urgency"], said(trunk, *tickets(3, 9))["urgency"]
    )


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "top"), [(bert, 1), (distilbert, None)])
def test_its_graph_says_what_torch_says(encoder: Encoder, top: int | None, tmp_path: Path) -> None:
    check_export(lora(encoder(0), top_layers=top), tmp_path / "graph.onnx")
