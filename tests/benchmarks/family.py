"""A server's process comes in; its core and its fronts, what they hold and what they use go out."""

import re
import urllib.request
from dataclasses import dataclass

import psutil

_OUTCOMES = re.compile(r'^harbor_tickets_total\{outcome="(\w+)"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True)
class Family:
    """Of a single process all three are the same one; else the fronts stand before one core."""

    root: psutil.Process
    core: psutil.Process
    fronts: tuple[psutil.Process, ...]

    @classmethod
    def of(cls, pid: int) -> "Family":
        """pid: of what `tests.benchmarks.server.serving` started; all of it is there."""
        root = psutil.Process(pid)
        children = sorted(root.children(), key=lambda child: child.create_time())
        if not children:
            return cls(root, root, (root,))
        # The supervisor begins the core first, and the fronts once it answers.
        core, *fronts = children
        return cls(root, core, tuple(fronts))

    @property
    def all(self) -> tuple[psutil.Process, ...]:
        """Each process once."""
        return tuple(dict.fromkeys((self.root, self.core, *self.fronts)))

    def held_mb(self) -> float:
        """Memory of all together, in 10^6 bytes; pages that several share count once."""
        return sum(held_mb(process) for process in self.all)


def held_mb(process: psutil.Process) -> float:
    """Proportional set size in 10^6 bytes: a page that n processes share counts as its n-th."""
    return float(process.memory_full_info().pss / 1e6)


def cpu_s(process: psutil.Process) -> float:
    """User and system seconds so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def outcomes(url: str) -> dict[str, float]:
    """Harbor's tickets so far, by outcome."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as reply:
        page = reply.read().decode()
    return {name: float(count) for name, count in _OUTCOMES.findall(page)}
