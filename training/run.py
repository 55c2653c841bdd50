"""A configuration and a file of tickets come in; a run directory with a calibrated checkpoint
goes out.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file

from service.contract.tasks import Task
from service.contract.ticket import render
from service.contract.tokens import Tokenizer
from training.config import RunConfig, TaskConfig, dump_config, read_config
from training.data.dataset import Dataset, encode_rows
from training.data.read import infer_tasks, read_table
from training.data.split import SPLITS, group_rows, split_by_group, split_by_time, write_splits
from training.data.table import Row, Table
from training.errors import ConfigError, TrainingError
from training.evaluate import Measures
from training.loop import BEST, STATE, Loop, Plan, build_balancer, build_optimizer
from training.losses import class_weights
from training.model.encoder import Encoder, load_encoder
from training.model.network import Network, build_network
from training.precision import Arithmetic, choose
from training.record import Record, rewind
from training.sampling import ComposedSampler, composition
from training.state import Progress, load_state

EVENTS, CONFIG, ORIGIN, SPLIT_FILE, REJECTS = (
    "events.jsonl",
    "config.yaml",
    "run.json",
    "splits.csv",
    "rejects.csv",
)


class Wanted(NamedTuple):
    """A task as reading needs to know it."""

    name: str
    labels: tuple[str, ...] | None


@dataclass(frozen=True)
class Listener:
    """What a run tells whoever watches it; the command line draws bars from it."""

    say: Callable[[str], None]
    start: Callable[[int, int], None]
    step: Callable[[int, dict[str, float]], None]
    epoch: Callable[[int, dict[str, Measures], float], None]


@dataclass(frozen=True)
class Prepared:
    """Tickets read, split and tokenised; rows and data sets by the split's name."""

    table: Table
    tasks: tuple[Task, ...]
    rows: dict[str, tuple[Row, ...]]
    datasets: dict[str, Dataset]

    def texts(self, split: str) -> list[str]:
        """The rendered texts of a split."""
        return [render(row.subject, row.body) for row in self.rows[split]]


@dataclass(frozen=True)
class Trained:
    """What the loop left: the network with its best weights loaded."""

    network: Network
    encoder: Encoder
    tokenizer: Tokenizer
    prepared: Prepared
    config: RunConfig
    arithmetic: Arithmetic
    progress: Progress


def start(config: RunConfig, data: Path, directory: Path) -> None:
    """Makes a run directory and notes what the run is. Raises TrainingError where one is there
    already.
    """
    if (directory / EVENTS).exists():
        raise TrainingError(
            f"{directory.name} holds a run already; resume it, or choose another --out"
        )
    directory.mkdir(parents=True, exist_ok=True)
    (directory / CONFIG).write_text(dump_config(config), encoding="utf-8")
    origin = {"data": str(data.resolve())}
    (directory / ORIGIN).write_text(json.dumps(origin) + "\n", encoding="utf-8")


def train(directory: Path, listener: Listener) -> Trained:
    """Runs, or goes on with, the run of a directory, up to its best weights. Raises
    TrainingError.
    """
    config = read_config(directory / CONFIG)
    arithmetic = choose(config.precision)
    listener.say(f"computing on {arithmetic.device} in {arithmetic.precision}: {arithmetic.reason}")
    torch.manual_seed(config.seed)
    encoder = load_encoder(config.model.encoder, config.model.layers)
    _check_limit(config, encoder)
    tokenizer = Tokenizer(encoder.tokenizer, config.model.token_limit)
    prepared = prepare(config, _origin(directory), directory, tokenizer, listener)
    network = build_network(encoder.module, encoder.width, prepared.tasks, config.model)
    progress = _fit(config, directory, network, prepared, arithmetic, listener)
    _load_best(network, directory)
    return Trained(network, encoder, tokenizer, prepared, config, arithmetic, progress)


def prepare(
    config: RunConfig, data: Path, directory: Path, tokenizer: Tokenizer, listener: Listener
) -> Prepared:
    """Reads, splits and tokenises the tickets; writes the splits and the rejects. Raises
    TrainingError.
    """
    table, rejects = read_table(
        data,
        [Wanted(name, task.labels) for name, task in config.tasks.items()],
        max_reject_share=config.data.max_reject_share,
        rejects_path=directory / REJECTS,
    )
    listener.say(
        f"{data.name}: {len(table)} tickets of {rejects.total_rows} rows; {REJECTS} lists the rest"
    )
    for line in rejects.summary().splitlines():
        listener.say(line)
    tasks = tuple(_task(name, task, table, config) for name, task in config.tasks.items())
    groups = group_rows(table)
    assignment = _split(config, table, groups)
    write_splits(directory / SPLIT_FILE, assignment, groups)
    rows = {name: tuple(r for r in table.rows if assignment[r.id] == name) for name in SPLITS}
    datasets = {name: encode_rows(part, tasks, tokenizer) for name, part in rows.items()}
    counts = ", ".join(f"{name} {len(part)}" for name, part in rows.items())
    listener.say(f"split: {counts}")
    return Prepared(table, tasks, rows, datasets)


def _fit(
    config: RunConfig,
    directory: Path,
    network: Network,
    prepared: Prepared,
    arithmetic: Arithmetic,
    listener: Listener,
) -> Progress:
    names = tuple(task.name for task in prepared.tasks)
    training = prepared.datasets["train"]
    plan = _plan(config, training)
    network.to(arithmetic.device)
    balancer = build_balancer(config, names, plan.total).to(arithmetic.device)
    optimizer = build_optimizer(config, network, balancer)
    progress = _resume(directory, network, balancer, optimizer)
    counts = composition(config.batch.composition, names, config.batch.size)
    record = Record(directory / EVENTS)
    loop = Loop(
        config=config,
        network=network,
        balancer=balancer,
        optimizer=optimizer,
        sampler=ComposedSampler(training, counts, config.seed, config.batch.length_window_steps),
        class_weights={
            task.name: class_weights(training, task.name, task.classes, config.class_weights).to(
                arithmetic.device
            )
            for task in prepared.tasks
        },
        validation=prepared.datasets["validation"],
        plan=plan,
        arithmetic=arithmetic,
        record=record,
        directory=directory,
        progress=progress,
        on_step=listener.step,
        on_epoch=listener.epoch,
    )
    try:
        record.write("start", **_facts(prepared, plan, arithmetic, counts, progress))
        listener.start(progress.step, plan.total)
        loop.run()
    finally:
        record.close()
    return progress


def _facts(
    prepared: Prepared,
    plan: Plan,
    arithmetic: Arithmetic,
    counts: dict[str, int],
    progress: Progress,
) -> dict[str, Any]:
    return {
        "first_step": progress.step,
        "steps": plan.total,
        "steps_per_epoch": plan.steps_per_epoch,
        "device": str(arithmetic.device),
        "precision": arithmetic.precision,
        "composition": counts,
        "data_fingerprint": prepared.table.fingerprint,
        "tickets": {name: len(rows) for name, rows in prepared.rows.items()},
    }


def _split(config: RunConfig, table: Table, groups: dict[str, str]) -> dict[str, str]:
    if config.data.split == "time":
        return split_by_time(table, config.data.shares, groups)
    return split_by_group(table, config.data.shares, config.data.split_seed, groups)


def _plan(config: RunConfig, training: Dataset) -> Plan:
    labelled = int((training.labels_NT >= 0).any(axis=1).sum())
    return Plan(max(1, -(-labelled // config.batch.size)), config.epochs, config.frozen_epochs)


def _resume(
    directory: Path, network: Network, balancer: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> Progress:
    if not (directory / STATE).exists():
        (directory / EVENTS).unlink(missing_ok=True)
        return Progress()
    progress = load_state(directory / STATE, network, balancer, optimizer)
    rewind(directory / EVENTS, progress.step)
    return progress


def _load_best(network: Network, directory: Path) -> None:
    network.load_state_dict(load_file(directory / BEST))


def _origin(directory: Path) -> Path:
    try:
        return Path(json.loads((directory / ORIGIN).read_text(encoding="utf-8"))["data"])
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(f"{directory.name} is not a run directory: {error}") from error


def _task(name: str, task: TaskConfig, table: Table, config: RunConfig) -> Task:
    if task.labels is not None:
        kind = task.kind or ("ordinal" if name == "urgency" else "nominal")
        return Task(name=name, labels=task.labels, kind=kind, role=task.role)
    found = infer_tasks(table, (name,), min_count=config.data.min_label_rows)
    kind = task.kind or found[0].kind
    return Task(name=name, labels=found[0].labels, kind=kind, role=task.role)


def _check_limit(config: RunConfig, encoder: Encoder) -> None:
    if encoder.positions is not None and config.model.token_limit > encoder.positions:
        raise ConfigError(
            f"model.token_limit must be at most {encoder.positions}, the positions of "
            f"{encoder.name}, found {config.model.token_limit}"
        )
