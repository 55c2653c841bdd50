"""The arguments of `harbor-train audit` and `harbor-train relabel` come in; tables, files and an
exit status go out.
"""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from training.audit.audit import audit_table, run_audit, write_audit
from training.audit.finding import percent
from training.config import read_config


def audit(
    *,
    data: Path,
    config: Path | None,
    splits: Path | None,
    out: Path | None,
    passed: bool,
    console: Console,
) -> int:
    """Audits, draws the table, writes `out` where it is given; returns 1 where a check failed.

    passed: whether the checks that passed are shown too. Raises TrainingError.
    """
    found = run_audit(data, read_config(config), splits)
    shown = audit_table(found, passed=passed)
    console.print(shown if shown.row_count else f"{shown.title}; --passed shows the checks")
    if out is not None:
        write_audit(found, out)
    return found.status


def relabel(
    *,
    data: Path,
    config: Path | None,
    run: Path | None,
    folds: int,
    seed: int,
    out: Path,
    console: Console,
) -> int:
    """Writes the queue of doubtful labels to `out` and says how many; returns 0.

    Raises TrainingError.
    """
    # Imported here: cleanlab takes seconds, and an audit has no need of it.
    from training.noise import relabel_queue, write_queue

    found = relabel_queue(data, read_config(config), run, folds, seed)
    table = Table(title=f"{write_queue(out, found):,} labels to look at again: {out.name}")
    for heading in ("task", "tickets", "estimated wrong", "share", "queued"):
        table.add_column(heading, justify="left" if heading == "task" else "right")
    for one in found:
        counts = (f"{one.tickets:,}", f"{one.wrong:,}", percent(one.share), f"{len(one.doubts):,}")
        table.add_row(Text(one.task), *counts)
    console.print(table)
    if sample := max((one.sample for one in found), default=0):
        console.print(
            f"every ticket was judged, by models that learned from a sample of {sample:,} tickets "
            "at most"
        )
    return 0
