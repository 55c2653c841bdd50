"""Two runs' bundles and their file come in; a shadow over the held-out tickets, and its verdict.

The primary and the legacy run side by side in one real server. Every ticket that neither run was
trained on goes through HTTP, its labels come back as feedback, and the report is read. `--fresh`
takes as many newly generated tickets instead, for runs on the generated desk.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer

from service.client import HarborClient
from service.shadow.findings.document import Rate, Report, TaskReport
from service.shadow.page import render
from tests.benchmarks import device, table
from tests.benchmarks.held_out import read_held_out, served_tasks
from tests.benchmarks.server import serving
from training.data.sample import generate
from training.data.split import read_splits
from training.data.table import Row
from training.prepare import SPLIT_FILE

CHUNK = 500
"""Items of one feedback request."""

SEED = 99


def held_out_of_both(data: Path, run: Path, other: Path, url: str) -> list[Row]:
    """The test rows of `run` that are test rows of `other` too: neither was trained on them."""
    theirs = read_splits(other / SPLIT_FILE)
    return [
        row
        for row in read_held_out(data, run, served_tasks(url))
        # A row without a label of the other run's tasks is in none of its splits.
        if theirs.get(row.id, "test") == "test"
    ]


def fresh(count: int) -> list[Row]:
    """Generated tickets of a seed that no run is trained on."""
    return list(generate(count, SEED))


def stream(url: str, rows: Sequence[Row], clients: int) -> None:
    """Routes every row and waits for the legacy's answer to it; then sends its labels."""
    with HarborClient(url, timeout_s=60.0) as client, ThreadPoolExecutor(clients) as pool:

        def route(row: Row) -> None:
            client.route(row.subject, row.body, ticket_id=row.id, wait_for_shadow=True)

        list(pool.map(route, rows))
        labelled = [_feedback(row) for row in rows if row.labels]
        for start in range(0, len(labelled), CHUNK):
            reply = client.feedback_batch(labelled[start : start + CHUNK])
            if any(item.problem is not None for item in reply.results):
                sys.exit("a label was refused")


def _feedback(row: Row) -> dict[str, Any]:
    return {"ticket_id": row.id, "labels": dict(row.labels)}


def report_rows(task: TaskReport) -> Iterator[list[str]]:
    """What the report says of one task, a line a figure."""
    found, promoting = task.accuracy, task.test.sides[0]
    counts = found.counts
    yield [task.task, "disagreement", _rate(task.disagreement)]
    yield [task.task, "accuracy, primary", _rate(found.challenger)]
    yield [task.task, "accuracy, legacy", _rate(found.incumbent)]
    yield [
        task.task,
        "only the primary right / only the legacy",
        f"{counts.challenger} / {counts.incumbent}",
    ]
    yield [
        task.task,
        "gap",
        f"{100 * (found.gap or 0):+.2f} points ({100 * found.low:+.2f} to {100 * found.high:+.2f})",
    ]
    yield [task.task, "anytime-valid p, challenger better", f"{promoting.p_value:.3f}"]
    yield [task.task, "verdict", task.judgement.verdict]
    if task.judgement.labels_needed:
        yield [task.task, "labels needed still", f"{task.judgement.labels_needed:,}"]
    for pair in task.pairs[:3]:
        yield [task.task, f"legacy {pair.incumbent}, primary {pair.challenger}", f"{pair.count}"]


def _rate(rate: Rate) -> str:
    share = f"{100 * (rate.rate or 0):.1f} % of {rate.n:,}"
    return f"{share} ({100 * rate.low:.1f} to {100 * rate.high:.1f})"


def main(
    data: Annotated[Path, typer.Option(help="the file that both runs were trained on")],
    run: Annotated[Path, typer.Option(help="the primary's run; its bundle lies beside it")],
    legacy: Annotated[Path, typer.Option(help="the legacy's run; its bundle lies beside it")],
    clients: Annotated[int, typer.Option(min=1, help="requests under way at once")] = 2,
    page: Annotated[Path | None, typer.Option(help="where to write the report's page")] = None,
    new: Annotated[int, typer.Option("--fresh", help="generated tickets, instead of held-out")] = 0,
) -> None:
    """Runs the shadow and prints its report; ends with 1 if a ticket was not compared."""
    with tempfile.TemporaryDirectory() as scratch:
        config = Path(scratch) / "shadow.yaml"
        old = {"name": "legacy", "bundle": str(legacy.resolve().parent / "bundle")}
        config.write_text(json.dumps({"legacies": [old], "wait_s": 60, "maturity_days": 0}))
        with serving(run.resolve().parent / "bundle", "--shadow", str(config)) as server:
            rows = fresh(new) if new else held_out_of_both(data, run, legacy, server.url)
            stream(server.url, rows, clients)
            with HarborClient(server.url, timeout_s=60.0) as client:
                report = client.shadow_report()
    if page is not None:
        page.write_text(render(report), encoding="utf-8")
    show(report, "the generated desk" if new else data.name, len(rows))


def show(report: Report, name: str, tickets: int) -> None:
    """Prints the table, and ends with 1 unless every ticket was compared."""
    lines = [line for task in report.tasks for line in report_rows(task)]
    header = ("task", "figure", "measured")
    table.show(f"Shadow on {tickets:,} tickets of {name}", header, lines, device.facts())
    if any(task.disagreement.n != tickets for task in report.tasks):
        sys.exit("not every ticket was compared")


if __name__ == "__main__":
    typer.run(main)
