"""`harbor-export`: a command line comes in; a bundle, or a table of what was checked, goes out."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from export.options import (
    Bundle,
    Checkpoint,
    Labelled,
    PromisesFile,
    Rejects,
    Target,
    Tickets,
    Variants,
)

if TYPE_CHECKING:
    from export.listener import Listener
    from training.calibration.promises import Promises

app = typer.Typer(
    name="harbor-export",
    help="Turn a checkpoint into a verified ONNX bundle, prove a bundle, calibrate it anew.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
_console = Console()
_Made = TypeVar("_Made")

# torch is imported inside the commands: `--help` answers at once.


@app.command()
def build(
    checkpoint: Checkpoint,
    bundle: Target,
    version: Annotated[
        str | None,
        typer.Option(help="Version of the bundle.", show_default="ckpt- and its digest's start"),
    ] = None,
    promises: PromisesFile = None,
    variant: Variants = None,
    tickets: Tickets = None,
) -> None:
    """Export a checkpoint as a bundle; if a gate fails, nothing is written."""
    with _guarded():
        from export import shown
        from export.build import Extra
        from export.build import build as make

        asked, extra = _promises(promises), Extra(tuple(variant or ()), tickets)
        built = _watched(lambda watcher: make(checkpoint, bundle, version, watcher, asked, extra))
        _say(shown.parity(built.parity))
        for one in built.closeness:
            _say(shown.closeness(one))
        _say(f"bundle {built.version} ({built.digest}): {bundle}")


@app.command()
def verify(bundle: Bundle) -> None:
    """Check a bundle and say what was compared with what; code 1 if a check fails."""
    from export import shown
    from export.verify import verify as checks

    with _console.status("checking"):
        done = list(checks(bundle))
    _console.print(shown.checks(done, bundle.name))
    for check in done:
        if check.status == "failed":
            _fail(f"{bundle.name} failed the check '{check.name}': {check.found}")


@app.command()
def recalibrate(
    bundle: Bundle,
    labelled: Labelled,
    new: Target,
    promises: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="YAML file: what each task is to promise.",
            show_default="what the bundle was made to promise",
        ),
    ] = None,
    traffic: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Recent tickets, labels not needed: the labelled ones are thinned to the label "
            "shares estimated from these.",
        ),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(help="Version of the new bundle.", show_default="the old one and +r..."),
    ] = None,
    tasks: Annotated[
        str,
        typer.Option(
            help="Tasks to recalibrate, with commas between; unless all, the limit of the scope "
            "stays.",
            show_default="all",
        ),
    ] = "",
    rejects: Rejects = None,
) -> None:
    """Calibrate a bundle anew on labelled tickets, without training; the old bundle stays."""
    with _guarded():
        from export import shown
        from export.plan import Wanted
        from export.recalibrate import recalibrate as make

        begun = time.monotonic()
        wanted = Wanted(labelled, _names(tasks), _promises(promises), traffic, rejects)
        made = _watched(lambda watcher: make(bundle, new, wanted, version, watcher))
        for line in shown.recalibrated(made):
            _say(line)
        _say(f"bundle {made.version} ({made.digest}): {new}")
        _say(f"{bundle} is as it was; this took {time.monotonic() - begun:.1f} seconds")


@app.command()
def quantize(
    bundle: Bundle,
    labelled: Labelled,
    new: Target,
    promises: PromisesFile = None,
    version: Annotated[
        str | None,
        typer.Option(help="Version of the new bundle.", show_default="the old one and +q..."),
    ] = None,
    tasks: Annotated[
        str,
        typer.Option(
            help="Tasks to judge, with commas between; the others keep the calibration of fp32 and "
            "promise nothing.",
            show_default="all",
        ),
    ] = "",
    rejects: Rejects = None,
) -> None:
    """Add a faster variant in 8-bit whole numbers, if it answers as well; the old bundle stays."""
    with _guarded():
        from export import shown
        from export.int8.quantize import quantize as make
        from export.plan import Wanted

        wanted = Wanted(labelled, _names(tasks), _promises(promises), None, rejects)
        made = _watched(lambda watcher: make(bundle, new, wanted, version, watcher))
        for line in shown.quantized(made):
            _say(line)
        _say(f"bundle {made.version} ({made.digest}): {new}")


@app.command()
def card(
    bundle: Bundle,
    checkpoint: Checkpoint,
    new: Target,
    version: Annotated[
        str | None,
        typer.Option(help="Version of the new bundle.", show_default="the old one and +card"),
    ] = None,
) -> None:
    """Write the bundle anew with a card that says how far to trust a confidence."""
    with _guarded():
        from export.recard import recard

        made = recard(bundle, checkpoint, new, version)
        _say(f"bundle {made.version} ({made.digest}): {new}")


def _names(tasks: str) -> tuple[str, ...]:
    return tuple(name for part in tasks.split(",") if (name := part.strip()))


def _promises(path: Path | None) -> "Promises | None":
    from training.calibration.promises import read_promises

    return None if path is None else read_promises(path)


def _watched(work: Callable[["Listener"], _Made]) -> _Made:
    from export.listener import Listener

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=_console) as bars:

        def stage(name: str, steps: int) -> None:
            bars.add_task(name, total=steps)

        def advance(steps: int) -> None:
            bars.advance(bars.task_ids[-1], steps)

        return work(Listener(stage, advance, _say))


@contextmanager
def _guarded() -> Iterator[None]:
    from export.errors import ExportError
    from service.contract.errors import ContractError
    from service.errors import ServiceError
    from training.errors import TrainingError

    try:
        yield
    except (ExportError, TrainingError, ServiceError, ContractError, OSError) as error:
        _fail(str(error))


def _say(line: str) -> None:
    _console.print(escape(line), highlight=False, soft_wrap=True)


def _fail(message: str) -> None:
    Console(stderr=True).print(
        f"[red]error:[/red] {escape(message)}", highlight=False, soft_wrap=True
    )
    raise typer.Exit(1)
