"""A run's progress and its report come in; bars, lines and one table on the terminal go out."""

from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from training.evaluate import Measures
from training.journal import BAR
from training.listener import Listener

MEASURES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "qwk": "QWK",
    "ece_debiased": "ECE, debiased",
}
ROWS = {
    "test": "Harbor",
    "uncalibrated": "before calibration",
    "tfidf": "TF-IDF + logistic regression",
    "majority": "majority",
}


SILENT = Listener(
    say=lambda _: None,
    progress=lambda _name, _done, _total: None,
    step=lambda _step, _losses: None,
    epoch=lambda _epoch, _measures, _metric: None,
)
"""Tells nobody."""


class Watch:
    """Draws a run: `with Watch(console) as watch: train(directory, watch.listener())`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._losses = ""

    def __enter__(self) -> "Watch":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def listener(self) -> Listener:
        """What `training.run.train` and `training.conclude.conclude` tell."""
        return Listener(say=self._say, progress=self._progress, step=self._step, epoch=self._epoch)

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False)

    def _progress(self, name: str, done: int, total: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, losses="")
        losses = self._losses if name == BAR else ""
        self._bars.update(self._tasks[name], completed=done, total=total, losses=losses)

    def _step(self, _: int, losses: dict[str, float]) -> None:
        self._losses = " ".join(f"{task} {loss:.2f}" for task, loss in losses.items())

    def _epoch(self, epoch: int, measures: dict[str, Measures], metric: float) -> None:
        found = "  ".join(
            f"{task} F1 {values.get('macro_f1', 0.0):.3f} loss {values.get('nll', 0.0):.3f}"
            for task, values in measures.items()
        )
        self._say(f"epoch {epoch + 1}: validation {found}; stopping metric {metric:.4f}")


def report_table(report: dict[str, Any]) -> Table:
    """The test split's measures of every task, beside the baselines."""
    table = Table(title="Test split")
    for heading in ("task", "model", "n", *MEASURES.values()):
        table.add_column(heading, justify="left" if heading in {"task", "model"} else "right")
    for task, rows in report["tasks"].items():
        for kind, label in ROWS.items():
            values = rows[kind]
            cells = [f"{values[name]:.3f}" if name in values else "" for name in MEASURES]
            table.add_row(task, label, f"{values['n']:.0f}", *cells)
        table.add_section()
    return table
