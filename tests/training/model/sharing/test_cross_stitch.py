"""Cross-stitch units: columns that are mixed after each layer.

Shapes: B batch, L length, H width, T tasks.
"""

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from tests.training.model.sharing.trunks import (
    NAMES,
    WIDTH,
    Encoder,
    bert,
    check_batched_equals_alone,
    check_export,
    check_kept_tasks_answer_as_before,
    check_saved_and_read_back,
    check_shared_parameters,
    check_starts_as_hard_sharing,
    distilbert,
    reached,
    said,
    shaken,
    starting,
    tickets,
)
from training.config.sharing import CrossStitchConfig
from training.errors import ConfigError
from training.model.sharing.cross_stitch import CrossStitch
from training.model.sharing.trunk import Pooling, mean_pool

EVERY_TOP = pytest.mark.parametrize("top", [None, 1])
EVERY_ENCODER = pytest.mark.parametrize("encoder", [bert, distilbert])


def stitched(
    encoder: nn.Module,
    top: int | None = None,
    pooling: Pooling = "mean",
    tasks: tuple[str, ...] = NAMES,
) -> CrossStitch:
    return CrossStitch(encoder, tasks, pooling, WIDTH, CrossStitchConfig(top_layers=top, own=0.8))


def without_mixing(top: int | None = None) -> CrossStitch:
    """Its units pass each column on as it is."""
    trunk = stitched(bert(), top)
    with torch.no_grad():
        trunk.mixing_KTT.copy_(torch.eye(3))
    return trunk


def written_out(trunk: CrossStitch, ids_BL: Tensor, mask_BL: Tensor) -> Tensor:
    """(T, B, H) by the paper's formula, on BERT with every layer in the columns."""
    encoder = cast("Any", trunk.encoder)
    columns = [
        encoder.encoder.layer,
        *(trunk.get_submodule(f"copies.{name}") for name in ("urgency", "TYPE")),
    ]
    hidden_TBLH = torch.stack([encoder.embeddings(input_ids=ids_BL)] * 3)
    real_B11L = (1.0 - mask_BL[:, None, None, :].float()) * torch.finfo(torch.float32).min
    for place, mixing_TT in enumerate(trunk.mixing_KTT):
        raised = [
            cast("Any", column)[place](hidden_BLH, real_B11L)
            for column, hidden_BLH in zip(columns, hidden_TBLH, strict=True)
        ]
        hidden_TBLH = torch.einsum("ts,sblh->tblh", mixing_TT, torch.stack(raised))
    return torch.stack([mean_pool(hidden_BLH, mask_BL) for hidden_BLH in hidden_TBLH])


@EVERY_TOP
@EVERY_ENCODER
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_it_starts_as_hard_sharing(encoder: Encoder, top: int | None, pooling: Pooling) -> None:
    check_starts_as_hard_sharing(encoder, lambda one: stitched(one, top, pooling), pooling)


def test_its_units_start_with_what_a_task_keeps_and_share_the_rest() -> None:
    trunk = stitched(bert(), top=1)
    expected_TT = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    torch.testing.assert_close(trunk.mixing_KTT.detach(), expected_TT[None])


def test_its_features_are_those_of_the_formula() -> None:
    trunk = stitched(bert())
    shaken(trunk)
    ids_BL, mask_BL = tickets(4, 11)
    with torch.no_grad():
        expected_TBH = written_out(trunk, ids_BL, mask_BL)
    found = said(trunk, ids_BL, mask_BL)
    for place, task in enumerate(NAMES):
        torch.testing.assert_close(found[task], expected_TBH[place], atol=1e-5, rtol=1e-5)


def test_a_loss_reaches_every_column() -> None:
    for task in NAMES:
        found = reached(stitched(bert(), top=1), task)
        for column in ("encoder.encoder.layer.1.", "copies.urgency.", "copies.TYPE.", "mixing"):
            assert starting(found, column)


def test_without_mixing_a_loss_reaches_its_own_column_alone() -> None:
    found = reached(without_mixing(), "urgency")
    assert starting(found, "copies.urgency.")
    assert not starting(found, "encoder.encoder.layer.", "copies.TYPE.")


def test_the_columns_part_once_their_losses_differ() -> None:
    trunk = stitched(bert())
    rate = 0.1
    features = trunk(*tickets(3, 9))
    (features["category"][:, 0].sum() - features["urgency"][:, 1].sum()).backward()
    with torch.no_grad():
        for one in trunk.parameters():
            one -= rate * (torch.zeros_like(one) if one.grad is None else one.grad)
    after = said(trunk, *tickets(3, 9))
    assert (after["category"] - after["urgency"]).abs().max() > 1e-3


@EVERY_TOP
@EVERY_ENCODER
def test_batched_equals_alone(encoder: Encoder, top: int | None) -> None:
    check_batched_equals_alone(stitched(encoder(0), top))


@EVERY_TOP
def test_kept_tasks_answer_as_before_at_the_same_cost(top: int | None) -> None:
    trunk = stitched(bert(), top)
    before = trunk.passes
    check_kept_tasks_answer_as_before(trunk)
    assert trunk.passes == before == (3.0 if top is None else 2.0)


@EVERY_TOP
def test_it_is_saved_and_read_back(top: int | None, tmp_path: Path) -> None:
    check_saved_and_read_back(lambda seed: stitched(bert(seed), top), tmp_path / "saved")


def test_columns_learn_at_the_encoder_s_rate_and_units_do_not() -> None:
    trunk = stitched(bert())
    inside = {id(one) for one in trunk.encoder_parameters()}
    outside = [name for name, one in trunk.named_parameters() if id(one) not in inside]
    assert outside == ["mixing_KTT"]


@EVERY_TOP
@EVERY_ENCODER
def test_every_loss_depends_on_the_last_shared_parameters(
    encoder: Encoder, top: int | None
) -> None:
    check_shared_parameters(stitched(encoder(0), top))


def test_activations_that_are_computed_again_give_the_same_gradients() -> None:
    grads = []
    for again in (False, True):
        encoder = bert()
        if again:
            cast("Any", encoder).activation_checkpointing_enable()
        trunk = stitched(encoder, top=1)
        shaken(trunk).train()
        torch.manual_seed(0)  # Of the dropout.
        trunk(*tickets(3, 9))["urgency"].square().sum().backward()
        grads.append({name: one.grad for name, one in trunk.named_parameters()})
    assert cast("Any", trunk.get_submodule("copies.TYPE.0")).gradient_checkpointing
    for name, plain in grads[0].items():
        torch.testing.assert_close(grads[1][name], plain, msg=name)


def test_a_task_alone_is_left_as_it_is() -> None:
    trunk = stitched(bert(), tasks=("category",))
    assert trunk.passes == 1.0
    check_starts_as_hard_sharing(bert, lambda one: stitched(one), "mean")
    hidden = said(trunk, *tickets(2, 5))["category"]
    torch.testing.assert_close(hidden, said(without_mixing(), *tickets(2, 5))["category"])


def test_more_top_layers_than_there_are_is_refused() -> None:
    with pytest.raises(ConfigError, match="top_layers must be at most 2"):
        stitched(bert(), top=3)


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "top"), [(bert, None), (distilbert, 1)])
def test_its_graph_says_what_torch_says(encoder: Encoder, top: int | None, tmp_path: Path) -> None:
    check_export(stitched(encoder(0), top), tmp_path / "graph.onnx")
