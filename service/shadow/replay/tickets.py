"""A CSV of tickets comes in; tickets with their time and their final labels go out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError

from service.contract.tasks import Label
from service.contract.ticket import Ticket, render
from service.errors import ShadowRefused
from service.shadow.replay.rows import BrokenRow, Rows

_LABEL: TypeAdapter[str] = TypeAdapter(Label)


@dataclass(frozen=True, slots=True)
class PastTicket:
    """A ticket as the desk keeps it.

    id: of the ticket. at: when it came, seconds since the epoch, None where the file does not say.
    metadata: the fields that were asked for. finals: final labels by task.
    """

    id: str
    ticket: Ticket
    at: float | None
    metadata: dict[str, str]
    finals: dict[str, str]


class Tickets:
    """The tickets of one open file."""

    def __init__(self, rows: Rows, tasks: Sequence[str], metadata: Sequence[str]) -> None:
        """tasks: columns that hold final labels, where the file has them.

        metadata: columns to keep. Raises ShadowRefused where a column is missing.
        """
        if not {"subject", "body"} & set(rows.columns):
            raise ShadowRefused(f"{rows.name}: the header needs subject or body")
        if missing := [name for name in metadata if name not in rows.columns]:
            raise ShadowRefused(f"{rows.name}: the header has no column {missing[0]}")
        self.tasks = tuple(task for task in tasks if task in rows.columns)
        self._rows, self._metadata = rows, metadata
        self._seen: set[str] = set()

    def __iter__(self) -> Iterator[PastTicket]:
        for row in self._rows:
            try:
                yield self._read(row)
            except BrokenRow as error:
                self._rows.refuse(str(error))

    def _read(self, row: dict[str, str]) -> PastTicket:
        given = self._rows.id_of(row)
        if given in self._seen:
            raise BrokenRow("the ticket id stood in an earlier row")
        ticket = Ticket(subject=row.get("subject", ""), body=row.get("body", ""), ticket_id=given)
        if not render(ticket.subject, ticket.body):
            raise BrokenRow("subject and body hold no text")
        past = PastTicket(
            given,
            ticket,
            _time(row.get("created_at", "").strip()),
            {name: row[name].strip() for name in self._metadata if row[name].strip()},
            {task: _label(task, row[task].strip()) for task in self.tasks if row[task].strip()},
        )
        self._seen.add(given)
        return past


def _label(task: str, value: str) -> str:
    try:
        return _LABEL.validate_python(value)
    except ValidationError:
        raise BrokenRow(f"{task} must have 1 to 64 characters and no control one") from None


def _time(value: str) -> float | None:
    """Seconds since the epoch of an ISO 8601 time, UTC unless it says otherwise."""
    if not value:
        return None
    try:
        when = datetime.fromisoformat(value)
        return (when.replace(tzinfo=UTC) if when.tzinfo is None else when).timestamp()
    except (ValueError, OverflowError):
        raise BrokenRow("created_at is no ISO 8601 time") from None
