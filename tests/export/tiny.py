"""A tiny random checkpoint, saved and loaded as training does it: two layers, two tasks.

Shapes: N tickets.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel

from service.contract.bundle import Calibration
from service.contract.tasks import Task
from service.contract.tokens import Tokenizer
from tests.tiny_bundle import tokenizer_definition
from training.calibration.fit import probabilities
from training.calibration.judge import judge
from training.checkpoint import Checkpoint, Facts, load, save
from training.config import ModelConfig, RunConfig
from training.data.dataset import Dataset, encode_rows
from training.data.sample import generate
from training.data.table import Row
from training.model.encoder import Encoder
from training.model.network import Network, build_network
from training.predictions import Predictions
from training.scope import METHOD, Mahalanobis, features, fit_scope

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
TRUTH = {
    "category": Calibration(method="truth", scale=(3.0,) * 3, bias=(5.5, 2.0, 0.0)),
    "urgency": Calibration(method="truth", scale=(2.0,) * 4, bias=(6.0, 2.5, 1.0, -4.0)),
}
"""By which the generated tickets get their labels: a calibration that knew it would be perfect."""
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
    """Writes a checkpoint of an older Harbor, without predictions, and reads it back."""
    config, encoder, facts = _described(seed, pooling)
    network = tiny_network(config.model, seed)
    save(directory, config, facts, network, Tokenizer(encoder.tokenizer, LIMIT))
    return load(directory)


def tiny_full_checkpoint(directory: Path, tickets: int = 800) -> Checkpoint:
    """Writes a checkpoint with predictions and a scope score, and reads it back.

    tickets: of the calibration split, and of the test split.
    """
    config, encoder, facts = _described(0, "cls")
    network, tokenizer = tiny_network(config.model), Tokenizer(encoder.tokenizer, LIMIT)
    seen = encode_rows(generate(200, 3), TASKS, tokenizer)
    scope = fit_scope(features(network, seen, torch.device("cpu")))
    splits = {
        split: tiny_answers(network, scope, tiny_tickets(network, tickets, seed))
        for split, seed in (("calibration", 4), ("test", 5))
    }
    judged = judge(TASKS, splits["calibration"], None, None, METHOD)
    known = facts.model_copy(update={"calibration": judged.calibration, "scope_method": METHOD})
    save(directory, config, known, network, tokenizer, splits, scope)
    return load(directory)


def tiny_tickets(
    network: Network, count: int, seed: int, truth: Mapping[str, Calibration] = TRUTH
) -> list[Row]:
    """Generated tickets, with labels drawn from the network's probabilities after `truth`."""
    # The start of a body fills the token limit, and costs the tokenizer a tenth.
    rows = [replace(row, body=row.body[:100]) for row in generate(count, seed)]
    random = np.random.default_rng(seed)
    with torch.inference_mode():
        dataset = _encoded(rows)
        batch = dataset.batch(np.arange(count))
        logits = network(batch.ids, batch.mask)
    labels: list[dict[str, str]] = [{} for _ in rows]
    for task in TASKS:
        probabilities_NC = probabilities(logits[task.name].numpy(), truth[task.name])
        above_N1 = random.random((count, 1)) > probabilities_NC.cumsum(axis=1)
        for place, index in enumerate(above_N1.sum(axis=1).clip(max=task.classes - 1)):
            labels[place][task.name] = task.labels[index]
    return [
        Row(row.id, row.subject, row.body, chosen) for row, chosen in zip(rows, labels, strict=True)
    ]


def tiny_answers(network: Network, scope: Mahalanobis, rows: list[Row]) -> Predictions:
    """What the network says to the tickets, as training keeps it."""
    dataset = _encoded(rows)
    batch = dataset.batch(np.arange(len(rows)))
    with torch.inference_mode():
        found = network.trunk(batch.ids, batch.mask)
        logits = {name: answer.numpy() for name, answer in network.answer(found).items()}
        scope_N = scope(found).numpy()
    return Predictions(logits, {task.name: dataset.labels(task.name) for task in TASKS}, scope_N)


def _encoded(rows: list[Row]) -> Dataset:
    return encode_rows(rows, TASKS, Tokenizer(tokenizer_definition(), LIMIT))


def _described(seed: int, pooling: str) -> tuple[RunConfig, Encoder, Facts]:
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
    return RunConfig(model=model), encoder, facts
