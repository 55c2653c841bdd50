"""Networks of several kinds, their graphs, each made once, and what they are asked.

Shapes: N tickets.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import onnx
import pytest
import torch
from onnx import ModelProto
from transformers import RobertaConfig, RobertaModel

from export.parity import batches
from service.contract.tokens import Tokenizer, Tokens
from service.engine.session import Session
from tests.export.tiny import (
    CALIBRATION,
    LIMIT,
    TASKS,
    tiny_answers,
    tiny_distilbert_network,
    tiny_network,
    tiny_tickets,
)
from tests.tiny_bundle import tokenizer_definition
from training.checkpoint import load, save
from training.config import ModelConfig
from training.model.network import Network, build_network
from training.scope import Mahalanobis

TOKENIZER = Tokenizer(tokenizer_definition(), LIMIT)
SCOPE = Mahalanobis(torch.zeros(33), torch.eye(33))
"""The length of the features, more or less."""

KINDS = (
    "bert",
    pytest.param("bert, mean", marks=pytest.mark.slow),
    pytest.param("distilbert", marks=pytest.mark.slow),
    pytest.param("roberta", marks=pytest.mark.slow),
)


@cache
def network_of(kind: str) -> Network:
    """Not to be changed."""
    made: dict[str, Callable[[], Network]] = {
        "bert": lambda: tiny_network(ModelConfig()),
        "bert, mean": lambda: tiny_network(ModelConfig(pooling="mean")),
        "distilbert": tiny_distilbert_network,
        "roberta": _roberta,
    }
    return made[kind]()


@cache
def graph_of(build: Callable[..., bytes], kind: str) -> bytes:
    """The graph of such a network, with a scope score."""
    return build(network_of(kind), TASKS, CALIBRATION, LIMIT, SCOPE)


def steady_checkpoint(full: Path, directory: Path) -> None:
    """Writes the checkpoint `full` with another scope score: that of a random network divides by
    the little that its features differ by, which float16 does not hold.
    """
    known = load(full)
    splits = {
        split: tiny_answers(known.network, SCOPE, tiny_tickets(known.network, 800, seed))
        for split, seed in (("calibration", 4), ("test", 5))
    }
    parts = known.config, known.facts, known.network, known.tokenizer
    save(directory, *parts, splits, SCOPE)


def model_of(build: Callable[..., bytes], kind: str) -> ModelProto:
    """The same as data, to be changed at will."""
    return onnx.load_from_string(graph_of(build, kind))


def opened(directory: Path, kind: type[Session], graph: bytes) -> Session:
    """A session of this kind on a graph."""
    path = directory / f"{len(list(directory.iterdir()))}.onnx"
    path.write_bytes(graph)
    return kind.open(path, TASKS, "cpu", threads=1)


def texts() -> list[list[Tokens]]:
    """Every eighth batch of what the gates compare: all sizes, from 2 tokens to the limit."""
    return list(batches(TOKENIZER))[::8]


def _roberta() -> Network:
    """Its positions count from behind the padding id."""
    torch.manual_seed(0)
    size = RobertaConfig(
        vocab_size=TOKENIZER.vocabulary_size,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=LIMIT + 1,
        pad_token_id=0,
        initializer_range=0.3,
    )
    module = RobertaModel(size, add_pooling_layer=False)
    return build_network(module, 32, TASKS, ModelConfig()).eval()
