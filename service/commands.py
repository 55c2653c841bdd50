"""The command lines beside `run` come in: orders to a running service, its record, its speed."""

import asyncio
from typing import Annotated

import typer

from service.bench.load import Plan, measure
from service.bench.table import render
from service.orders import feedback, forget, promote, rollback
from service.shadow.cli import app as shadow_app

app = typer.Typer(rich_markup_mode="markdown")
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
