"""What the four schemes of a branching trunk promise alike.

Shapes: B batch, L length.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.training.model.sharing.trunks import (
    KEPT,
    NAMES,
    SHAPES,
    WIDTH,
    Encoder,
    bert,
    check_batched_equals_alone,
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
from training.config.sharing import BottleneckConfig, ConditionedConfig, LoraConfig, PrefixConfig
from training.errors import ConfigError
from training.model.sharing.bottleneck import BottleneckAdapters
from training.model.sharing.branching import BranchingTrunk
from training.model.sharing.conditioned import ConditionedTrunk
from training.model.sharing.lora import LoraAdapters
from training.model.sharing.prefix import PrefixTrunk
from training.model.sharing.trunk import Pooling

Scheme = Callable[..., BranchingTrunk]


def lora(encoder: nn.Module, pooling: Pooling = "mean", **settings: object) -> BranchingTrunk:
    return LoraAdapters(encoder, NAMES, pooling, WIDTH, LoraConfig.model_validate(settings))


def bottleneck(encoder: nn.Module, pooling: Pooling = "mean", **settings: object) -> BranchingTrunk:
    chosen = BottleneckConfig.model_validate({"adapter": 6, **settings})
    return BottleneckAdapters(encoder, NAMES, pooling, WIDTH, chosen)


def conditioned(
    encoder: nn.Module, pooling: Pooling = "mean", **settings: object
) -> BranchingTrunk:
    chosen = ConditionedConfig.model_validate({"embedding": 5, **settings})
    return ConditionedTrunk(encoder, NAMES, pooling, WIDTH, chosen)


def prefix(encoder: nn.Module, pooling: Pooling = "mean", **settings: object) -> BranchingTrunk:
    # Longer than the tiny encoder has positions.
    chosen = PrefixConfig.model_validate({"prefix": 30, "trunk": "tuned", **settings})
    return PrefixTrunk(encoder, NAMES, pooling, WIDTH, chosen)


SCHEMES = pytest.mark.parametrize("make", [lora, bottleneck, conditioned, prefix])
TOPS = pytest.mark.parametrize("top", [1, None])
ENCODERS = pytest.mark.parametrize("encoder", [bert, distilbert])
OWN = {lora: (".lora_A.{}.", ".lora_B.{}."), prefix: ("prefixes.{}.",)}
OWN |= {bottleneck: ("adapters.{}.",), conditioned: ("vectors.{}",)}
"""How the names of a task's own parameters read, for each scheme."""


def owned(make: Scheme, trunk: BranchingTrunk, task: str) -> set[str]:
    parts = [part.format("TYPE" if task == "type" else task) for part in OWN[make]]
    return {name for name, _ in trunk.named_parameters() if any(part in name for part in parts)}


@TOPS
@pytest.mark.parametrize(("encoder", "pooling"), [(bert, "mean"), (distilbert, "cls")])
@pytest.mark.parametrize("make", [lora, bottleneck, conditioned])
def test_at_first_every_task_has_the_features_of_hard_sharing(
    make: Scheme, pooling: Pooling, top: int | None, encoder: Encoder
) -> None:
    check_starts_as_hard_sharing(
        encoder, lambda module: make(module, pooling, top_layers=top), pooling
    )


@TOPS
@SCHEMES
@pytest.mark.parametrize(("encoder", "pooling"), [(bert, "mean"), (distilbert, "cls")])
def test_company_and_padding_change_no_ticket_s_features(
    make: Scheme, top: int | None, encoder: Encoder, pooling: Pooling
) -> None:
    check_batched_equals_alone(make(encoder(0), pooling, top_layers=top))


@TOPS
@SCHEMES
def test_tasks_that_learned_differ_from_each_other(make: Scheme, top: int | None) -> None:
    found = said(shaken(make(bert(), top_layers=top)), *tickets(*SHAPES[1]))
    assert min((found[NAMES[0]] - found[other]).abs().max() for other in NAMES[1:]) > 1e-2


@TOPS
@SCHEMES
def test_a_loss_reaches_its_task_s_own_parameters_and_the_shared_ones_alone(
    make: Scheme, top: int | None
) -> None:
    trunk = shaken(make(bert(), top_layers=top))
    assert isinstance(trunk, BranchingTrunk)
    for task in NAMES:
        found = reached(trunk, task)
        assert owned(make, trunk, task) <= found
        others = set().union(*(owned(make, trunk, other) for other in NAMES if other != task))
        assert not others & found
        # No gradient at all, not one of zeros: an optimiser would still decay what got zeros.
        named = trunk.named_parameters()
        assert {name for name, one in named if one.grad is None} >= others
        assert starting(found, "encoder.embeddings.word_embeddings", "encoder.encoder.layer.0")


@TOPS
@SCHEMES
def test_a_layer_runs_again_only_where_its_input_differs(make: Scheme, top: int | None) -> None:
    trunk = make(bert(), top_layers=top)
    seen: list[int] = []
    for number, layer in enumerate(trunk.layers.each):
        layer.register_forward_hook(lambda *_, number=number: seen.append(number))
    trunk(*tickets(3, 9))
    # Of the top layers, an adapter behind the first leaves that layer's own input as it is.
    behind = make in (bottleneck, conditioned)
    expected = [0, 1] if (top, behind) == (1, True) else [0] + [1] * 3
    assert seen == ([0, 1] * 3 if (top, behind) == (None, False) else expected)
    assert trunk.passes == len(seen) / 2


@TOPS
@SCHEMES
def test_kept_tasks_answer_as_before_and_cost_their_own_passes(
    make: Scheme, top: int | None
) -> None:
    trunk = make(bert(), top_layers=top)
    check_kept_tasks_answer_as_before(trunk)
    again = (top or 2) - (make in (bottleneck, conditioned))
    assert trunk.passes == 1.0 + again / 2
    trunk.keep(KEPT[:1])
    assert trunk.passes == 1.0


@ENCODERS
@SCHEMES
def test_a_saved_trunk_answers_alike(make: Scheme, encoder: Encoder, tmp_path: Path) -> None:
    check_saved_and_read_back(lambda seed: make(encoder(seed)), tmp_path / "trunk.safetensors")


@ENCODERS
@SCHEMES
def test_the_last_shared_layer_is_one_that_every_loss_reaches(
    make: Scheme, encoder: Encoder
) -> None:
    check_shared_parameters(make(encoder(0)))


def test_a_resting_conditioned_trunk_still_shares_what_its_scales_are_read_by() -> None:
    check_shared_parameters(conditioned(bert(), trunk="frozen"))
    assert all(make(bert(), trunk="frozen").last_shared() == [] for make in (lora, bottleneck))


@SCHEMES
def test_a_frozen_encoder_never_moves_and_the_rest_does(make: Scheme) -> None:
    trunk = make(bert(), trunk="frozen")
    pretrained = {name: value.clone() for name, value in bert().state_dict().items()}
    assert trunk.encoder_parameters() == []
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    learning = [one for one in trunk.parameters() if one.requires_grad]
    optimiser = torch.optim.SGD(learning, lr=0.1)
    sum(trunk(*tickets(3, 9))[task].square().sum() for task in NAMES).backward()
    optimiser.step()
    moved = {name for name, value in trunk.state_dict().items() if not value.equal(before[name])}
    names = {name.removeprefix("encoder.").replace(".base_layer", "") for name in moved}
    assert moved
    assert not names & set(pretrained)


@SCHEMES
def test_a_tuned_encoder_s_parameters_are_the_pretrained_ones(make: Scheme) -> None:
    tuned = make(bert()).encoder_parameters()
    expected = list(bert().parameters())
    assert len(tuned) == len(expected)
    assert all(torch.equal(one, other) for one, other in zip(tuned, expected, strict=True))


@TOPS
@SCHEMES
@pytest.mark.parametrize("state", ["tuned", "frozen"])
def test_activations_that_are_computed_again_give_the_same_gradients(
    make: Scheme, state: str, top: int | None
) -> None:
    plain, again = (gradients(make, state, top, checkpointing=one) for one in (False, True))
    assert plain.keys() == again.keys()
    for name, expected in plain.items():
        torch.testing.assert_close(again[name], expected, atol=1e-6, rtol=1e-5)


def gradients(
    make: Scheme, state: str, top: int | None, *, checkpointing: bool
) -> dict[str, Tensor]:
    """Of all tasks' losses in one backward pass; dropout is off, training is on."""
    trunk = shaken(make(bert(), top_layers=top, trunk=state)).train()
    for part in trunk.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    if checkpointing:
        trunk.encoder.activation_checkpointing_enable({"use_reentrant": False})
    features = trunk(*tickets(3, 9))
    sum(features[task].pow(power + 2).sum() for power, task in enumerate(NAMES)).backward()
    named = trunk.named_parameters()
    return {name: one.grad.clone() for name, one in named if one.grad is not None}


@SCHEMES
def test_more_top_layers_than_the_encoder_has_are_refused(make: Scheme) -> None:
    with pytest.raises(ConfigError, match=r"top_layers must be at most 2, .* found 3"):
        make(bert(), top_layers=3)
