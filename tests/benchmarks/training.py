"""An encoder and tickets come in; what Harbor's training loop costs over the bare
forward-backward-step of that encoder on the same batches, and what diagnosing adds, go out.

Shapes: B tickets of a step, H width.
"""

import copy
import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor, nn
from torch.nn import functional

from service.contract.tokens import Tokenizer
from tests.benchmarks import device, table
from tests.benchmarks.bounds import RATIO, Bound, Figure, at_least, at_most
from tests.training.desk import silent
from training.balance.build import build_balancer
from training.config import RunConfig, parse_config
from training.data.dataset import UNLABELLED, Batch
from training.data.sample import generate
from training.data.sample.write import write_csv
from training.diagnostics.alerts import Watch
from training.journal import Journal
from training.loop import Loop
from training.model.network import build_network
from training.optimizer import build_optimizer
from training.parallel import ALONE
from training.parts import Parts
from training.precision import choose
from training.prepare import prepare
from training.record import Record
from training.run import EVENTS, start
from training.start import begin_encoder
from training.state import Progress

EVERY = 50
"""One step of so many is diagnosed, as a configuration without a word of it has it."""

SEED = 20
LEAST_RATIO, MOST_OVERHEAD = 0.9, 0.05
HEADER = ("measure", "value", "bound", "holds")


@dataclass
class Bare:
    """The same encoder and one linear head a task, without sampling, weighing, clipping, checking
    or writing anything.
    """

    encoder: nn.Module
    heads: nn.ModuleDict
    optimizer: torch.optim.Optimizer
    autocast: Callable[[], Any]

    def step(self, batch: Batch) -> None:
        """Forward, backward, step."""
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            hidden_BLH = self.encoder(
                input_ids=batch.ids, attention_mask=batch.mask
            ).last_hidden_state
            losses = [self._loss(task, hidden_BLH[:, 0], batch) for task in self.heads]
        torch.stack(losses).sum().backward()
        self.optimizer.step()

    def _loss(self, task: str, first_BH: Tensor, batch: Batch) -> Tensor:
        logits_BC = self.heads[task](first_BH).float()
        return functional.cross_entropy(logits_BC, batch.labels[task], ignore_index=UNLABELLED)


@dataclass(frozen=True)
class Round:
    """Seconds of one round's parts. compared: of a gradient that was taken with the comparison;
    plain: of the same one without.
    """

    harbor: float
    bare: float
    compared: float
    plain: float
    steps: int

    @property
    def ratio(self) -> float:
        """Harbor's steps a second over the bare ones."""
        return self.bare / self.harbor

    @property
    def overhead(self) -> float:
        """What diagnosing one step of EVERY adds to the time of EVERY steps."""
        return max(0.0, self.compared - self.plain) / (EVERY * self.harbor / self.steps)


@contextmanager
def built(directory: Path, config: RunConfig, data: Path) -> Iterator[Loop]:
    """A run as `harbor-train run` puts it together, before its first step; its record is closed
    after it.
    """
    start(config, data, directory)
    listener = silent()
    desk = prepare(config, directory, listener)
    torch.manual_seed(config.seed)
    encoder = begin_encoder(config)
    tokenizer = Tokenizer(encoder.tokenizer, config.model.token_limit)
    arithmetic = choose(config.precision)
    network = build_network(encoder.module, encoder.width, desk.tasks, config.model, config.losses)
    network.to(arithmetic.device)
    datasets = desk.encode(tokenizer)
    run = Parts(config, directory, network, desk, datasets, tokenizer, arithmetic, ALONE)
    balancer = build_balancer(config, run.names, run.plan.total).to(arithmetic.device)
    record = Record(directory / EVENTS)
    try:
        yield Loop(
            config=config,
            gradients=run.gradients(balancer, ()),
            optimizer=build_optimizer(config, network, balancer),
            sampler=run.sampler,
            validation=datasets["validation"],
            plan=run.plan,
            directory=directory,
            progress=Progress(),
            journal=Journal(record, listener, run.plan, Watch()),
        )
    finally:
        record.close()


def bare(loop: Loop) -> Bare:
    """The loop's encoder, copied, so that neither side warms the other's weights."""
    network, arithmetic = loop.network, loop.gradients.arithmetic
    encoder = copy.deepcopy(network.trunk.encoder).train()
    width = int(encoder.config.hidden_size)
    heads = nn.ModuleDict({task.name: nn.Linear(width, task.classes) for task in network.tasks})
    heads.to(arithmetic.device)
    parameters = [*encoder.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=2e-5, fused=True)
    return Bare(encoder, heads, optimizer, arithmetic.autocast)


def measure(loop: Loop, steps: int, rounds: int) -> list[Round]:
    """Both sides in turn on the same batches, the first of a round changing; after one round whose
    figures are thrown away.
    """
    plain = bare(loop)
    sides = {"harbor": partial(_harbor, loop), "bare": partial(_bare, loop, plain)}
    found = []
    for number in range(rounds + 1):
        odd = bool(number % 2)
        places = range(number * steps, (number + 1) * steps)
        seconds = {side: sides[side](places) for side in sorted(sides, reverse=odd)}
        compared, without = _comparison(loop, places[-1], first=odd)
        found.append(Round(seconds["harbor"], seconds["bare"], compared, without, steps))
    return found[1:]


def figures(rounds: Sequence[Round]) -> list[Figure]:
    """Medians, each with the lowest and the highest round."""
    ratios = [one.ratio for one in rounds]
    overheads = [one.overhead for one in rounds]
    with_it = [ratio / (1 + overhead) for ratio, overhead in zip(ratios, overheads, strict=True)]
    ways = [(one.compared - one.plain) / (one.harbor / one.steps) for one in rounds]
    return [
        _figure("loop over bare, without diagnosing", ratios, RATIO, None),
        _figure(f"loop over bare, diagnosing 1 in {EVERY}", with_it, RATIO, at_least(LEAST_RATIO)),
        _figure(f"overhead of diagnosing 1 in {EVERY}", overheads, "", at_most(MOST_OVERHEAD)),
        _figure("one comparison, in steps", ways, RATIO, None),
        _figure("bare step", [1e3 * one.bare / one.steps for one in rounds], "ms", None),
    ]


def configuration(encoder: str, tasks: Sequence[str]) -> RunConfig:
    """The reference recipe, in which every layer learns from the first step."""
    return parse_config(
        {
            "tasks": {task: {} for task in tasks},
            "model": {"encoder": encoder},
            "frozen_epochs": 0,
            "epochs": 1000,
            "diagnostics": {"every_steps": 0},
        },
        "benchmark",
    )


def main(
    encoder: Annotated[str, typer.Option(help="a hub name, a directory, or minilm")] = "minilm",
    data: Annotated[Path | None, typer.Option(help="tickets; else a generated desk")] = None,
    tasks: Annotated[str, typer.Option(help="of the data")] = "category,urgency,queue",
    tickets: Annotated[int, typer.Option(min=200, help="of the generated desk")] = 2000,
    steps: Annotated[int, typer.Option(min=1, help="of each side in a round")] = 10,
    rounds: Annotated[int, typer.Option(min=3)] = 9,
    threads: Annotated[int | None, typer.Option(help="all cores by default")] = None,
) -> None:
    """The loop against the bare forward-backward-step; fails below 0.9 or above 5 %."""
    if threads is not None:
        torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        if data is None:
            data = directory / "desk.csv"
            write_csv(data, generate(tickets, SEED))
        config = configuration(encoder, tasks.split(","))
        with built(directory / "run", config, data) as loop:
            found = figures(measure(loop, steps, rounds))
    facts = {**device.facts(), "threads": str(torch.get_num_threads()), "encoder": encoder}
    rows = [figure.row() for figure in found]
    table.show(f"Training loop, {rounds} rounds of {steps} steps", HEADER, rows, facts)
    sys.exit(not all(figure.holds for figure in found))


def _harbor(loop: Loop, steps: range) -> float:
    started = _now()
    for step in steps:
        loop._step(step)
    return _now() - started


def _bare(loop: Loop, plain: Bare, steps: range) -> float:
    dataset, where = loop.gradients.dataset, loop.gradients.arithmetic.device
    batches = [dataset.batch(loop.sampler.positions(step)).to(where) for step in steps]
    started = _now()
    for batch in batches:
        plain.step(batch)
    return _now() - started


def _comparison(loop: Loop, step: int, *, first: bool) -> tuple[float, float]:
    """Seconds of one step's gradient with and without the comparison, in the order asked for."""
    seconds = {}
    for diagnose in (first, not first):
        loop.optimizer.zero_grad(set_to_none=True)
        wanted = dataclasses.replace(loop._wanted(step), diagnose=diagnose)
        started = _now()
        loop.gradients.take(wanted)
        seconds[diagnose] = _now() - started
    return seconds[True], seconds[False]


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def _figure(measure: str, values: Sequence[float], unit: str, bound: Bound | None) -> Figure:
    return Figure(measure, statistics.median(values), bound, unit, (min(values), max(values)))


if __name__ == "__main__":
    typer.run(main)
