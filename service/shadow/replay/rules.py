"""A CSV of a desk's decisions by ticket id comes in; what its rules said to a ticket goes out."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from service.errors import ShadowRefused
from service.shadow.legacy import Said
from service.shadow.replay.rows import BrokenRow, Faults, Rows, open_rows

CONFIDENCE = "_confidence"


class Rules:
    """Decisions in memory, by ticket id: labels and confidences, no text.

    tasks: those that the file has a column for. ignored: its columns that mean nothing here.
    """

    def __init__(self, path: Path, tasks: Sequence[str], faults: Faults) -> None:
        """tasks: of the bundle. Raises ShadowRefused where the file has a column for none."""
        self._said: dict[str, dict[str, Said]] = {}
        self._used: set[str] = set()
        with open_rows(path, faults) as rows:
            self.tasks = tuple(task for task in tasks if task in rows.columns)
            if not self.tasks:
                raise ShadowRefused(f"{rows.name}: the header has none of {', '.join(tasks)}")
            known = {"ticket_id", "id", *self.tasks, *(task + CONFIDENCE for task in self.tasks)}
            self.ignored = tuple(name for name in rows.columns if name not in known)
            self._read(rows)

    def __len__(self) -> int:
        return len(self._said)

    @property
    def unused(self) -> int:
        """Decisions on tickets that nobody has asked about."""
        return len(self._said) - len(self._used)

    def said(self, ticket_id: str) -> Mapping[str, Said]:
        """What they said to a ticket, by task; a task without a decision is missing."""
        found = self._said.get(ticket_id)
        if found is None:
            return {}
        self._used.add(ticket_id)
        return found

    def _read(self, rows: Rows) -> None:
        for row in rows:
            try:
                given = rows.id_of(row)
                if given in self._said:
                    raise BrokenRow("the ticket id stood in an earlier row")
                self._said[given] = {
                    task: Said(row[task].strip(), _confidence(row.get(task + CONFIDENCE, "")))
                    for task in self.tasks
                    if row[task].strip()
                }
            except BrokenRow as error:
                rows.refuse(str(error))


def _confidence(cell: str) -> float | None:
    """A number, None where the cell is empty; what is no number makes the answer malformed."""
    if not cell.strip():
        return None
    try:
        return float(cell)
    except ValueError:
        return math.nan
