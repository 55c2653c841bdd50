"""What a replay did comes in, ticket by ticket; a table on the terminal goes out."""

from collections import Counter
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from service.shadow.account import Account
from service.shadow.replay.rows import Faults
from service.statistics.intervals import wilson


@dataclass(slots=True)
class TaskSummary:
    """One task: offered = compared + failed."""

    account: Account = field(default_factory=Account)
    unknown: int = 0
    """Final labels that the bundle's task does not have."""

    @property
    def rate(self) -> float | None:
        """Share of the compared answers that differ; None where there are none."""
        compared = self.account.compared
        return self.account.disagreed / compared if compared else None


@dataclass(slots=True)
class Summary:
    """A whole replay.

    tickets: that were read and run. decisions: of the desk, unused: those of them without a ticket.
    added: comparisons that the ledger did not have yet. feedback: final labels by what became of
    them. faults: rows that were left out. ignored: columns of the decisions that mean nothing here.
    """

    tasks: dict[str, TaskSummary]
    tickets: int = 0
    decisions: int = 0
    unused: int = 0
    added: int = 0
    feedback: Counter[str] = field(default_factory=Counter)
    faults: Faults = field(default_factory=Faults)
    ignored: tuple[str, ...] = ()


def render(summary: Summary, console: Console | None = None) -> None:
    """Prints the tables, and the bad rows by number."""
    console = console or Console()
    console.print(_tasks(summary))
    console.print(_rest(summary))
    for line in summary.faults.named:
        # Square brackets of a file's name are no markup.
        console.print(line, markup=False)


def _tasks(summary: Summary) -> Table:
    table = Table(title="the desk's decisions beside the bundle's")
    for name in ("task", "offered", "compared", "failed", "disagreement", "95 % interval"):
        table.add_column(name, justify="left" if name == "task" else "right")
    for task, found in summary.tasks.items():
        account, rate = found.account, found.rate
        interval = wilson(account.disagreed, account.compared)
        table.add_row(
            task,
            f"{account.offered:,}",
            f"{account.compared:,}",
            _by_reason(account.failed),
            "-" if rate is None else f"{rate:.2%}",
            "-" if rate is None else f"{interval.low:.2%} to {interval.high:.2%}",
        )
    return table


def _rest(summary: Summary) -> Table:
    table = Table(show_header=False)
    table.add_row("tickets", f"{summary.tickets:,}")
    table.add_row("decisions of the desk", f"{summary.decisions:,}")
    table.add_row("of these without a ticket", f"{summary.unused:,}")
    table.add_row("comparisons new to the ledger", f"{summary.added:,}")
    table.add_row("final labels", _by_reason(summary.feedback))
    for task, found in summary.tasks.items():
        if found.unknown:
            table.add_row(f"final labels that {task} does not have", f"{found.unknown:,}")
    table.add_row("rows left out", _by_reason(summary.faults.counts))
    if summary.ignored:
        table.add_row("columns ignored", ", ".join(summary.ignored))
    return table


def _by_reason(counts: Counter[str]) -> str:
    if not counts.total():
        return "0"
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(counts.items()))
