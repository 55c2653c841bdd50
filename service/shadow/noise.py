"""Legacies' labels for the same ticket come in; how often two legacies differ goes out."""

from collections import OrderedDict, defaultdict

from service.metrics import ShadowMetrics
from service.shadow.documents import NoiseFloor
from service.shadow.tally import Tally

Pair = tuple[str, str, str]
"""A task and the names of two legacies, in alphabetical order."""

Halves = OrderedDict[str, dict[str, tuple[str, str]]]
"""By ticket, then by legacy: its identity and its label."""


class Noise:
    """The noise floor: the disagreement of every two legacies that answer the same task.

    Labels of a ticket that some legacy has yet to answer are kept for the latest `limit` tickets of
    each task; a legacy that is further behind than that is not compared with the others.
    """

    def __init__(self, window: int, limit: int, metrics: ShadowMetrics) -> None:
        """window: tickets behind each figure."""
        self._limit, self._metrics = limit, metrics
        self._halves: defaultdict[str, Halves] = defaultdict(OrderedDict)
        self._tallies: defaultdict[Pair, Tally] = defaultdict(lambda: Tally(window))
        self._identities: dict[Pair, tuple[str, str]] = {}

    def add(self, ticket: str, task: str, legacy: str, identity: str, label: str) -> None:
        """A label that could be compared. ticket: the decision's id; once per ticket and legacy."""
        halves = self._halves[task]
        others = halves.setdefault(ticket, {})
        for other, (its_identity, its_label) in others.items():
            differs = label != its_label
            self._count(task, (legacy, identity), (other, its_identity), differs)
        others[legacy] = (identity, label)
        if len(halves) > self._limit:
            halves.popitem(last=False)

    def floors(self) -> list[NoiseFloor]:
        """Every two legacies that answered the same task of some ticket."""
        return [
            NoiseFloor(task=task, one=one, other=other, disagreement=tally.disagreement())
            for (task, one, other), tally in sorted(self._tallies.items())
        ]

    def _count(
        self, task: str, model: tuple[str, str], another: tuple[str, str], differs: bool
    ) -> None:
        first, second = sorted((model, another))
        pair, identities = (task, first[0], second[0]), (first[1], second[1])
        tally = self._tallies[pair]
        if self._identities.setdefault(pair, identities) != identities:
            self._identities[pair] = identities
            tally.reset()
        tally.add(differs)
        self._metrics.noise(*pair, differs)
