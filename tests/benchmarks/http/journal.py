"""What slots measured comes in and is kept, a JSON line each; a rerun reads what is there.

A line is `Measured` (see plan.py) as an object: `slot` with `contender`, `setup` (`bundle` as a
string, `precision`, `batching`), `kind`, `level` and `round`, then its other fields by name.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks.contender import Setup
from tests.benchmarks.http.plan import Measured, Slot


class Journal:
    """The slots of one run; without a path in memory alone."""

    def __init__(self, path: Path | None = None) -> None:
        """Reads what is there; an unfinished last line, of a run that was cut off, is left out."""
        self._path = path
        self._found: dict[Slot, Measured] = {}
        if path is not None and path.exists():
            kept = path.read_text(encoding="utf-8").rpartition("\n")[0]
            path.write_text(kept + "\n" if kept else "", encoding="utf-8")
            for line in kept.splitlines():
                one = _measured(json.loads(line))
                self._found[one.slot] = one

    def __contains__(self, slot: Slot) -> bool:
        return slot in self._found

    def __getitem__(self, slot: Slot) -> Measured:
        return self._found[slot]

    def add(self, measured: Measured) -> None:
        """One more slot; it is on disk when this returns."""
        self._found[measured.slot] = measured
        if self._path is not None:
            record = asdict(measured)
            record["slot"]["setup"]["bundle"] = str(measured.slot.setup.bundle)
            record["latencies_ms"] = [round(ms, 3) for ms in measured.latencies_ms]
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(record) + "\n")

    def all(self) -> list[Measured]:
        """Every slot, in the order in which they were measured."""
        return list(self._found.values())


def _measured(record: dict[str, Any]) -> Measured:
    slot = record.pop("slot")
    setup = slot.pop("setup")
    where = Setup(Path(setup["bundle"]), setup["precision"], setup["batching"])
    latencies_ms, tickets = tuple(record.pop("latencies_ms")), tuple(record.pop("tickets"))
    return Measured(Slot(setup=where, **slot), latencies_ms=latencies_ms, tickets=tickets, **record)
