"""What happens in a run comes in; one JSON line each goes to `events.jsonl`, the record that a
report reads.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training.at_once import write_at_once


class Record:
    """An append-only file of events; each line is flushed, so that a killed run keeps what
    happened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream = path.open("a", encoding="utf-8")

    def write(self, event: str, **fields: Any) -> None:
        """Appends one event with the time in UTC."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._stream.write(
            json.dumps({"event": event, "time": now, **fields}, allow_nan=False) + "\n"
        )
        self._stream.flush()

    def close(self) -> None:
        """Closes the file; nothing may be written after it."""
        self._stream.close()


def read_events(path: Path) -> list[dict[str, Any]]:
    """Every whole event of the file; what follows a line that a kill cut short is left out."""
    events = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return events


def rewind(path: Path, step: int) -> None:
    """Drops what happened at or after a step, counted from 0, so that a resumed run tells it
    once.
    """
    kept = [event for event in read_events(path) if event.get("step", -1) < step]
    write_at_once(path, "".join(json.dumps(event) + "\n" for event in kept))
