"""Gradient comparisons and validation measures come in as a run goes on; alerts go out at the end
of an epoch.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from training.diagnostics.cosine import BETWEEN
from training.diagnostics.scales import scales, weighted
from training.diagnostics.transfer import Scores, below_single, fell
from training.diagnostics.verdict import judge_all

Kind = Literal["conflict", "scale", "negative_transfer"]

WINDOW = 10
"""Comparisons that the scale of the gradients is read from: the latest."""


@dataclass(frozen=True)
class Alert:
    """tasks: those concerned, the one that suffers or leads first. said: one sentence with its
    figures.
    """

    kind: Kind
    tasks: tuple[str, ...]
    said: str

    def fields(self) -> dict[str, Any]:
        """What the `alert` event holds besides its step."""
        return {**asdict(self), "tasks": list(self.tasks)}


class Watch:
    """One run's alerts. Everything it knows is in the run's events, so that a resumed run, which
    hands them to `recall`, says what the first would have said.

    tickets: validation tickets of each class, by task, without which they count as even. singles:
    the validation macro-F1 of each task's single-task model; empty where none was trained.

    An alert is said once, and again only after an epoch in which its cause was gone.
    """

    def __init__(
        self,
        tickets: Mapping[str, Sequence[int]] | None = None,
        singles: Mapping[str, float] | None = None,
    ) -> None:
        self._singles = dict(singles or {})
        self._tickets = {task: list(counts) for task, counts in (tickets or {}).items()}
        self._cosines: dict[str, list[float]] = {}
        self._sizes: list[dict[str, float]] = []
        self._scores: dict[str, Scores] = {}
        self._standing: set[tuple[Kind, tuple[str, ...]]] = set()

    def gradients(
        self,
        cosines: Mapping[str, float],
        norms: Mapping[str, float],
        weights: Mapping[str, float],
    ) -> None:
        """After a comparison, with what its event holds."""
        for pair, cosine in cosines.items():
            self._cosines.setdefault(pair, []).append(cosine)
        self._sizes = [*self._sizes, weighted(norms, weights)][-WINDOW:]

    def epoch(self, validation: Mapping[str, Mapping[str, float]], metric: float) -> list[Alert]:
        """After an epoch, with each task's validation measures and the metric that early stopping
        watches; what is new.
        """
        for task, measures in validation.items():
            if measures.get("n", 0.0) > 0.0:
                scores = self._scores.setdefault(task, Scores.over(self._tickets.get(task)))
                scores.add(measures["macro_f1"], measures["n"], metric)
        return self._new([*self._conflicts(), *self._scale(), *self._transfer()])

    def recall(self, events: Iterable[Mapping[str, Any]]) -> None:
        """What a run before this one went through, from its events; nothing is said of it again."""
        for event in events:
            if event.get("event") == "gradients":
                self.gradients(event["cosines"], event["norms"], event["weights"])
            elif event.get("event") == "epoch":
                self.epoch(event["validation"], event["metric"])

    def _conflicts(self) -> list[Alert]:
        found = {
            tuple(pair.split(BETWEEN)): verdict
            for pair, verdict in judge_all(self._cosines).items()
            if verdict.word == "conflicting"
        }
        return [
            Alert("conflict", tasks, f"{' and '.join(tasks)} are {verdict}")
            for tasks, verdict in found.items()
        ]

    def _scale(self) -> list[Alert]:
        found = scales(self._sizes)
        if found is None or found.balanced:
            return []
        return [Alert("scale", (found.largest, found.smallest), str(found))]

    def _transfer(self) -> list[Alert]:
        said = {task: self._lost(task, scores) for task, scores in self._scores.items()}
        return [
            Alert("negative_transfer", (task,), text)
            for task, text in said.items()
            if text is not None
        ]

    def _lost(self, task: str, scores: Scores) -> str | None:
        if (said := fell(task, scores)) is not None or task not in self._singles:
            return said
        return below_single(task, scores, self._singles[task])

    def _new(self, alerts: list[Alert]) -> list[Alert]:
        before, self._standing = self._standing, {(one.kind, one.tasks) for one in alerts}
        return [one for one in alerts if (one.kind, one.tasks) not in before]
