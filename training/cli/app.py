"""`harbor-train`'s application, and how every command speaks and fails."""

from collections.abc import Callable

import typer
from rich.console import Console
from rich.markup import escape

from training.errors import TrainingError

app = typer.Typer(
    name="harbor-train",
    help="Train Harbor's multi-task model on a desk's own, partly labelled tickets.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
console = Console()


def say(line: str) -> None:
    """One line, as it is."""
    console.print(escape(line), highlight=False, soft_wrap=True)


def guard(work: Callable[[], int | None]) -> None:
    """Runs a command, whose exit status is what it returns; a failure that training knows becomes
    one line and exit status 1.
    """
    try:
        status = work()
    except (TrainingError, OSError) as error:
        line = f"[red]error:[/red] {escape(str(error))}"
        Console(stderr=True).print(line, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        Console(stderr=True).print(
            "stopped; `harbor-train resume` goes on from the last saved step"
        )
        raise typer.Exit(130) from None
    if status:
        raise typer.Exit(status)
