"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path, typer.Option(exists=True, dir_okay=False, help="CSV, CSV.GZ, JSONL or Parquet.")
]
Config = Annotated[
    Path | None,
    typer.Argument(exists=True, dir_okay=False, help="YAML file; without it, the reference."),
]
Run = Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="Directory of a run.")]
Seeds = Annotated[int, typer.Option(min=1, max=100, help="Runs of each, one a seed.")]
Margin = Annotated[
    float,
    typer.Option(
        min=0.001, max=0.5, help="A loss of macro-F1 that does not matter; 0.02: 2 points."
    ),
]
Minutes = Annotated[
    float | None, typer.Option(min=0.0, help="Start nothing new after so many minutes.")
]
