"""Disagreements come in; a CSV file goes out, with an empty column for what agents find.

`service.labels_file` reads it back.
"""

import csv
from collections.abc import Iterable, Iterator
from typing import TextIO

from service.ledger.records import REVIEW, Case
from service.shadow.findings.examples import confidences
from service.shadow.spreadsheet import guarded

COLUMNS = (
    "ticket_id",
    "request_id",
    "task",
    "incumbent",
    "incumbent_confidence",
    "challenger",
    "challenger_confidence",
    "label",
    "source",
)


def write_csv(cases: Iterable[Case], to: TextIO) -> int:
    """Writes a row for each case, its `label` left empty; how many.

    to: a text file opened with `newline=""`. A cell that a spreadsheet would take for a formula
    begins with an apostrophe, which is taken off again when it is read.
    """
    table = csv.writer(to)
    table.writerow(COLUMNS)
    written = 0
    for case in cases:
        table.writerow([guarded(cell) for cell in _row(case)])
        written += 1
    return written


def _row(case: Case) -> Iterator[str]:
    incumbent, challenger = confidences(case)
    yield case.ticket_id or ""
    yield case.request_id
    yield case.task
    yield str(case.incumbent_label)
    yield "" if incumbent is None else f"{incumbent:.4f}"
    yield str(case.challenger_label)
    yield "" if challenger is None else f"{challenger:.4f}"
    yield ""
    yield REVIEW
