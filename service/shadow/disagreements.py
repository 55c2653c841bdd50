"""Compared answers of one legacy come in; the running disagreement of each task goes out."""

from collections import defaultdict
from collections.abc import Iterable

from service.metrics import ShadowMetrics
from service.shadow.documents import ShadowTask
from service.shadow.tally import Tally

Pair = tuple[str, str]
"""Digest of the bundle that answered, and identity of the legacy."""


class Disagreements:
    """The running disagreement of one legacy with the bundle that answers, per task.

    It belongs to the newest pair of models: with another pair it starts anew, and an answer that
    comes in late for an earlier pair is left out.
    """

    def __init__(self, legacy: str, window: int, metrics: ShadowMetrics) -> None:
        """window: compared answers behind each figure."""
        self._legacy, self._metrics = legacy, metrics
        self._pair: Pair | None = None
        self._tallies: defaultdict[str, Tally] = defaultdict(lambda: Tally(window))
        self._shown: dict[str, ShadowTask] = {}
        self._nothing = ShadowTask(disagreement=Tally(window).disagreement())

    def turn(self, pair: Pair) -> None:
        """Makes this the newest pair."""
        if pair == self._pair:
            return
        self._pair = pair
        for task, tally in self._tallies.items():
            tally.reset()
            self._show(task)

    def add(self, pair: Pair, task: str, differs: bool) -> None:
        """A compared answer."""
        if pair == self._pair:
            self._tallies[task].add(differs)
            self._show(task)

    def seed(self, pair: Pair, task: str, flags: Iterable[bool]) -> None:
        """Answers of before; ignored where another pair has taken over."""
        if self._pair in (None, pair):
            self._pair = pair
            self._tallies[task].seed(flags)
            self._show(task)

    def task(self, name: str) -> ShadowTask:
        """What a reply says about one task."""
        return self._shown.get(name, self._nothing)

    def _show(self, task: str) -> None:
        """Done once an answer, so that a reply only has to look it up."""
        found = self._tallies[task].disagreement()
        self._shown[task] = ShadowTask(disagreement=found)
        rate = float("nan") if found.rate is None else found.rate
        self._metrics.window(self._legacy, task, found.n, rate, found.low, found.high)
