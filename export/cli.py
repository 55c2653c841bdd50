"""`harbor-export`: a command line comes in; a bundle, or a table of what was checked, goes out."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from export.build import Built
    from export.verify import Check

app = typer.Typer(
    name="harbor-export",
    help="Turn a checkpoint into a verified ONNX bundle, and prove a bundle.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
_console = Console()
_COLOURS = {"passed": "green", "failed": "red", "skipped": "yellow"}

# torch is imported inside the commands: `--help` answers at once.


@app.command()
def build(
    checkpoint: Annotated[
        Path,
        typer.Argument(exists=True, file_okay=False, help="A run's directory `checkpoint`."),
    ],
    bundle: Annotated[Path, typer.Argument(help="Directory to make; it must not exist.")],
    version: Annotated[
        str | None,
        typer.Option(help="Version of the bundle.", show_default="ckpt- and its digest's start"),
    ] = None,
) -> None:
    """Export a checkpoint as a bundle; if a gate fails, nothing is written."""
    _guard(lambda: _show_built(_build(checkpoint, bundle, version), bundle))


@app.command()
def verify(
    bundle: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The bundle.")],
) -> None:
    """Check a bundle and say what was compared with what; code 1 if a check fails."""
    from export.verify import verify as checks

    with _console.status("checking"):
        done = list(checks(bundle))
    _console.print(_table(done, bundle.name))
    for check in done:
        if check.status == "failed":
            _fail(f"{bundle.name} failed the check '{check.name}': {check.found}")


def _build(checkpoint: Path, bundle: Path, version: str | None) -> "Built":
    from export.build import Listener
    from export.build import build as make

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

        return make(checkpoint, bundle, version, Listener(stage, advance))


def _show_built(built: "Built", bundle: Path) -> None:
    parity = built.parity
    differences = ", ".join(f"{name} {value:.1e}" for name, value in parity.max_dp.items())
    _console.print(
        f"parity: {parity.texts} texts of {parity.shortest} to {parity.longest} tokens; "
        f"largest difference of a probability: {differences}; label flips: 0",
        highlight=False,
        soft_wrap=True,
    )
    line = escape(f"bundle {built.version} ({built.digest}): {bundle}")
    _console.print(line, highlight=False, soft_wrap=True)


def _table(checks: "Iterable[Check]", name: str) -> Table:
    table = Table(title=escape(f"Bundle {name}"))
    for heading in ("check", "compared", "result", "found"):
        table.add_column(heading, overflow="fold")
    for check in checks:
        result = f"[{_COLOURS[check.status]}]{check.status}[/]"
        table.add_row(check.name, check.compared, result, escape(check.found))
    return table


def _guard(work: Callable[[], None]) -> None:
    from export.errors import ExportError
    from service.errors import ServiceError
    from training.errors import TrainingError

    try:
        work()
    except (ExportError, TrainingError, ServiceError, OSError) as error:
        _fail(str(error))


def _fail(message: str) -> None:
    Console(stderr=True).print(
        f"[red]error:[/red] {escape(message)}", highlight=False, soft_wrap=True
    )
    raise typer.Exit(1)
