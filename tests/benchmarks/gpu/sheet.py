"""Parts of a measurement come in; their figures, and why a part has none, go out."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from service.errors import ProviderMissing
from tests.benchmarks.bounds import Figure
from tests.benchmarks.placement import MisplacedError


class NotMeasurable(Exception):
    """This machine, or this bundle, cannot give a figure; the message says why."""


@dataclass(frozen=True)
class Missing:
    """A figure that was not measured. fault: it ought to have been."""

    measure: str
    why: str
    fault: bool = False

    def row(self) -> tuple[str, str, str, str]:
        """As a figure's."""
        return self.measure, f"not measured: {self.why}", "", "NO" if self.fault else ""

    def document(self) -> dict[str, object]:
        """As a figure's."""
        return {"measure": self.measure, "value": None, "why": self.why, "holds": not self.fault}

    @property
    def holds(self) -> bool:
        """A fault fails the run."""
        return not self.fault


class Sheet:
    """What a run has found so far, within its time."""

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.found: list[Figure | Missing] = []
        self.took_s: dict[str, float] = {}
        self._clock, self._end = clock, clock() + limit_s

    def part(self, name: str, needs_s: float, measure: Callable[[], Iterable[Figure]]) -> None:
        """Measures a part, unless less than `needs_s` is left.

        What fails is told beside what was measured; only a graph that is not on the provider ends
        the run, as all figures would be another's. Raises MisplacedError, ProviderMissing.
        """
        began = self._clock()
        if self._end - began < needs_s:
            left_s = max(0.0, self._end - began)
            why = f"{needs_s:.0f} s are needed, {left_s:.0f} s are left"
            self.found.append(Missing(name, why, fault=True))
            return
        try:
            # One by one: what was measured before a failure stays.
            for figure in measure():
                self.found.append(figure)
        except (MisplacedError, ProviderMissing):
            raise
        except NotMeasurable as error:
            self.found.append(Missing(name, str(error)))
        except Exception as error:
            why = f"{type(error).__name__}: {error}"[-300:]
            self.found.append(Missing(name, why, fault=True))
        finally:
            self.took_s[name] = self._clock() - began
