"""Sluice networks: subspaces that are mixed and kept apart, and a mixture over layers.

Shapes: B batch, L length, H width, T tasks, S subspaces, I inner width of a layer.
"""

from itertools import combinations
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from scipy.linalg import block_diag
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
from training.config.sharing import SluiceConfig
from training.errors import ConfigError
from training.model.sharing.sluice import Sluice, overlap
from training.model.sharing.trunk import Pooling, mean_pool

EVERY_TOP = pytest.mark.parametrize("top", [None, 1])
EVERY_ENCODER = pytest.mark.parametrize("encoder", [bert, distilbert])


def sluice(
    encoder: nn.Module, top: int | None = None, pooling: Pooling = "mean", **changes: Any
) -> Sluice:
    settings = SluiceConfig(**{"top_layers": top, "own": 0.8, **changes})
    return Sluice(encoder, NAMES, pooling, WIDTH, settings)


def written_out(trunk: Sluice, ids_BL: Tensor, mask_BL: Tensor) -> Tensor:
    """(T, B, H) by the paper's formulas, on BERT with every layer in the columns."""
    encoder = cast("Any", trunk.encoder)
    columns = [
        encoder.encoder.layer,
        *(trunk.get_submodule(f"copies.{name}") for name in ("urgency", "TYPE")),
    ]
    hidden_TBLH = torch.stack([encoder.embeddings(input_ids=ids_BL)] * 3)
    masked_B11L = (1.0 - mask_BL[:, None, None, :].float()) * torch.finfo(torch.float32).min
    total_TBLH = torch.zeros_like(hidden_TBLH)
    for place, mixing_NN in enumerate(trunk.mixing_KNN):
        raised = [
            cast("Any", column)[place](hidden_BLH, masked_B11L)
            for column, hidden_BLH in zip(columns, hidden_TBLH, strict=True)
        ]
        cut = torch.stack(raised).unflatten(-1, (trunk.subspaces, -1))
        weights = mixing_NN.view(3, trunk.subspaces, 3, trunk.subspaces)
        hidden_TBLH = torch.einsum("tsur,ublrd->tblsd", weights, cut).flatten(-2)
        total_TBLH += trunk.skips_TK[:, place, None, None, None] * hidden_TBLH
    return torch.stack([mean_pool(hidden_BLH, mask_BL) for hidden_BLH in total_TBLH])


@EVERY_TOP
@EVERY_ENCODER
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_it_starts_as_hard_sharing(encoder: Encoder, top: int | None, pooling: Pooling) -> None:
    check_starts_as_hard_sharing(encoder, lambda one: sluice(one, top, pooling), pooling)


@pytest.mark.parametrize("subspaces", [2, 4])
def test_its_features_are_those_of_the_formulas(subspaces: int) -> None:
    trunk = sluice(bert(), subspaces=subspaces)
    shaken(trunk)
    ids_BL, mask_BL = tickets(4, 11)
    with torch.no_grad():
        expected_TBH = written_out(trunk, ids_BL, mask_BL)
    found = said(trunk, ids_BL, mask_BL)
    for place, task in enumerate(NAMES):
        torch.testing.assert_close(found[task], expected_TBH[place], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("encoder", [bert, distilbert])
def test_the_penalty_is_the_mean_overlap_of_what_writes_the_subspaces(encoder: Encoder) -> None:
    trunk = sluice(encoder(0), subspaces=4, orthogonality=0.1)
    shaken(trunk)
    overlaps = []
    for name, weight in trunk.named_parameters():
        if name.endswith(("ffn.lin2.weight", "output.dense.weight")) and "attention" not in name:
            rows_HI = weight.detach().double().numpy()
            rows_HI = rows_HI / np.linalg.norm(rows_HI, axis=1, keepdims=True)
            blocks = np.split(rows_HI, 4)
            overlaps += [np.linalg.norm(a @ b.T) ** 2 for a, b in combinations(blocks, 2)]
    assert len(overlaps) == 3 * 2 * 6
    penalty = trunk.penalty()
    assert penalty is not None
    assert penalty.item() == pytest.approx(0.1 * np.mean(overlaps), rel=1e-5)


def test_subspaces_that_share_no_input_do_not_overlap() -> None:
    random = np.random.default_rng(0)
    apart_HI = block_diag(random.normal(size=(4, 6)), random.normal(size=(4, 6)))
    assert overlap(torch.from_numpy(apart_HI), 2).item() == 0.0
    assert overlap(torch.from_numpy(np.vstack([apart_HI[:4]] * 2)), 2).item() >= 4.0


def test_smaller_weights_overlap_no_less() -> None:
    weight_HI = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 12)))
    torch.testing.assert_close(overlap(0.01 * weight_HI, 2), overlap(weight_HI, 2))


def test_the_penalty_can_be_learned_away() -> None:
    trunk = sluice(bert(), top=1, orthogonality=1.0)
    optimizer = torch.optim.Adam(trunk.encoder_parameters(), lr=0.02)
    seen = []
    for _ in range(60):
        penalty = trunk.penalty()
        assert penalty is not None
        seen.append(penalty.item())
        optimizer.zero_grad()
        penalty.backward()
        optimizer.step()
    assert seen[-1] < 0.05 * seen[0]


def test_a_weight_of_0_asks_for_no_penalty() -> None:
    assert sluice(bert(), orthogonality=0.0).penalty() is None


def test_a_loss_reaches_every_column_and_its_own_mixture_over_layers() -> None:
    trunk = sluice(bert())
    shaken(trunk)
    found = reached(trunk, "urgency")
    for column in ("encoder.encoder.layer.1.", "copies.urgency.", "copies.TYPE.", "mixing_KNN"):
        assert starting(found, column)
    assert trunk.skips_TK.grad is not None
    assert (trunk.skips_TK.grad.abs().amax(dim=1) > 0).tolist() == [False, True, False]


@EVERY_TOP
@EVERY_ENCODER
def test_batched_equals_alone(encoder: Encoder, top: int | None) -> None:
    check_batched_equals_alone(sluice(encoder(0), top))


@EVERY_TOP
def test_kept_tasks_answer_as_before_at_the_same_cost(top: int | None) -> None:
    trunk = sluice(bert(), top)
    before = trunk.passes
    check_kept_tasks_answer_as_before(trunk)
    assert trunk.passes == before == (3.0 if top is None else 2.0)


@EVERY_TOP
def test_it_is_saved_and_read_back(top: int | None, tmp_path: Path) -> None:
    check_saved_and_read_back(lambda seed: sluice(bert(seed), top), tmp_path / "saved")


def test_columns_learn_at_the_encoder_s_rate_and_mixtures_do_not() -> None:
    trunk = sluice(bert())
    inside = {id(one) for one in trunk.encoder_parameters()}
    outside = [name for name, one in trunk.named_parameters() if id(one) not in inside]
    assert outside == ["mixing_KNN", "skips_TK"]


@EVERY_TOP
@EVERY_ENCODER
def test_every_loss_depends_on_the_last_shared_parameters(
    encoder: Encoder, top: int | None
) -> None:
    check_shared_parameters(sluice(encoder(0), top))


def test_subspaces_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(
        ConfigError, match="subspaces must divide the encoder's width of 32, found 5"
    ):
        sluice(bert(), subspaces=5)


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "top"), [(bert, None), (distilbert, 1)])
def test_its_graph_says_what_torch_says(encoder: Encoder, top: int | None, tmp_path: Path) -> None:
    check_export(sluice(encoder(0), top), tmp_path / "graph.onnx")
