"""A configuration and a file of tickets come in; a run directory with the best weights goes out."""

import shutil
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
from training.data.stream import StreamedDesk
from training.diagnostics.alerts import Watch
from training.errors import CheckpointError, TrainingError
from training.journal import Journal, label_counts
from training.listener import Listener
from training.loop import BEST, STATE, Loop
from training.model.encoder import Encoder
from training.model.network import Network, build_network
from training.objectives.build import build_objectives
from training.optimizer import build_optimizer
from training.parallel import ALONE, Processes
from training.parts import Parts
from training.precision import Arithmetic, choose
from training.prepare import ORIGIN, Desk, note_origin, noted_baselines, prepare
from training.record import Record, read_events, rewind
from training.single_scores import validation_scores
from training.start import begin_encoder
from training.state import Progress, load_state
from training.step.gradients import Gradients

EVENTS, CONFIG = "events.jsonl", "config.yaml"


@dataclass(frozen=True)
class Trained:
    """What the loop left: the network with its best weights loaded."""

    network: Network
    encoder: Encoder
    tokenizer: Tokenizer
    desk: Desk | StreamedDesk
    datasets: dict[str, Dataset]
    config: RunConfig
    arithmetic: Arithmetic
    progress: Progress


def start(config: RunConfig, data: Path, directory: Path, baselines: Path | None = None) -> None:
    """Makes a run directory and notes what the run is. baselines: the directory of single-task
    models that it is watched beside. Raises TrainingError where one is there already, or where the
    directory cannot be made.
    """
    if any((directory / name).exists() for name in (EVENTS, STATE)):
        raise TrainingError(
            f"{directory.name} holds a run already; resume it, or choose another --out"
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / CONFIG).write_text(dump_config(config), encoding="utf-8")
        note_origin(directory, data, baselines)
    except OSError as error:
        raise TrainingError(f"{directory} cannot hold a run: {error.strerror}") from error


def train(directory: Path, listener: Listener, processes: Processes = ALONE) -> Trained:
    """Runs, or goes on with, the run of a directory, up to its best weights.

    processes: of which the one that leads writes the directory. Raises TrainingError.
    """
    config = read_config(directory / CONFIG)
    arithmetic = choose(config.precision)
    listener.say(f"computing on {arithmetic.device} in {arithmetic.precision}: {arithmetic.reason}")
    desk = _prepare(config, directory, listener, processes)
    torch.manual_seed(config.seed)
    encoder = begin_encoder(config)
    tokenizer = Tokenizer(encoder.tokenizer, config.model.token_limit)
    with processes.in_turn(config.data.stream):
        datasets = desk.encode(tokenizer)
    network = build_network(encoder.module, encoder.width, desk.tasks, config.model, config.losses)
    run = Parts(config, directory, network, desk, datasets, tokenizer, arithmetic, processes)
    progress = _fit(run, encoder.width, listener)
    processes.wait()
    _load_best(network, directory)
    return Trained(network, encoder, tokenizer, desk, datasets, config, arithmetic, progress)


def _prepare(
    config: RunConfig, directory: Path, listener: Listener, processes: Processes
) -> Desk | StreamedDesk:
    if config.data.stream:
        # What the process that leads wrote to the run's directory, the others only open.
        with processes.in_turn():
            return prepare(config, directory, listener)
    with processes.own(directory) as place:
        if not processes.leads:
            shutil.copy(directory / ORIGIN, place / ORIGIN)
        return prepare(config, place, listener)


def _load_best(network: Network, directory: Path) -> None:
    try:
        network.load_state_dict(load_file(directory / BEST))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{BEST} is not the best epoch of this run: {reason}") from error


def _fit(run: Parts, width: int, listener: Listener) -> Progress:
    plan = run.plan
    run.network.to(run.arithmetic.device)
    balancer = build_balancer(run.config, run.names, plan.total).to(run.arithmetic.device)
    objectives = build_objectives(run, width, listener)
    gradients = run.gradients(balancer, objectives)
    optimizer = build_optimizer(run.config, run.network, balancer, objectives)
    progress, watch = _resume(run, gradients, optimizer)
    record = Record(run.directory / EVENTS) if run.processes.leads else None
    journal = Journal(record, listener, plan, watch)
    try:
        if record is not None:
            record.write("start", **_facts(run, gradients, progress))
        Loop(
            config=run.config,
            gradients=gradients,
            optimizer=optimizer,
            sampler=run.sampler,
            validation=run.datasets["validation"],
            plan=plan,
            directory=run.directory,
            progress=progress,
            journal=journal,
        ).run()
    finally:
        if record is not None:
            record.close()
    return progress


def _facts(run: Parts, gradients: Gradients, progress: Progress) -> dict[str, Any]:
    return {
        "first_step": progress.step,
        "steps": run.plan.total,
        "steps_per_epoch": run.plan.steps_per_epoch,
        "device": str(run.arithmetic.device),
        "precision": run.arithmetic.precision,
        "processes": run.processes.count,
        "composition": run.sampler.drawn(0),
        "learning": sum(one.numel() for one in gradients.parameters),
        "data_fingerprint": run.desk.table.fingerprint,
        "tickets": run.desk.tickets,
    }


def _singles(run: Parts) -> dict[str, float]:
    """The validation macro-F1 of each task's single-task models, where the run was told of any."""
    noted = noted_baselines(run.directory)
    return {} if noted is None else validation_scores(noted)


def _resume(
    run: Parts, gradients: Gradients, optimizer: torch.optim.Optimizer
) -> tuple[Progress, Watch]:
    watch = Watch(label_counts(run.datasets["validation"]), _singles(run))
    events, state = run.directory / EVENTS, run.directory / STATE
    if not state.exists():
        if run.processes.leads:
            events.unlink(missing_ok=True)
        return Progress(), watch
    progress = load_state(state, gradients.modules, optimizer)
    run.processes.wait()
    if run.processes.leads:
        rewind(events, progress.step)
        watch.recall(read_events(events))
    return progress, watch
