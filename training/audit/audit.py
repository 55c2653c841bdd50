"""A file of tickets and a configuration come in; every finding of the audit goes out."""

import json
from pathlib import Path

from rich.table import Table as Drawn
from rich.text import Text

from training.audit import columns, label_pairs, order, splits, words
from training.audit.finding import Audit, worst_first
from training.audit.material import gather
from training.audit.tickets import Tickets
from training.config import RunConfig
from training.errors import DataError

FILE = "audit.json"
COLOURS = {"fail": "red", "warn": "yellow", "pass": "green"}
_CHECKS = (label_pairs.check, splits.check, words.check, order.check, columns.check)


def run_audit(data: Path, config: RunConfig, splits: Path | None = None) -> Audit:
    """Looks for what would leak a label, before anything is trained.

    The tickets are read and split as a run of `config` would; splits: a file `id,split` that is
    judged in place of that split. Raises TrainingError where a run would refuse the tickets.
    """
    with gather(data, config, splits) as tickets:
        return audit_of(tickets, data.name)


def audit_of(material: Tickets, name: str) -> Audit:
    """As `run_audit`, of tickets that were read from the file `name`."""
    found = worst_first(finding for check in _CHECKS for finding in check(material))
    return Audit(name, material.fingerprint, len(material), found)


def write_audit(audit: Audit, path: Path) -> None:
    """Writes the findings as JSON. Raises DataError where the file cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            json.dumps(audit.document(), indent=2, allow_nan=False) + "\n", encoding="utf-8"
        )
    except OSError as error:
        raise DataError(f"{path.name} cannot be written: {error.strerror}") from error


def audit_table(audit: Audit, *, passed: bool = False) -> Drawn:
    """The findings for a terminal; those that passed only where they are asked for."""
    counts = ", ".join(f"{count} {severity}" for severity, count in audit.counts().items())
    table = Drawn(title=f"Audit of {audit.tickets:,} tickets: {counts}")
    for heading in ("", "check", "of", "figure", "what was found, what to do"):
        table.add_column(heading, justify="right" if heading == "figure" else "left")
    for one in audit.findings:
        if passed or one.severity != "pass":
            said = f"{one.said}. {one.remedy}".strip()
            figure = f"{one.figure:.2f}"
            if one.low is not None and one.high is not None:
                figure += f" ({one.low:.2f} to {one.high:.2f})"
            cells = (Text(cell) for cell in (one.check, one.about, figure, said))
            table.add_row(Text(one.severity, style=COLOURS[one.severity]), *cells)
    return table
