"""Faults of rows come in; counts, and a file of rows, columns and rules without texts, go out."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from training.data.votes import VOTES_RULE
from training.errors import TooManyRejects

Action = Literal["rejected", "blanked", "merged"]

RULES: Mapping[str, str] = {
    "encoding": "every field is UTF-8",
    "quoting": "quotes follow RFC 4180: doubled inside a quoted field, and closed at its end",
    "json": "every line is one JSON object",
    "columns": "a row has as many fields as the header",
    "type": "every field is text (or a number)",
    "id": "an id has at most 200 characters and no control characters",
    "duplicate_id": "an id stands on one row",
    "empty_text": "subject and body are not both empty",
    "label": "a label has 1 to 64 characters and no control characters",
    "unknown_label": "a label is one of those that the run lists for its task",
    "votes": VOTES_RULE,
    "created_at": "created_at is an ISO 8601 date or time",
    "conflict": "rows with the same text carry the same label for a task",
    "same_text": "a text stands on one row",
}
"""Each rule's stable name and what it asks for."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A rule that a row broke.

    row: 1 for the first row after the header. line: where it starts in a text file, else None.
    column: empty where the rule concerns the whole row. action: `rejected` rows are left out;
    `blanked` lost one label; `merged` gave their labels to an earlier row with the same text.
    """

    row: int
    line: int | None
    column: str
    rule: str
    message: str
    action: Action = "rejected"


@dataclass(frozen=True)
class Rejects:
    """Everything that was not taken as it stood. total_rows: rows of the file, good and bad.

    made_ids: rows without an id, which got one made from their text.
    """

    total_rows: int
    items: tuple[Reject, ...] = ()
    made_ids: int = 0

    @property
    def rejected_rows(self) -> int:
        """How many rows were left out."""
        return len({item.row for item in self.items if item.action == "rejected"})

    @property
    def share(self) -> float:
        """Rejected rows over all rows, 0 for an empty file."""
        return self.rejected_rows / self.total_rows if self.total_rows else 0.0

    def counts(self, action: Action = "rejected") -> Counter[str]:
        """Entries by rule."""
        return Counter(item.rule for item in self.items if item.action == action)

    def summary(self) -> str:
        """One line a rule, most frequent first: rule, action, count, what it asks for."""
        found = Counter((item.rule, item.action) for item in self.items)
        return "\n".join(
            f"{rule} ({action}): {count:,}; the rule: {RULES[rule]}"
            for (rule, action), count in found.most_common()
        )

    def check(self, max_share: float) -> None:
        """Raises TooManyRejects where more than `max_share` of the rows were rejected."""
        if self.share <= max_share:
            return
        raise TooManyRejects(
            f"{self.rejected_rows:,} of {self.total_rows:,} rows were rejected, "
            f"at most {max_share:.1%} may be:\n{self.summary()}",
            self.counts(),
        )


def write_rejects(path: Path, items: Iterable[Reject]) -> None:
    """Writes `row,line,column,rule,action,message` in the order of the rows."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["row", "line", "column", "rule", "action", "message"])
        for item in sorted(items, key=lambda item: (item.row, item.column)):
            line = "" if item.line is None else item.line
            writer.writerow([item.row, line, item.column, item.rule, item.action, item.message])
