"""A bundle that promises comes in; a desk that looks for final labels all the time goes out."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from service.api.reliability import ReliabilityReply
from service.contract.promises import Evidence, Promise, Share, Threshold
from tests.service.desk import TICKET, Desk, serving
from tests.tiny_bundle import DEFAULT_TASKS, write_bundle

SHARE = Share(value=0.95, low=0.9, high=1.0)
EVIDENCE = Evidence(tickets=100, accepted=95, right=90, precision=SHARE, coverage=SHARE)
PROMISE = Promise(kind="precision", target=0.9, evidence=EVIDENCE)
LABELS = {task.name: task.labels for task in DEFAULT_TASKS}


def write_promised(directory: Path) -> Path:
    """A bundle that promises a precision of .9 on the queue of every ticket."""
    thresholds = {"queue": Threshold(auto=0.0, promise=PROMISE)}
    return write_bundle(directory, version="promised", thresholds=thresholds)


@asynccontextmanager
async def watched(bundle: Path, folder: Path, **changes: Any) -> AsyncIterator[Desk]:
    """A desk that looks for new labels all the time. changes: of the settings."""
    ledger = f"sqlite:///{folder}/ledger.db"
    async with serving(bundle, ledger=ledger, ledger_flush_s=0.02, **changes) as desk:
        desk.core.reliability._look_s, desk.core.reliability._rest = 0.02, 0.0
        desk.core.reliability._swapped.set()
        yield desk


async def label(desk: Desk, right: int, wrong: int, first: int = 0) -> None:
    """Routes so many tickets and gives each its final queue."""
    ids = [str(number) for number in range(first, first + right + wrong)]
    tickets = [{**TICKET, "ticket_id": name} for name in ids]
    reply = await desk.client.post("/route/batch", json={"tickets": tickets})
    feedback = []
    for place, result in enumerate(reply.json()["results"]):
        given = result["reply"]["predictions"]["queue"]["label"]
        other = next(name for name in LABELS["queue"] if name != given)
        final = given if place < right else other
        feedback.append({"ticket_id": ids[place], "labels": {"queue": final}})
    kept = await desk.client.post("/feedback/batch", json={"feedback": feedback})
    assert kept.status_code == 200, kept.text


async def ask(desk: Desk) -> ReliabilityReply | None:
    reply = await desk.client.get("/reliability")
    if reply.status_code == 503:
        assert reply.json()["code"] == "ledger_unavailable"
        return None
    return ReliabilityReply.model_validate_json(reply.content)


async def until(desk: Desk, holds: Callable[[ReliabilityReply | None], bool]) -> Any:
    """What is answered once the condition holds."""
    async with asyncio.timeout(20.0):
        while not holds(found := await ask(desk)):  # noqa: ASYNC110 - no event crosses HTTP
            await asyncio.sleep(0.02)
    return found


def has(n: int) -> Callable[[ReliabilityReply | None], bool]:
    return lambda found: found is not None and found.tasks["queue"].n == n


def gauges(desk: Desk, name: str, task: str = "queue") -> dict[str, float]:
    """Values by bound, or by the task where there is none."""
    samples = (
        sample
        for family in text_string_to_metric_families(desk.metrics)
        for sample in family.samples
        if sample.name == name and sample.labels["task"] == task
    )
    return {sample.labels.get("bound", task): sample.value for sample in samples}


def rename(folder: Path, table: str, name: str) -> None:
    change(folder, f"ALTER TABLE {table} RENAME TO {name}")


def change(folder: Path, statement: str) -> None:
    """Runs a statement as another program."""
    connection = sqlite3.connect(folder / "ledger.db")
    with connection:
        connection.execute(statement)
    connection.close()
