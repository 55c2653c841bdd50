"""The arguments of `harbor-train doctor` come in; a table, a file and an exit status go out."""

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from training.audit.audit import COLOURS
from training.config import read_config
from training.doctor.check import Check, status
from training.doctor.examine import examine
from training.errors import DataError


def doctor(
    *,
    data: Path,
    config: Path | None,
    run: Path | None,
    baselines: Path | None,
    passes: float,
    out: Path | None,
    console: Console,
) -> int:
    """Examines, draws the table, writes `out` where it is given; returns 1 where a check failed.

    Raises TrainingError.
    """
    checks = examine(data, read_config(config), run, baselines, passes=passes)
    console.print(doctor_table(checks))
    if out is not None:
        _write(out, checks)
    return status(checks)


def doctor_table(checks: list[Check]) -> Table:
    """The checklist for a terminal."""
    table = Table(title="Doctor")
    for heading in ("", "check", "figure", "what was found, why it matters, what to do"):
        table.add_column(heading, justify="right" if heading == "figure" else "left")
    for one in checks:
        parts = (one.said, one.why, one.remedy and f"-> {one.remedy}")
        mark = Text(one.verdict, style=COLOURS[one.verdict])
        table.add_row(
            mark, Text(one.name), Text(one.figure), Text("\n".join(part for part in parts if part))
        )
    return table


def _write(path: Path, checks: list[Check]) -> None:
    document = {"checks": [one.document() for one in checks]}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path.name} cannot be written: {error.strerror}") from error
