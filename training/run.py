"""A configuration and a file of tickets come in; a run directory with the best weights goes out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from service.contract.tokens import Tokenizer
from training.balance.build import build_balancer
from training.config import RunConfig, dump_config, read_config
from training.data.dataset import Dataset
from training.errors import CheckpointError, ConfigError, TrainingError
from training.listener import Listener
from training.loop import BEST, STATE, Loop, Plan, build_optimizer
from training.losses import class_weights
from training.model.encoder import Encoder, load_encoder
from training.model.network import Network, build_network
from training.precision import Arithmetic, choose
from training.prepare import Desk, note_origin, prepare
from training.record import Record, rewind
from training.sampling import ComposedSampler, composition
from training.state import Progress, load_state

EVENTS, CONFIG = "events.jsonl", "config.yaml"


@dataclass(frozen=True)
class Trained:
    """What the loop left: the network with its best weights loaded."""

    network: Network
    encoder: Encoder
    tokenizer: Tokenizer
    desk: Desk
    datasets: dict[str, Dataset]
    config: RunConfig
    arithmetic: Arithmetic
    progress: Progress


def start(config: RunConfig, data: Path, directory: Path) -> None:
    """Makes a run directory and notes what the run is. Raises TrainingError where one is there
    already, or where the directory cannot be made.
    """
    if any((directory / name).exists() for name in (EVENTS, STATE)):
        raise TrainingError(
            f"{directory.name} holds a run already; resume it, or choose another --out"
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / CONFIG).write_text(dump_config(config), encoding="utf-8")
        note_origin(directory, data)
    except OSError as error:
        raise TrainingError(f"{directory} cannot hold a run: {error.strerror}") from error


def train(directory: Path, listener: Listener) -> Trained:
    """Runs, or goes on with, the run of a directory, up to its best weights.

    Raises TrainingError.
    """
    config = read_config(directory / CONFIG)
    arithmetic = choose(config.precision)
    listener.say(f"computing on {arithmetic.device} in {arithmetic.precision}: {arithmetic.reason}")
    desk = prepare(config, directory, listener)
    torch.manual_seed(config.seed)
    encoder = load_encoder(config.model.encoder, config.model.layers)
    _check_limit(config, encoder)
    tokenizer = Tokenizer(encoder.tokenizer, config.model.token_limit)
    datasets = desk.encode(tokenizer)
    network = build_network(encoder.module, encoder.width, desk.tasks, config.model)
    progress = _fit(config, directory, network, desk, datasets, arithmetic, listener)
    _load_best(network, directory)
    return Trained(network, encoder, tokenizer, desk, datasets, config, arithmetic, progress)


def _load_best(network: Network, directory: Path) -> None:
    try:
        network.load_state_dict(load_file(directory / BEST))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{BEST} is not the best epoch of this run: {reason}") from error


def _fit(
    config: RunConfig,
    directory: Path,
    network: Network,
    desk: Desk,
    datasets: dict[str, Dataset],
    arithmetic: Arithmetic,
    listener: Listener,
) -> Progress:
    names = tuple(task.name for task in desk.tasks)
    training = datasets["train"]
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
        class_weights=_class_weights(config, training, arithmetic.device),
        validation=datasets["validation"],
        plan=plan,
        arithmetic=arithmetic,
        record=record,
        directory=directory,
        progress=progress,
        listener=listener,
    )
    try:
        record.write("start", **_facts(desk, plan, arithmetic, counts, progress))
        loop.run()
    finally:
        record.close()
    return progress


def _class_weights(
    config: RunConfig, training: Dataset, device: torch.device
) -> dict[str, torch.Tensor]:
    kind = config.class_weights
    return {
        task.name: class_weights(training, task.name, task.classes, kind).to(device)
        for task in training.tasks
    }


def _facts(
    desk: Desk,
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
        "data_fingerprint": desk.table.fingerprint,
        "tickets": {name: len(rows) for name, rows in desk.rows.items()},
    }


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


def _check_limit(config: RunConfig, encoder: Encoder) -> None:
    if encoder.positions is not None and config.model.token_limit > encoder.positions:
        raise ConfigError(
            f"model.token_limit must be at most {encoder.positions}, the positions of "
            f"{encoder.name}, found {config.model.token_limit}"
        )
