"""A configuration comes in; the gradient of one step of its run goes out, without dropout."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from service.contract.tokens import Tokenizer
from tests.training.desk import LIMIT, silent, tiny_config
from training.balance.balancer import Balancer
from training.balance.build import build_balancer
from training.model.encoder import load_encoder
from training.model.network import build_network
from training.parallel import ALONE, Processes
from training.parts import Parts
from training.precision import choose
from training.prepare import note_origin, prepare
from training.step.gradients import Gradients, Wanted
from training.step.taken import Taken

STEP = 3


def parts(
    encoder: Path, desk: Path, directory: Path, processes: Processes = ALONE, **changes: Any
) -> Parts:
    """What a run over the tiny desk works with; the network never drops anything."""
    model = {"encoder": str(encoder), "token_limit": LIMIT, "dropout": 0.0}
    model |= changes.pop("model", {})
    config = tiny_config(encoder, model=model, **changes)
    note_origin(directory, desk)
    table = prepare(config, directory, silent())
    torch.manual_seed(config.seed)
    loaded = load_encoder(str(encoder))
    tokenizer = Tokenizer(loaded.tokenizer, LIMIT)
    network = build_network(loaded.module, loaded.width, table.tasks, config.model, config.losses)
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    arithmetic = choose("fp32")
    datasets = table.encode(tokenizer)
    return Parts(config, directory, network, table, datasets, tokenizer, arithmetic, processes)


def gradients(run: Parts) -> tuple[Gradients, Balancer]:
    """What takes a step's gradient."""
    balancer = build_balancer(run.config, run.names, run.plan.total)
    return run.gradients(balancer, ()), balancer


def take(run: Parts, step: int = STEP, **wanted: Any) -> tuple[Taken, dict[str, Tensor]]:
    """One step's figures, and the gradient of every parameter that has one."""
    found, _ = gradients(run)
    taken = found.take(Wanted(step, run.sampler.positions(step), **wanted))
    named = run.network.named_parameters()
    return taken, {name: one.grad.clone() for name, one in named if one.grad is not None}


def gradient_of(
    encoder: Path, desk: Path, directory: Path, processes: Processes = ALONE, **changes: Any
) -> dict[str, Tensor]:
    """The gradient alone."""
    return take(parts(encoder, desk, directory, processes, **changes))[1]
