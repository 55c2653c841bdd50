"""A measurement comes in; a table on the terminal goes out."""

from rich.console import Console
from rich.table import Table

from service.bench.load import Result


def render(result: Result, console: Console | None = None) -> None:
    """Prints the table."""
    plan = result.plan
    table = Table(title=f"{plan.url}: {plan.clients} clients, {result.elapsed_s:.1f} s")
    table.add_column("measure")
    table.add_column("value", justify="right")
    table.add_row("tickets a second", f"{result.per_second:.1f}")
    for percent in (50, 95, 99):
        table.add_row(f"latency p{percent}, ms", f"{result.percentile_ms(percent):.1f}")
    for status, count in sorted(result.statuses.items()):
        table.add_row(f"replies: {status}", str(count))
    (console or Console()).print(table)
