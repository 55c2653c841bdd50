"""A comparison comes in; a table for the terminal and a sentence for each row go out."""

from rich.table import Table

from training.compare.comparison import Comparison, Row
from training.compare.one_at_a_time import Growth

AGAINST = {
    "single": "the task alone",
    "transfer": "the task after the largest",
    "old": "the older checkpoint",
    "smaller": "without the added task",
}
_HEADINGS = ("task", "against", "macro-F1", "other", "difference", "p", "verdict", "settled by")


def comparison_table(comparison: Comparison) -> Table:
    """A row a task; differences in points of macro-F1, p values adjusted for the tasks."""
    margin = f"margin {100 * comparison.margin:g} points"
    table = Table(title=f"Test split, differences in points of macro-F1, {margin}")
    return _filled(table, comparison.rows)


def growth_table(growth: Growth, margin: float) -> Table:
    """Every step's rows, one section a step."""
    table = Table(title=f"One task at a time, from {growth.first}; margin {100 * margin:g} points")
    table.add_column("added")
    _columns(table)
    for step in growth.steps:
        for row in step.rows:
            table.add_row(step.added, *cells(row))
        table.add_section()
    return table


def sentence(row: Row) -> str:
    """One row in words, with its figures."""
    against = AGAINST[row.kind]
    figures = (
        f"{_points(row.difference)} points of macro-F1 ({_points(row.low)} to {_points(row.high)})"
    )
    line = f"{row.task}: {row.verdict}, {figures} against {against} on {row.tickets:,} test tickets"
    return f"{line}; {settled_by(row)}" if row.verdict == "inconclusive" else line


def settled_by(row: Row) -> str:
    """What would settle an inconclusive verdict; empty where it stands."""
    if row.needed is not None:
        return f"about {row.needed:,} test tickets would settle it"
    return "more seeds would have to settle it" if row.more_seeds else ""


def cells(row: Row) -> tuple[str, ...]:
    """One row of the table."""
    difference = f"{_points(row.difference)} ({_points(row.low)} to {_points(row.high)})"
    name = row.task if row.primary else f"{row.task} (auxiliary)"
    needed = "" if row.needed is None else f"{row.needed:,} tickets"
    return (
        name,
        AGAINST[row.kind],
        f"{row.score:.3f}",
        f"{row.other:.3f}",
        difference,
        f"{row.p:.3f}",
        row.verdict,
        "more seeds" if row.more_seeds else needed,
    )


def _filled(table: Table, rows: tuple[Row, ...]) -> Table:
    _columns(table)
    for row in rows:
        table.add_row(*cells(row))
    return table


def _columns(table: Table) -> None:
    for heading in _HEADINGS:
        table.add_column(heading)


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"
