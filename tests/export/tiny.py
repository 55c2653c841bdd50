"""A tiny random checkpoint, saved and loaded as training does it: two layers, two tasks."""

from pathlib import Path

import torch
from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel

from service.contract.bundle import Calibration
from service.contract.tasks import Task
from service.contract.tokens import Tokenizer
from tests.tiny_bundle import tokenizer_definition
from training.checkpoint import Checkpoint, Facts, load, save
from training.config import ModelConfig, RunConfig
from training.model.encoder import Encoder
from training.model.network import Network, build_network

LIMIT = 32
TASKS = (
    Task(name="category", labels=("billing", "technical", "a|ccount")),
    Task(name="urgency", labels=("P0", "P1", "P2", "P3"), kind="ordinal", role="auxiliary"),
)
CALIBRATION = {
    "category": Calibration(method="temperature", scale=(0.8,) * 3, bias=(0.0,) * 3),
    # The same scale as the other task's: an optimiser would merge the two.
    "urgency": Calibration(method="vector", scale=(0.8,) * 4, bias=(0.0, 0.25, -0.5, 0.1)),
}
_MEASURES = {"n": 120.0, "accuracy": 0.9, "macro_f1": 0.85, "nll": 0.31, "ece": 0.04}
METRICS = {
    "tasks": {
        task.name: {
            "test": {**_MEASURES, "qwk": 0.7} if task.kind == "ordinal" else _MEASURES,
            "uncalibrated": {**_MEASURES, "ece": 0.123},
            "tfidf": {**_MEASURES, "accuracy": 0.801},
            "majority": {"n": 120.0, "accuracy": 0.321, "macro_f1": 0.1},
        }
        for task in TASKS
    },
    "splits": {
        split: {"rows": rows, "tasks": {task.name: {"labelled": rows // 2} for task in TASKS}}
        for split, rows in (("test", 120), ("train", 900))
    },
    "tickets": {"train": 900, "validation": 120, "calibration": 120, "test": 120},
}


def tiny_encoder(seed: int = 0) -> Encoder:
    """A random BERT of two layers with a tokenizer over a few words and letters."""
    torch.manual_seed(seed)
    tokenizer = tokenizer_definition()
    config = BertConfig(
        vocab_size=Tokenizer(tokenizer, LIMIT).vocabulary_size,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=LIMIT,
        initializer_range=0.3,
    )
    return Encoder("tiny", BertModel(config, add_pooling_layer=False), config, tokenizer)


def tiny_network(model: ModelConfig, seed: int = 0) -> Network:
    """The network of `tiny_encoder`; its heads are strong enough for labels to differ."""
    encoder = tiny_encoder(seed)
    network = build_network(encoder.module, encoder.width, TASKS, model)
    for layers in network.heads.values():
        torch.nn.init.normal_(layers[-1].weight, std=0.3)
    return network.eval()


def tiny_distilbert_network() -> Network:
    """As `tiny_network`, on the architecture of the reference recipe."""
    torch.manual_seed(0)
    size = DistilBertConfig(
        vocab_size=Tokenizer(tokenizer_definition(), LIMIT).vocabulary_size,
        dim=32,
        n_layers=2,
        n_heads=2,
        hidden_dim=64,
        max_position_embeddings=LIMIT,
        initializer_range=0.3,
    )
    return build_network(DistilBertModel(size), 32, TASKS, ModelConfig()).eval()


def tiny_checkpoint(directory: Path, *, seed: int = 0, pooling: str = "cls") -> Checkpoint:
    """Writes a checkpoint into `directory` and reads it back."""
    encoder = tiny_encoder(seed)
    model = ModelConfig(encoder="tiny", token_limit=LIMIT, pooling=pooling)
    facts = Facts(
        tasks=TASKS,
        encoder=encoder.name,
        encoder_config=encoder.saved_config(),
        width=encoder.width,
        calibration=CALIBRATION,
        quality={name: report["test"] for name, report in METRICS["tasks"].items()},
        metrics=METRICS,
        data_fingerprint="da7a" * 16,
        code_fingerprint="sha256:" + "c0de" * 16,
    )
    tokenizer = Tokenizer(encoder.tokenizer, LIMIT)
    save(directory, RunConfig(model=model), facts, tiny_network(model, seed), tokenizer)
    return load(directory)
