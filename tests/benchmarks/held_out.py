"""A run's file comes in; how well a real server routes its held-out tickets over HTTP goes out.

Shapes: N tickets, C classes of a task.
"""

import asyncio
import json
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from service.contract.tasks import Task
from tests.benchmarks import device, table
from tests.benchmarks.desk import as_body
from tests.benchmarks.load import Exchange, Load, closed_loop
from tests.benchmarks.server import serving
from training.data.dataset import UNLABELLED
from training.data.read import read_table
from training.data.split import read_splits
from training.data.table import Row
from training.evaluate import measure
from training.prepare import SPLIT_FILE, Wanted

HEADER = ("task", "model", "n", "accuracy", "macro-F1", "QWK", "ECE")
MODELS = {"tfidf": "TF-IDF + logistic regression", "majority": "majority"}
FIGURES = ("accuracy", "macro_f1", "qwk", "ece")


def read_held_out(data: Path, run: Path, tasks: Sequence[Task]) -> list[Row]:
    """The rows of the run's test split, in the order of the file."""
    assignment = read_splits(run / SPLIT_FILE)
    wanted = [Wanted(task.name, None) for task in tasks]
    everything, _ = read_table(data, wanted, max_reject_share=1.0)
    return [row for row in everything.restrict(tasks).rows if assignment.get(row.id) == "test"]


def served_tasks(url: str) -> tuple[Task, ...]:
    """The tasks of the bundle that a server serves."""
    with urllib.request.urlopen(f"{url}/bundle", timeout=10) as reply:
        return tuple(Task.model_validate(task) for task in json.load(reply)["tasks"])


def route_all(url: str, rows: Sequence[Row], clients: int) -> Load:
    """Routes every row; the exchanges are in the order of the rows."""
    bodies = [as_body(row.subject, row.body) for row in rows]
    return asyncio.run(closed_loop(url, bodies, clients))


def measures(task: Task, rows: Sequence[Row], exchanges: Sequence[Exchange]) -> dict[str, float]:
    """The measures of training, computed on what the server answered."""
    places = {label: place for place, label in enumerate(task.labels)}
    truth_N = np.array([places.get(row.labels.get(task.name, ""), UNLABELLED) for row in rows])
    answers = [json.loads(exchange.body)["predictions"][task.name] for exchange in exchanges]
    scores_NC = np.array(
        [_scores(task.classes, places[a["label"]], a["confidence"]) for a in answers]
    )
    return measure(task, scores_NC, truth_N)


def _scores(classes: int, label: int, confidence: float) -> NDArray[np.float64]:
    """Log probabilities (C,) with the answered label and confidence; the rest is spread evenly."""
    probabilities_C = np.full(classes, max(1.0 - confidence, 1e-12) / (classes - 1))
    probabilities_C[label] = confidence
    return np.asarray(np.log(probabilities_C))


def table_rows(name: str, found: dict[str, float], report: dict[str, Any]) -> list[list[str]]:
    """A task's rows: over HTTP, then the baselines of the run's report on the same split."""
    baselines = [(title, report["tasks"][name][key]) for key, title in MODELS.items()]
    return [_row(name, title, figures) for title, figures in [("Harbor", found), *baselines]]


def _row(task: str, model: str, found: dict[str, float]) -> list[str]:
    figures = [f"{found[key]:.3f}" if key in found else "" for key in FIGURES]
    return [task, model, f"{found['n']:,.0f}", *figures]


@contextmanager
def _server(url: str | None, bundle: Path | None) -> Iterator[str]:
    if url is not None:
        yield url.rstrip("/")
    elif bundle is not None:
        with serving(bundle) as server:
            yield server.url
    else:
        raise typer.BadParameter("give --url or --bundle")


def main(
    data: Annotated[Path, typer.Option(help="the file that the run was trained on")],
    run: Annotated[Path, typer.Option(help="the run's directory")],
    url: Annotated[str | None, typer.Option(help="a server that runs already")] = None,
    bundle: Annotated[Path | None, typer.Option(help="or the bundle to serve")] = None,
    clients: Annotated[int, typer.Option(min=1, help="requests under way at once")] = 16,
) -> None:
    """Routes a run's test split over HTTP, compares with its labels; fails if a request failed."""
    with _server(url, bundle) as base:
        tasks = served_tasks(base)
        rows = read_held_out(data, run, tasks)
        load = route_all(base, rows, clients)
    if load.failures or not rows:
        sys.exit(f"{load.failures} of {len(rows)} requests failed")
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    lines = [
        line
        for task in tasks
        for line in table_rows(task.name, measures(task, rows, load.done), report)
    ]
    table.show(f"Held-out tickets of {data.name}", HEADER, lines, device.facts())
    mean_ms = 1000 * sum(exchange.seconds for exchange in load.done) / len(load.done)
    print(f"\n{len(rows):,} tickets, {load.per_s:.0f} a second, mean latency {mean_ms:.1f} ms")


if __name__ == "__main__":
    typer.run(main)
