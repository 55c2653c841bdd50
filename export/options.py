"""What the commands of `harbor-export` take in common: arguments and options with their help."""

from pathlib import Path
from typing import Annotated

import typer

Bundle = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The bundle.")]
Checkpoint = Annotated[
    Path, typer.Argument(exists=True, file_okay=False, help="A run's directory `checkpoint`.")
]
Target = Annotated[Path, typer.Argument(help="Directory to make; it must not exist.")]
Labelled = Annotated[
    Path,
    typer.Argument(
        exists=True,
        dir_okay=False,
        help="CSV, JSONL or Parquet of tickets with their final labels, none of which the model "
        "was trained on.",
    ),
]
Rejects = Annotated[
    Path | None,
    typer.Option(dir_okay=False, help="Where to list the rows that were not taken, and why."),
]
PromisesFile = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="YAML file: what each task is to promise."),
]


Variants = Annotated[
    list[str] | None,
    typer.Option(
        help="A further graph: fp16, fp32-ragged or fp16-ragged (without padding); may be given "
        "several times.",
    ),
]
Tickets = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="The file of tickets that the run was trained on: graphs in fp16 are then calibrated "
        "for themselves on its calibration split. Without it they promise nothing.",
    ),
]
