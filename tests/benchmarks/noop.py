"""A bundle comes in; what one front routes when the graph costs next to nothing goes out."""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.family import Family, cpu_s
from tests.benchmarks.hollow import write_hollow
from tests.benchmarks.posted import Target
from tests.benchmarks.posting import post
from tests.benchmarks.server import serving

PROGRAM = (sys.executable, "-m", "tests.benchmarks.one_front")
CLIENTS = 64
WARM_UP_S = 1.0


@dataclass(frozen=True)
class NoOp:
    """seen_per_s: tickets a second, with all else that ran on the machine. front_us, core_us: CPU
    of a ticket there.
    """

    seen_per_s: float
    front_us: float
    core_us: float

    @property
    def per_s(self) -> float:
        """What a front does that always has a core of the machine to itself."""
        return 1e6 / self.front_us


def measure(bundle: Path, bodies: Sequence[bytes], seconds: float, *flags: str) -> NoOp:
    """One front before one core. flags: more of `harbor-serve run`."""
    with tempfile.TemporaryDirectory() as scratch:
        hollow = write_hollow(bundle, Path(scratch) / "hollow")
        with serving(hollow, "--provider", "cpu", *flags, program=PROGRAM) as server:
            family, target = Family.of(server.pid), Target(server.url, bodies)
            (front,) = family.fronts
            post(target, CLIENTS, WARM_UP_S)
            before = cpu_s(front), cpu_s(family.core)
            posted = post(target, CLIENTS, seconds)
            used = cpu_s(front) - before[0], cpu_s(family.core) - before[1]
    tickets = posted.per_s * posted.wall_s
    return NoOp(posted.per_s, 1e6 * used[0] / tickets, 1e6 * used[1] / tickets)
