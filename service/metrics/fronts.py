"""What HTTP fronts counted comes in; one sum over all processes goes out."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

Key = tuple[str, str, tuple[tuple[str, str], ...]]
"""Family, sample, labels."""

Wanted = Callable[[dict[str, str]], bool]
"""Whether a family's sample with these labels is still wanted."""

_SUMMED = ("counter", "histogram")
_CPU, _RESIDENT = "process_cpu_seconds", "process_resident_memory_bytes"


@dataclass(frozen=True, slots=True)
class Counts:
    """All counters and histograms of one process, since its start.

    cpu_s, resident_bytes: what the process used; 0 where the system does not say.
    """

    values: dict[Key, float]
    cpu_s: float = 0.0
    resident_bytes: float = 0.0

    def since(self, before: "Counts") -> "Counts":
        """What was counted after `before`; what the process used stays as it is. A count that is
        smaller than before was forgotten and began anew.
        """
        new = {key: _after(now, before.values.get(key, 0.0)) for key, now in self.values.items()}
        return replace(self, values=new)

    def still_in(self, now: "Counts") -> "Counts":
        """Without what has been forgotten by now."""
        kept = {key: value for key, value in self.values.items() if key in now.values}
        return replace(self, values=kept)


def counts_of(registry: CollectorRegistry) -> Counts:
    """What this process has counted."""
    values: dict[Key, float] = {}
    used: dict[str, float] = {}
    for family in registry.collect():
        if family.name in (_CPU, _RESIDENT):
            used[family.name] = family.samples[0].value
        elif family.type in _SUMMED and not family.name.startswith("process_"):
            values |= {_key(family, sample): sample.value for sample in _counted(family)}
    return Counts(values, used.get(_CPU, 0.0), used.get(_RESIDENT, 0.0))


class Fronts:
    """The latest counts of each front, and the sum of those that are gone."""

    def __init__(self) -> None:
        self._live: dict[int, tuple[str, Counts]] = {}
        self._gone: Counter[Key] = Counter()
        self._names: set[str] = set()
        self._wanted: dict[str, Wanted] = {}
        self._entered = 0

    def __len__(self) -> int:
        return len(self._live)

    @property
    def expected(self) -> bool:
        """Whether there has been one."""
        return self._entered > 0

    def enter(self, name: str) -> tuple[int, bool]:
        """A front connects: the number to report its counts under, and whether it stands in for one
        of the same name that ended.
        """
        known = name in self._names
        self._names.add(name)
        self._entered += 1
        self._live[self._entered] = name, Counts({})
        return self._entered, known

    def update(self, number: int, counts: Counts) -> None:
        """What a front has counted by now."""
        self._live[number] = self._live[number][0], counts

    def leave(self, number: int) -> None:
        """A front is gone; what it counted stays counted."""
        _, counts = self._live.pop(number)
        self._gone.update(counts.values)
        for family in self._wanted:
            self._forget(family)

    def used(self) -> Iterator[tuple[str, Counts]]:
        """Of each front its name and its latest counts."""
        yield from self._live.values()

    def keep(self, family: str, wanted: Wanted) -> None:
        """Forgets those of a family's counts whose labels are not wanted any more."""
        self._wanted[family] = wanted
        self._forget(family)

    def _forget(self, family: str) -> None:
        wanted = self._wanted[family]
        for key in [key for key in self._gone if key[0] == family and not wanted(dict(key[2]))]:
            del self._gone[key]

    def added_to(self, registry: CollectorRegistry) -> "Sum":
        """This process's metrics with those of the fronts, to be read at once."""
        total: Counter[Key] = Counter(self._gone)
        for _, counts in self._live.values():
            total.update(counts.values)
        return Sum(registry, total)


class Sum:
    """What the text format is made of, as a registry gives it."""

    def __init__(self, registry: CollectorRegistry, added: Counter[Key]) -> None:
        self._registry, self._added = registry, added

    def collect(self) -> Iterator[Metric]:
        """Every family, with the fronts' values added."""
        left = dict(self._added)
        for family in self._registry.collect():
            if family.type in _SUMMED:
                family.samples = [
                    sample._replace(value=sample.value + left.pop(_key(family, sample), 0.0))
                    for sample in family.samples
                ]
                new = [key for key in left if key[0] == family.name]
                family.samples += [Sample(key[1], dict(key[2]), left.pop(key)) for key in new]
            yield family


def _after(now: float, before: float) -> float:
    return now - before if now >= before else now


def _counted(family: Metric) -> Iterable[Sample]:
    return (sample for sample in family.samples if not sample.name.endswith("_created"))


def _key(family: Metric, sample: Sample) -> Key:
    return family.name, sample.name, tuple(sample.labels.items())
