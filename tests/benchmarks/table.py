"""Rows of figures come in; one table for the terminal and the same one in Markdown go out."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

Row = Sequence[str]


def show(title: str, header: Row, rows: Sequence[Row], facts: Mapping[str, str]) -> None:
    """Prints the machine's facts, the table, and the table again as Markdown to paste."""
    console = Console()
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()), highlight=False)
    console.print(rich_table(title, header, rows))
    print(markdown(header, rows))


def rich_table(title: str, header: Row, rows: Sequence[Row]) -> Table:
    """First column left, figures right."""
    table = Table(title=title, title_justify="left")
    for position, name in enumerate(header):
        table.add_column(name, justify="left" if position == 0 else "right")
    for row in rows:
        table.add_row(*row)
    return table


def markdown(header: Row, rows: Sequence[Row]) -> str:
    """The same table in Markdown."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *rows))
