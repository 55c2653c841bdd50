"""A seed comes in; a random network of two layers over a few words, with a mask, goes out.

Shapes: N tickets.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BertConfig, BertModel

from service.contract.tasks import Task
from service.contract.tokens import Tokenizer
from tests.tiny_bundle import WORDS, tokenizer_definition
from training.config import ModelConfig
from training.data.dataset import Dataset, encode_rows
from training.data.table import Row
from training.model.network import Network, build_network
from training.objectives.objective import Objective, Pass

LIMIT = 48
DEFINITION = tokenizer_definition(["[MASK]", *WORDS])
TASKS = (
    Task(name="category", labels=("billing", "technical", "account")),
    Task(name="type", labels=("x", "y")),
)


def tiny_network(seed: int = 0, width: int = 32, tasks: tuple[Task, ...] = TASKS) -> Network:
    """In evaluation mode: without dropout two ways to compute a loss can be compared."""
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=Tokenizer(DEFINITION, LIMIT).vocabulary_size,
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=LIMIT,
        initializer_range=0.3,
    )
    encoder = BertModel(config, add_pooling_layer=False)
    return build_network(encoder, width, tasks, ModelConfig()).eval()


def tickets(count: int = 24, tasks: tuple[Task, ...] = TASKS) -> Dataset:
    """Tickets of 1 to 40 words; every third lacks each label."""
    chance = np.random.default_rng(4)
    rows = [
        Row(
            id=str(number),
            subject="",
            body=" ".join(chance.choice(WORDS, 1 + number % 40)),
            labels={task.name: task.labels[number % task.classes] for task in tasks if number % 3},
        )
        for number in range(count)
    ]
    return encode_rows(rows, tasks, Tokenizer(DEFINITION, LIMIT))


def passes(
    network: Network, dataset: Dataset, positions_B: NDArray[np.int64], cuts: Sequence[int]
) -> Iterator[Pass]:
    """The passes of a step whose batch is cut into parts of these sizes."""
    for places_B in np.split(np.arange(len(positions_B)), np.cumsum(cuts)[:-1]):
        batch = dataset.batch(positions_B[places_B])
        features = network.trunk(batch.ids, batch.mask)
        yield Pass(batch, places_B, features, network.answer(features))


def step_loss(
    objective: Objective,
    network: Network,
    dataset: Dataset,
    cuts: Sequence[int],
    step: int = 0,
    first: int = 0,
) -> torch.Tensor:
    """The loss of one step over the tickets from `first` on, cut into parts of these sizes."""
    positions_B = np.arange(first, first + sum(cuts))
    objective.begin(dataset, positions_B, step)
    losses = [objective.loss(network, part) for part in passes(network, dataset, positions_B, cuts)]
    known = [loss for loss in losses if loss is not None]
    return torch.stack(known).sum() if known else torch.zeros(())
