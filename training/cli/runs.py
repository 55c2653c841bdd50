"""The commands of one run: a desk, a run directory with a checkpoint, a page about it."""

from pathlib import Path
from typing import Annotated

import typer

from training.cli.app import app, console, guard, say
from training.errors import DataError


@app.command()
def sample(
    out: Annotated[Path, typer.Option(help="CSV file to write; `.csv.gz` is compressed.")],
    tickets: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many tickets.")] = 4000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same desk.")] = 7,
) -> None:
    """Write a generated desk: 12 categories, P0 to P3, 8 queues, with the flaws of a real one."""
    from training.data.sample import generate, write_csv

    def work() -> None:
        if not out.name.lower().endswith((".csv", ".csv.gz")):
            raise DataError(f"{out.name} must end in .csv or .csv.gz")
        rows = generate(tickets, seed)
        out.parent.mkdir(parents=True, exist_ok=True)
        write_csv(out, rows)
        say(f"{len(rows)} tickets written to {out}")

    guard(work)


@app.command()
def run(
    data: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="CSV, CSV.GZ, JSONL or Parquet.")
    ],
    out: Annotated[Path, typer.Option(help="Run directory to make.")],
    config: Annotated[
        Path | None,
        typer.Argument(
            exists=True, dir_okay=False, help="YAML file; without it, the reference recipe."
        ),
    ] = None,
    baselines: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Alert where a task falls below these."),
    ] = None,
) -> None:
    """Train, calibrate and test a model; the checkpoint is OUT/checkpoint.

    Several processes: `torchrun --nproc_per_node N -m training run ...`.
    """
    from training.config import read_config
    from training.parallel import joined
    from training.run import start

    def work() -> None:
        found = read_config(config)
        processes = joined()
        if processes.leads:
            start(found, data, out, baselines)
        processes.wait()

    guard(work)
    _train(out)


@app.command()
def resume(
    directory: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Run directory.")],
) -> None:
    """Go on with a run that was stopped; the losses are those it would have had.

    A run that has come to its end shows its report again.
    """
    _train(directory)


@app.command()
def report(
    directory: Annotated[
        Path, typer.Argument(metavar="RUN", exists=True, file_okay=False, help="Run directory.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Page to write; RUN/report.html if not given.")
    ] = None,
    tickets_a_week: Annotated[
        int, typer.Option(min=1, max=1_000_000_000, help="The desk's volume, for its workload.")
    ] = 5000,
    promises: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="YAML file of what to promise, by task."),
    ] = None,
) -> None:
    """Write one HTML page about a finished run: is it good, calibrated, what can it promise."""
    from training.calibration.promises import read_promises
    from training.report.finished import read_finished
    from training.report.page import render

    def work() -> None:
        wanted = None if promises is None else read_promises(promises)
        page = render(read_finished(directory), tickets_a_week, wanted)
        target = directory / "report.html" if out is None else out
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page, encoding="utf-8")
        say(f"report: {target}")

    guard(work)


def _train(directory: Path) -> None:
    from training.conclude import CHECKPOINT, conclude, concluded
    from training.console import SILENT, Watch, report_table
    from training.hold import hold
    from training.parallel import joined
    from training.run import train

    def work() -> None:
        processes = joined()
        if not processes.leads:
            if concluded(directory) is None:
                train(directory, SILENT, processes)
            return
        report = concluded(directory)
        if report is None:
            with hold(directory), Watch(console) as watch:
                trained = train(directory, watch.listener(), processes)
                report = conclude(trained, directory, watch.listener())
        console.print(report_table(report))
        say(f"checkpoint: {directory / CHECKPOINT}")

    guard(work)
