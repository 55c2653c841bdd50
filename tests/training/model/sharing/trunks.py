"""Tiny encoders and batches, and what every trunk promises whatever its scheme.

Shapes: B batch, L length.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel

from export.graph import build_graph
from service.contract.bundle import Calibration
from service.contract.tasks import Task
from service.engine.session import Session
from training.config import ModelConfig
from training.model.network import Network
from training.model.sharing.hard import HardSharing
from training.model.sharing.trunk import Pooling, Trunk

WIDTH, LIMIT, WORDS = 32, 24, 60
TASKS = (
    Task(name="category", labels=("billing", "technical", "account")),
    Task(name="urgency", labels=("P0", "P1", "P2", "P3"), kind="ordinal"),
    Task(name="type", labels=("a", "b")),
)
"""The last name is one that torch's own modules have taken."""
NAMES = tuple(task.name for task in TASKS)
KEPT = ("urgency", "type")
SHAPES = ((1, 2), (3, 9), (5, LIMIT))

Encoder = Callable[[int], nn.Module]
Make = Callable[[nn.Module], Trunk]


def bert(seed: int = 0) -> nn.Module:
    """A random BERT of two layers in evaluation mode."""
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=WORDS,
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=LIMIT,
        initializer_range=0.3,
    )
    return BertModel(config, add_pooling_layer=False).eval()


def distilbert(seed: int = 0) -> nn.Module:
    """The same size of DistilBERT."""
    torch.manual_seed(seed)
    config = DistilBertConfig(
        vocab_size=WORDS,
        dim=WIDTH,
        n_layers=2,
        n_heads=2,
        hidden_dim=64,
        max_position_embeddings=LIMIT,
        initializer_range=0.3,
    )
    return DistilBertModel(config).eval()


def tickets(batch: int, length: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random ids and mask, both (B, L); every row but the first may be padded."""
    random = np.random.default_rng(seed)
    ids_BL = random.integers(1, WORDS, (batch, length))
    real_B1 = random.integers(2, length + 1, (batch, 1))
    real_B1[0] = length
    mask_BL = (np.arange(length) < real_B1).astype(np.int64)
    return torch.from_numpy(ids_BL * mask_BL), torch.from_numpy(mask_BL)


def shaken(trunk: Trunk, seed: int = 3, by: float = 0.05) -> Trunk:
    """The trunk in evaluation mode with every parameter moved at random, as if it had learned."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in trunk.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=random), alpha=by)
    return trunk.eval()


def said(trunk: Trunk, ids_BL: Tensor, mask_BL: Tensor) -> dict[str, Tensor]:
    """The features, without a graph for gradients."""
    with torch.no_grad():
        features: dict[str, Tensor] = trunk(ids_BL, mask_BL)
    return features


def reached(trunk: Trunk, task: str) -> set[str]:
    """Names of the parameters that the features of one task have a gradient for that is not 0."""
    trunk.zero_grad(set_to_none=True)
    # A plain sum would not do: a last layer norm makes it a constant.
    trunk(*tickets(3, 9))[task].square().sum().backward()
    named = trunk.named_parameters()
    return {name for name, one in named if one.grad is not None and one.grad.abs().max() > 0}


def starting(names: Iterable[str], *leads: str) -> set[str]:
    """Those that start with one of these."""
    return {name for name in names if name.startswith(leads)}


def check_starts_as_hard_sharing(encoder: Encoder, make: Make, pooling: Pooling) -> None:
    """Every task has the features of hard sharing, to float tolerance."""
    trunk = make(encoder(0)).eval()
    hard = HardSharing(encoder(0), NAMES, pooling).eval()
    for shape in SHAPES:
        expected, found = said(hard, *tickets(*shape)), said(trunk, *tickets(*shape))
        assert tuple(found) == NAMES
        for task in NAMES:
            torch.testing.assert_close(found[task], expected[task], atol=1e-5, rtol=0)


def check_batched_equals_alone(trunk: Trunk) -> None:
    """Company and padding change no ticket's features; each is (B, width)."""
    shaken(trunk)
    ids_BL, mask_BL = tickets(5, 13)
    together = said(trunk, ids_BL, mask_BL)
    for row, real in enumerate(mask_BL.sum(dim=1).tolist()):
        alone = said(trunk, ids_BL[row : row + 1, :real], mask_BL[row : row + 1, :real])
        for task in NAMES:
            assert together[task].shape == (5, WIDTH)
            torch.testing.assert_close(alone[task][0], together[task][row], atol=2e-5, rtol=0)


def check_kept_tasks_answer_as_before(trunk: Trunk) -> None:
    """Dropping a task, the first one too, changes nothing for those that are left."""
    before = said(shaken(trunk), *tickets(3, 9))
    trunk.keep(KEPT)
    after = said(trunk, *tickets(3, 9))
    assert tuple(after) == KEPT
    assert all(torch.equal(after[task], before[task]) for task in KEPT)


def check_saved_and_read_back(make: Callable[[int], Trunk], path: Path) -> None:
    """A file of the trunk's state makes another trunk answer alike; no tensor is held twice."""
    first, second = shaken(make(0)), make(1).eval()
    save_file(first.state_dict(), path)
    second.load_state_dict(load_file(path))
    expected, found = said(first, *tickets(3, 9)), said(second, *tickets(3, 9))
    assert all(torch.equal(found[task], expected[task]) for task in NAMES)


def check_shared_parameters(trunk: Trunk) -> None:
    """`last_shared` names parameters of the trunk that every task's features depend on."""
    names = {id(one): name for name, one in shaken(trunk).named_parameters()}
    shared = {names[id(one)] for one in trunk.last_shared()}
    # A softmax over keys does not feel their bias.
    felt = {name for name in shared if not name.endswith(("key.bias", "k_lin.bias"))}
    assert felt
    assert all(felt <= reached(trunk, task) for task in NAMES)


def check_export(trunk: Trunk, path: Path) -> None:
    """The graph of the kept tasks says what torch says, for batches and lengths it has not seen."""
    shaken(trunk).keep(KEPT)
    kept = tuple(task for task in TASKS if task.name in KEPT)
    network = Network(trunk, kept, WIDTH, ModelConfig()).eval()
    calibration = {
        task.name: Calibration(
            method="none", scale=(1.0,) * task.classes, bias=(0.0,) * task.classes
        )
        for task in kept
    }
    path.write_bytes(build_graph(network, kept, calibration, LIMIT))
    session = Session.open(path, kept, "cpu", threads=1)
    for shape in SHAPES:
        ids_BL, mask_BL = tickets(*shape)
        with torch.no_grad():
            logits = network(ids_BL, mask_BL)
        found = session.logits(ids_BL.numpy(), mask_BL.numpy())
        for task in KEPT:
            np.testing.assert_allclose(found[task], logits[task].numpy(), atol=1e-4)
