"""The commands that judge tickets and settings before anything is trained."""

from pathlib import Path
from typing import Annotated

import typer

from training.cli.app import app, console, guard
from training.cli.options import Config, Data, Run


@app.command()
def audit(
    data: Data,
    config: Config = None,
    splits: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="splits.csv to judge; else the run's own."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="audit.json to write.")] = None,
    passed: Annotated[bool, typer.Option(help="Show the checks that passed, too.")] = False,
) -> None:
    """Look for leakage: labels that follow one another, the text, the row order or the time.

    Exit status 1 where a check fails.
    """
    from training.audit import command

    guard(
        lambda: command.audit(
            data=data, config=config, splits=splits, out=out, passed=passed, console=console
        )
    )


@app.command()
def doctor(
    data: Data,
    config: Config = None,
    run: Run = None,
    baselines: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="What `baselines` wrote.")
    ] = None,
    passes: Annotated[
        float, typer.Option(min=1.0, help="Passes through the encoder that serving can pay for.")
    ] = 1.0,
    out: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
) -> None:
    """Go through the checklist for a configuration, its tickets and, if given, its run.

    Exit status 1 where a check fails.
    """
    from training.doctor import command

    guard(
        lambda: command.doctor(
            data=data,
            config=config,
            run=run,
            baselines=baselines,
            passes=passes,
            out=out,
            console=console,
        )
    )


@app.command()
def relabel(
    data: Data,
    out: Annotated[Path, typer.Option(help="CSV file to write.")],
    config: Config = None,
    run: Run = None,
    folds: Annotated[int, typer.Option(min=2, max=50, help="Parts to judge each by the rest.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the parts.")] = 0,
) -> None:
    """Write the labels that agents should look at again, most doubtful first; no ticket text."""
    from training.audit import command

    guard(
        lambda: command.relabel(
            data=data, config=config, run=run, folds=folds, seed=seed, out=out, console=console
        )
    )
