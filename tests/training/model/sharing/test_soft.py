"""Soft sharing: an encoder a task, alike at first, held together by a penalty."""

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import MPNetConfig, MPNetModel

from tests.training.model.sharing.trunks import (
    LIMIT,
    NAMES,
    WIDTH,
    WORDS,
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
from training.config.sharing import SoftConfig
from training.errors import ConfigError
from training.model.sharing.soft import SoftSharing
from training.model.sharing.trunk import Pooling

EVERY_TOP = pytest.mark.parametrize("top", [None, 1, 2])
EVERY_ENCODER = pytest.mark.parametrize("encoder", [bert, distilbert])


def soft(
    encoder: nn.Module,
    top: int | None = None,
    pooling: Pooling = "mean",
    tasks: tuple[str, ...] = NAMES,
) -> SoftSharing:
    return SoftSharing(encoder, tasks, pooling, WIDTH, SoftConfig(top_layers=top, strength=0.01))


@EVERY_TOP
@EVERY_ENCODER
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_it_starts_as_hard_sharing_without_a_penalty(
    encoder: Encoder, top: int | None, pooling: Pooling
) -> None:
    check_starts_as_hard_sharing(encoder, lambda one: soft(one, top, pooling), pooling)
    penalty = soft(encoder(0), top).penalty()
    assert penalty is not None
    assert penalty.item() == 0.0


@EVERY_TOP
def test_the_penalty_is_the_mean_squared_distance_over_pairs(top: int | None) -> None:
    encoder = bert()
    trunk = soft(encoder, top)
    with torch.no_grad():
        for name, one in trunk.named_parameters():
            one += 0.1 * name.startswith("copies.urgency.") - 0.2 * name.startswith("copies.TYPE.")
    layer = encoder.get_submodule("encoder.layer.1")
    size = sum(one.numel() for one in (encoder if top is None else layer).parameters())
    pairs = [size * (top or 1) * apart**2 for apart in (0.1, 0.2, 0.3)]
    penalty = trunk.penalty()
    assert penalty is not None
    assert penalty.item() == pytest.approx(0.01 * sum(pairs) / 3, rel=1e-5)


def test_the_penalty_pulls_two_encoders_straight_towards_each_other() -> None:
    trunk = shaken(soft(bert(), tasks=("category", "urgency")))
    penalty = trunk.penalty()
    assert penalty is not None
    penalty.backward()
    copied = dict(trunk.get_submodule("copies.urgency").named_parameters())
    for name, one in trunk.encoder.named_parameters():
        expected = 2 * 0.01 * (one - copied[name]).detach()
        torch.testing.assert_close(one.grad, expected)
        torch.testing.assert_close(copied[name].grad, -expected)


def test_one_task_alone_has_no_penalty_and_one_pass() -> None:
    trunk = soft(bert(), tasks=("category",))
    assert trunk.penalty() is None
    assert trunk.passes == 1.0


def test_a_loss_reaches_its_own_encoder_alone() -> None:
    trunk = soft(bert())
    assert starting(reached(trunk, "category"), "copies") == set()
    assert {name.split(".")[1] for name in reached(trunk, "urgency")} == {"urgency"}


def test_a_loss_reaches_its_own_top_layer_and_what_lies_below() -> None:
    trunk = soft(bert(), top=1)
    below = {
        "encoder.embeddings.word_embeddings.weight",
        "encoder.encoder.layer.0.output.dense.bias",
    }
    for task, own, others in (
        ("category", "encoder.encoder.layer.1.", ("copies.",)),
        ("urgency", "copies.urgency.", ("encoder.encoder.layer.1.", "copies.TYPE.")),
        ("type", "copies.TYPE.", ("encoder.encoder.layer.1.", "copies.urgency.")),
    ):
        found = reached(trunk, task)
        assert below < found
        assert starting(found, own)
        assert not starting(found, *others)


@EVERY_TOP
@EVERY_ENCODER
def test_batched_equals_alone(encoder: Encoder, top: int | None) -> None:
    check_batched_equals_alone(soft(encoder(0), top))


@EVERY_TOP
def test_kept_tasks_answer_as_before(top: int | None) -> None:
    check_kept_tasks_answer_as_before(soft(bert(), top))


@EVERY_TOP
def test_it_is_saved_and_read_back(top: int | None, tmp_path: Path) -> None:
    check_saved_and_read_back(lambda seed: soft(bert(seed), top), tmp_path / "soft.safetensors")


def test_its_cost_is_a_pass_a_kept_task_or_its_top_layers() -> None:
    whole, branched = soft(bert()), soft(bert(), top=1)
    assert (whole.passes, branched.passes) == (3.0, 2.0)
    whole.keep(("type", "urgency"))
    branched.keep(("type", "urgency"))
    assert (whole.passes, branched.passes) == (2.0, 1.5)


def test_every_encoder_learns_at_the_encoder_s_rate() -> None:
    for trunk in (soft(bert()), soft(bert(), top=1)):
        assert {id(one) for one in trunk.encoder_parameters()} == {
            id(one) for one in trunk.parameters()
        }


@pytest.mark.parametrize("top", [1, 2])
def test_the_last_shared_layer_is_the_one_below_the_branch(top: int) -> None:
    trunk = soft(bert(), top)
    names = {id(one): name for name, one in trunk.named_parameters()}
    below = "encoder.encoder.layer.0." if top == 1 else "encoder.embeddings."
    assert all(names[id(one)].startswith(below) for one in trunk.last_shared())
    check_shared_parameters(trunk)


def test_whole_encoders_share_no_layer() -> None:
    assert soft(bert()).last_shared() == []


def test_a_type_without_known_layers_can_be_copied_whole_but_not_branched() -> None:
    size = {"hidden_size": WIDTH, "num_attention_heads": 2, "intermediate_size": 64}
    config = MPNetConfig(
        vocab_size=WORDS, num_hidden_layers=2, max_position_embeddings=LIMIT + 4, **size
    )
    strange = MPNetModel(config, add_pooling_layer=False).eval()
    assert said(soft(strange), *tickets(2, 5))["type"].shape == (2, WIDTH)
    with pytest.raises(ConfigError, match=r"soft needs an encoder of type bert.*found mpnet"):
        soft(strange, top=1)


def test_more_top_layers_than_there_are_is_refused() -> None:
    with pytest.raises(ConfigError, match="top_layers must be at most 2"):
        soft(bert(), top=3)


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "top"), [(bert, None), (distilbert, 1)])
def test_its_graph_says_what_torch_says(encoder: Encoder, top: int | None, tmp_path: Path) -> None:
    check_export(soft(encoder(0), top), tmp_path / "graph.onnx")
