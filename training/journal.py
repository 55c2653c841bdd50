"""What happens in a run comes in; events, alerts and a watcher's lines go out."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from training.balance.balancer import Balancer
from training.data.dataset import Dataset
from training.diagnostics.alerts import Watch
from training.diagnostics.throughput import Meter
from training.evaluate import Measures
from training.listener import Listener
from training.plan import Plan
from training.record import Record
from training.sampling.realised import realised
from training.sampling.sampler import Sampler
from training.step.taken import Taken

BAR = "training"


class Journal:
    """Writes a run's record and tells its listener. record: None in a process that does not lead,
    which then writes and tells nothing.
    """

    def __init__(self, record: Record | None, listener: Listener, plan: Plan, watch: Watch) -> None:
        self._record = record
        self._listener = listener
        self._plan = plan
        self._watch = watch
        self._meter = Meter()

    def progress(self, name: str, done: int, total: int) -> None:
        """How far something is."""
        if self._record is not None:
            self._listener.progress(name, done, total)

    def sampling(self, sampler: Sampler, steps: int) -> None:
        """What the first steps draw, beside what was stated."""
        self._write("sampling", step=0, **realised(sampler, steps).document())

    def begin(self) -> None:
        """A step begins."""
        self._meter.begin()

    def step(self, step: int, taken: Taken, norm: float, weights: Mapping[str, float]) -> None:
        """A step ended. norm: of the whole gradient, before it was clipped."""
        seconds = self._meter.end(taken.tokens, taken.padded_tokens)
        if self._record is None:
            return
        if taken.compared is not None:
            self._compared(step, taken, weights)
        self._write(
            "step",
            step=step,
            losses=taken.losses,
            gradient_norm=norm if math.isfinite(norm) else None,
            objectives=taken.objectives,
            tokens=taken.tokens,
            padded_tokens=taken.padded_tokens,
            seconds=round(seconds, 4),
        )
        self._listener.step(step, taken.losses)
        self.progress(BAR, step + 1, self._plan.total)

    def epoch(
        self,
        step: int,
        measures: dict[str, Measures],
        metric: float,
        *,
        best: bool,
        balancer: Balancer,
        load: Mapping[str, list[float]],
    ) -> None:
        """An epoch ended with its last step. load: of experts, where there are any."""
        if self._record is None:
            return
        epoch = self._plan.epoch(step)
        self._write(
            "epoch",
            step=step,
            epoch=epoch,
            validation=measures,
            metric=metric,
            best=best,
            weights=balancer.weights(),
        )
        if load:
            self._write("experts", step=step, load=dict(load))
        if (throughput := self._meter.take()) is not None:
            self._write("throughput", step=step, **asdict(throughput))
        for alert in self._watch.epoch(measures, metric):
            self._write("alert", step=step, **alert.fields())
            self._listener.say(f"alert: {alert.said}")

    def tell(self, epoch: int, measures: dict[str, Measures], metric: float) -> None:
        """Tells the listener of an epoch that is over and saved; it may stop the run by raising."""
        if self._record is not None:
            self._listener.epoch(epoch, measures, metric)

    def _compared(self, step: int, taken: Taken, weights: Mapping[str, float]) -> None:
        assert taken.compared is not None
        found = asdict(taken.compared)
        self._watch.gradients(found["cosines"], found["norms"], weights)
        self._write("gradients", step=step, **found, weights=dict(weights))

    def _write(self, event: str, **fields: Any) -> None:
        if self._record is not None:
            self._record.write(event, **fields)


def label_counts(dataset: Dataset) -> dict[str, list[int]]:
    """Of each task, the tickets of each class."""
    found = {}
    for task in dataset.tasks:
        labels_N = dataset.labels(task.name)
        found[task.name] = np.bincount(labels_N[labels_N >= 0], minlength=task.classes).tolist()
    return found
