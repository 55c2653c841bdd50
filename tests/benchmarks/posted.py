"""Where a load goes, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """url: `http://host:port`. path: what is posted to. bodies: JSON, one line each, posted in turn
    and over and over.
    """

    url: str
    bodies: Sequence[bytes]
    path: str = "/route"

    @property
    def address(self) -> str:
        """The whole address."""
        return self.url + self.path


@dataclass(frozen=True)
class Posted:
    """What a closed loop met.

    client: the program that posted. per_s: requests answered with 200 a second. failed: the others.
    cpu_s: of the client, while it posted for `wall_s` seconds.
    """

    client: str
    per_s: float
    p50_ms: float
    p99_ms: float
    failed: int
    cpu_s: float
    wall_s: float
