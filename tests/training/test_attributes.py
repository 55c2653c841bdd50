"""A task may have any name that the contract allows, also one that torch uses itself."""

import pytest
import torch

from service.contract.tasks import Task
from training.attributes import attribute
from training.balance.uncertainty import UncertaintyWeights
from training.config import ModelConfig
from training.model.network import build_network


@pytest.mark.parametrize("name", ["type", "keys", "training", "category"])
def test_a_task_may_have_the_name_of_a_modules_attribute(name: str) -> None:
    tasks = (Task(name=name, labels=("a", "b")), Task(name="other", labels=("a", "b")))
    network = build_network(torch.nn.Linear(1, 1), 4, tasks, ModelConfig())
    logits = network.answer({task.name: torch.zeros(1, 4) for task in tasks})
    assert list(logits) == [name, "other"]
    assert list(UncertaintyWeights((name, "other"), 0).weights()) == [name, "other"]


def test_every_other_task_keeps_its_name_in_the_weights() -> None:
    assert [attribute(name) for name in ("category", "type")] == ["category", "TYPE"]
