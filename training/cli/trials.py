"""The commands that train many runs, and those that judge them."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from training.cli.app import app, console, guard, say
from training.cli.options import Config, Data, Margin, Minutes, Seeds
from training.errors import ConfigError
from training.listener import Listener


@app.command()
def baselines(
    data: Data,
    out: Annotated[Path, typer.Option(help="Directory for the runs and baselines.json.")],
    config: Config = None,
    seeds: Seeds = 3,
    joint: Annotated[
        bool, typer.Option(help="Train the configuration itself, too, into OUT/joint.")
    ] = False,
    transfer: Annotated[
        bool, typer.Option(help="Also train each task from where the largest one ended.")
    ] = False,
) -> None:
    """Train every task alone at the same budget, beside majority, TF-IDF and a frozen encoder.

    What is finished is not trained again.
    """
    from training.baseline_runs import BASELINES, run_baselines
    from training.config import read_config

    def work(listener: Listener) -> None:
        run_baselines(read_config(config), data, out, seeds, listener, joint, transfer)
        say(f"baselines: {out / BASELINES}")

    _watched(work)


@app.command()
def compare(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(exists=True, file_okay=False, help="Runs of one recipe, one a seed."),
    ] = None,
    baselines: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="What `baselines` wrote.")
    ] = None,
    margin: Margin = 0.005,
    against: Annotated[
        list[Path] | None,
        typer.Option(exists=True, file_okay=False, help="An older run; one for each seed of it."),
    ] = None,
    add_one_at_a_time: Annotated[
        bool, typer.Option(help="Grow the task set, to find the task that hurts.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="For --add-one-at-a-time.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="For --add-one-at-a-time.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="For --add-one-at-a-time.")] = None,
    seeds: Seeds = 3,
    keep: Annotated[bool, typer.Option(help="Keep it in the runs' checkpoints.")] = True,
) -> None:
    """Does training the tasks together help, task by task? A verdict with its interval.

    Exit status 3 where a primary task is hurt: do not ship.
    """
    if add_one_at_a_time:
        _grow(data, config, out, seeds, margin)
    else:
        _compare(runs or [], baselines, margin, against or [], keep)


@app.command()
def table(
    data: Data,
    out: Annotated[Path, typer.Option(help="Directory for the runs, table.json and table.md.")],
    config: Config = None,
    seeds: Seeds = 3,
    folds: Annotated[int, typer.Option(min=1, max=20, help="Test splits; 1 or 1/data.test.")] = 1,
    margin: Margin = 0.005,
    factor: Annotated[
        list[str] | None, typer.Option(help="architecture, balance or sampling; all if not given.")
    ] = None,
    minutes: Minutes = None,
) -> None:
    """Train one factor at a time around a recipe, each way beside the single-task models.

    What is finished is not trained again.
    """
    from training.config import read_config
    from training.table.results import PAGE
    from training.table.table import Wanted, make_table
    from training.table.variants import FACTORS

    def work(listener: Listener) -> None:
        factors = tuple(one for one in FACTORS if factor is None or one in factor)
        if factor is not None and set(factor) - set(FACTORS):
            raise ConfigError(f"--factor must be one of {', '.join(FACTORS)}")
        wanted = Wanted(seeds, folds, margin, factors, minutes)
        make_table(read_config(config), data, out, wanted, listener)
        say(f"table: {out / PAGE}")

    _watched(work)


@app.command()
def search(
    data: Data,
    out: Annotated[Path, typer.Option(help="Directory for the trials, best.yaml, trials.csv.")],
    config: Config = None,
    trials: Annotated[int, typer.Option(min=1, max=10_000, help="How many in all.")] = 20,
    minutes: Minutes = None,
) -> None:
    """Look for learning rates, weight decay, loss weights and sampling temperature.

    Judged on the validation split; a search that was stopped goes on.
    """
    from training.config import read_config
    from training.search import search as look

    def work(listener: Listener) -> None:
        found = look(read_config(config), data, out, trials, minutes, listener)
        say(f"best of {found.trials} trials: validation metric {found.metric:.4f}")
        say(f"configuration: {out / 'best.yaml'}")

    _watched(work)


def _compare(
    runs: list[Path], baselines: Path | None, margin: float, old: list[Path], keep: bool
) -> None:
    from training.compare.against import against
    from training.compare.comparison import compare as weigh
    from training.compare.console import comparison_table
    from training.compare.keep import keep as store

    def work() -> int:
        if not runs or baselines is None:
            raise ConfigError("compare needs RUNS and --baselines, or --add-one-at-a-time")
        found = weigh(runs, baselines, margin)
        if old:
            found = against(found, runs, old)
        for run in runs if keep else []:
            store(found, run)
        console.print(comparison_table(found))
        for change in found.changes:
            say(change)
        if found.hurt:
            say(f"hurt: {', '.join(found.hurt)}; do not ship")
        return found.status

    guard(work)


def _grow(
    data: Path | None, config: Path | None, out: Path | None, seeds: int, margin: float
) -> None:
    from training.compare.comparison import HURT
    from training.compare.console import growth_table
    from training.compare.one_at_a_time import add_one_at_a_time
    from training.config import read_config

    def work(listener: Listener) -> int | None:
        if data is None or out is None:
            raise ConfigError("--add-one-at-a-time needs --data and --out")
        found = add_one_at_a_time(read_config(config), data, out, seeds, margin, listener)
        console.print(growth_table(found, margin))
        say(f"hurting: {', '.join(found.hurting) or 'none'}")
        return HURT if found.hurting else None

    _watched(work)


def _watched(work: Callable[[Listener], int | None]) -> None:
    from training.console import Watch

    def drawn() -> int | None:
        with Watch(console) as watch:
            return work(watch.listener())

    guard(drawn)
