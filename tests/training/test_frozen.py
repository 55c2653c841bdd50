"""Features of a resting encoder: computed once, the same as each time anew."""

from pathlib import Path

import numpy as np
import pytest
import torch

from service.contract.tasks import Task
from service.contract.tokens import Tokenizer
from training.config import ModelConfig
from training.data.dataset import Dataset, encode_rows
from training.data.table import Row
from training.evaluate import predict, predict_frozen
from training.frozen import freeze_features
from training.model.encoder import load_encoder
from training.model.network import Network, build_network
from training.precision import Arithmetic, choose

TASKS = (Task(name="a", labels=("x", "y", "z")), Task(name="b", labels=("u", "v")))


@pytest.fixture
def network(encoder: Path) -> Network:
    loaded = load_encoder(str(encoder))
    return build_network(loaded.module, loaded.width, TASKS, ModelConfig(pooling="mean"))


@pytest.fixture
def data(encoder: Path) -> Dataset:
    words = ["invoice", "refund", "login", "password", "mail"]
    rows = [
        Row(str(number), "", " ".join(words[: 1 + number % 5] * 2), {}, None, "test")
        for number in range(20)
    ]
    return encode_rows(rows, TASKS, Tokenizer(load_encoder(str(encoder)).tokenizer, 24))


@pytest.fixture
def arithmetic() -> Arithmetic:
    return choose("fp32")


def test_kept_features_are_those_of_the_trunk(
    network: Network, data: Dataset, arithmetic: Arithmetic
) -> None:
    frozen = freeze_features(network, data, arithmetic.device)
    positions = np.array([7, 3, 19])
    batch = data.batch(positions)
    with torch.no_grad():
        wanted = network.eval().trunk(batch.ids, batch.mask)
    for task, features_BH in frozen.at(positions).items():
        assert torch.allclose(features_BH, wanted[task], atol=1e-5)


def test_tasks_that_share_features_share_the_memory(
    network: Network, data: Dataset, arithmetic: Arithmetic
) -> None:
    frozen = freeze_features(network, data, arithmetic.device)
    assert frozen.features["a"] is frozen.features["b"]


def test_predictions_from_kept_features_are_those_of_the_network(
    network: Network, data: Dataset, arithmetic: Arithmetic
) -> None:
    frozen = predict_frozen(network, freeze_features(network, data, arithmetic.device), data)
    whole = predict(network, data, arithmetic.device)
    for task in ("a", "b"):
        assert np.allclose(frozen[task], whole[task], atol=1e-5)
