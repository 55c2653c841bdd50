"""A bundle or a random network comes in; what one pass costs against one a task goes out.

Shapes: B batch, L padded length.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
import torch
import typer
from transformers import BertConfig, BertModel

from export.graph import build_graph
from service.contract.bundle import TOKENIZER, Calibration, read_manifest
from service.contract.tasks import Task
from service.contract.tokens import IntArray, Tokenizer
from service.engine.session import Session
from tests.benchmarks import device, table
from training.config import ModelConfig
from training.model.network import build_network

TARGET = 0.38
SHAPES = ((1, 16), (1, 45), (1, 146), (8, 45), (32, 32))
"""Batch and length: a short, a mean and a long help-desk ticket alone, and two batches."""

VOCABULARY, LIMIT = 30_522, 256
REFERENCE = (("category", 12), ("urgency", 4), ("queue", 8))


@dataclass(frozen=True)
class Subject:
    """A graph with all heads, its tasks and how many token ids it knows."""

    graph: Path
    tasks: tuple[Task, ...]
    vocabulary: int


@dataclass(frozen=True)
class Cost:
    """Medians of one shape: seconds of the pass for all tasks, of those for one each, the ratio."""

    batch: int
    length: int
    together_s: float
    apart_s: float
    ratio: float


def of_bundle(directory: Path) -> Subject:
    """The fp32 graph of a bundle."""
    manifest = read_manifest(directory)
    (variant,) = (entry for entry in manifest.variants if entry.precision == "fp32")
    tokenizer = Tokenizer.from_file(directory / TOKENIZER, manifest.token_limit)
    return Subject(directory / variant.file, manifest.tasks, tokenizer.vocabulary_size)


def random_network(directory: Path) -> Subject:
    """The reference taxonomy on a random encoder of MiniLM's size (22M parameters), exported."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
    )
    tasks = tuple(
        Task(name=name, labels=tuple(f"{name} {place}" for place in range(classes)))
        for name, classes in REFERENCE
    )
    encoder = BertModel(config, add_pooling_layer=False)
    network = build_network(encoder, config.hidden_size, tasks, ModelConfig())
    plain = {
        task.name: Calibration(
            method="none", scale=(1.0,) * task.classes, bias=(0.0,) * task.classes
        )
        for task in tasks
    }
    (directory / "all.onnx").write_bytes(build_graph(network, tasks, plain, LIMIT))
    return Subject(directory / "all.onnx", tasks, VOCABULARY)


def alone(subject: Subject, task: Task, directory: Path) -> Session:
    """The same graph with one head: what no output needs, the runtime leaves out."""
    model = onnx.load(subject.graph)
    kept = [output for output in model.graph.output if output.name == f"{task.name}_probabilities"]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    onnx.save(model, directory / f"{task.name}.onnx")
    return Session.open(directory / f"{task.name}.onnx", (task,), "cpu", threads=1)


def measure(
    subject: Subject, directory: Path, shapes: Sequence[tuple[int, int]] = SHAPES, rounds: int = 15
) -> list[Cost]:
    """Runs the passes in turn on the same inputs, `rounds` times a shape; one thread, one process.

    directory: takes the single-task graphs.
    """
    together = Session.open(subject.graph, subject.tasks, "cpu", threads=1)
    single = [alone(subject, task, directory) for task in subject.tasks]
    random = np.random.default_rng(0)
    costs = []
    for batch, length in shapes:
        ids_BL = random.integers(0, subject.vocabulary, (batch, length))
        costs.append(_cost(together, single, ids_BL, rounds))
    return costs


def main(
    bundle: Annotated[Path | None, typer.Option(help="measure this bundle's graph")] = None,
    rounds: Annotated[int, typer.Option(min=3, help="rounds a shape")] = 15,
) -> None:
    """One pass for all tasks against one pass a task; fails above 0.38 for three tasks."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        subject = of_bundle(bundle) if bundle else random_network(directory)
        costs = measure(subject, directory, rounds=rounds)
    overall = sum(cost.together_s for cost in costs) / sum(cost.apart_s for cost in costs)
    count = len(subject.tasks)
    header = ("batch x tokens", "one pass", f"{count} single-task passes", "ratio")
    rows = [
        (
            f"{cost.batch} x {cost.length}",
            f"{cost.together_s * 1e3:.1f} ms",
            f"{cost.apart_s * 1e3:.1f} ms",
            f"{cost.ratio:.3f}",
        )
        for cost in costs
    ]
    rows.append(("all", "", "", f"{overall:.3f}"))
    table.show(f"One pass for {count} heads", header, rows, device.facts())
    sys.exit(count == len(REFERENCE) and overall > TARGET)


def _cost(together: Session, single: Sequence[Session], ids_BL: IntArray, rounds: int) -> Cost:
    mask_BL = np.ones_like(ids_BL)
    pairs = []
    for place in range(rounds + 1):
        whole_s = _seconds([together], ids_BL, mask_BL)
        parts_s = _seconds(single, ids_BL, mask_BL)
        if place:  # The first round warms up.
            pairs.append((whole_s, parts_s))
    return Cost(
        *ids_BL.shape,
        statistics.median(whole for whole, _ in pairs),
        statistics.median(parts for _, parts in pairs),
        statistics.median(whole / parts for whole, parts in pairs),
    )


def _seconds(sessions: Sequence[Session], ids_BL: IntArray, mask_BL: IntArray) -> float:
    started = time.perf_counter()
    for session in sessions:
        session.run(ids_BL, mask_BL)
    return time.perf_counter() - started


if __name__ == "__main__":
    typer.run(main)
