"""What is to be replayed, as the command line says it."""

from dataclasses import dataclass
from pathlib import Path

from service.ledger.records import Role
from service.shadow.plan import Plan


@dataclass(frozen=True, slots=True)
class Replay:
    """An offline shadow.

    tickets: CSV with `ticket_id` (or `id`), `subject`, `body`, and optionally `created_at` and a
    column a task with the final label. decisions: CSV with `ticket_id` (or `id`) and a column a
    task, optionally `<task>_confidence`. Either may end in `.gz`. name, role: of the legacy that
    the desk's rules are. labels: whether the tickets' task columns are final labels. translation:
    YAML, a table a task from the desk's words to the bundle's. plan: what must be shown;
    superiority by default.
    """

    tickets: Path
    decisions: Path
    name: str = "rules"
    role: Role = "incumbent"
    labels: bool = True
    translation: Path | None = None
    plan: Plan | None = None
