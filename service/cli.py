"""`harbor-serve`: a command line comes in; a served bundle, an order or a table goes out."""

import asyncio
import sys
from typing import Annotated

import typer
import uvloop

from service.app import create_app
from service.bench.load import Plan, measure
from service.bench.table import render
from service.errors import StartError
from service.flags import takes_settings, unknown_variables
from service.logs import forward_library_logs, open_log
from service.orders import feedback, forget, promote, rollback
from service.server import bind, serve
from service.settings import Settings
from service.shadow.cli import app as shadow_app

app = typer.Typer(
    name="harbor-serve", no_args_is_help=True, rich_markup_mode="markdown", add_completion=False
)


@app.callback()
def main() -> None:
    """Serves a bundle over HTTP."""


def _run(settings: Settings) -> None:
    """Serves a bundle until SIGTERM or Ctrl+C.

    Each flag is also an environment variable (`--max-batch`: `HARBOR_MAX_BATCH`); flags come first.
    """
    log = open_log(sys.stdout, settings.log_level)
    forward_library_logs(log, settings.log_level)
    for name in unknown_variables():
        log.warning("unknown setting", variable=name)
    try:
        with (
            bind(settings.host, settings.port) as bound,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(serve(create_app(settings, log), bound))
    except StartError as error:
        typer.echo(f"harbor-serve: {error}", err=True)
        raise typer.Exit(1) from None


app.command("run")(takes_settings(_run))
app.add_typer(shadow_app)
for order in (feedback, promote, rollback, forget):
    app.command()(order)


@app.command()
def bench(
    url: Annotated[str, typer.Option(help="where a service listens")] = "http://127.0.0.1:8080",
    clients: Annotated[int, typer.Option(min=1, max=1024, help="requests in flight")] = 8,
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="how long to measure")] = 10.0,
    priority: Annotated[str, typer.Option(help="live or bulk")] = "live",
    seed: Annotated[int, typer.Option(help="of the generated tickets")] = 0,
) -> None:
    """Measures a running service: each client sends its next ticket when it has its reply."""
    try:
        result = asyncio.run(measure(Plan(url, clients, seconds, priority, seed)))
    except (OSError, ValueError) as error:
        typer.echo(f"harbor-serve: cannot measure {url}: {error}", err=True)
        raise typer.Exit(1) from None
    render(result)


if __name__ == "__main__":
    app()
