"""What a race measures: its plan, one slot of it, and what came of that slot."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.benchmarks.contender import Setup

Kind = Literal["raw", "alone", "closed", "open", "flood"]
"""raw: offline throughput, level = place of the arrangement. alone: offline, batch one, one thread,
ticket by ticket. closed: level = clients. open: Poisson, level = share of the contender's own
saturation. flood: level 0 = short tickets alone at a low rate, 1 = while long ones flood.
"""

SATURATED = 32
"""Clients of the closed loop whose throughput is a contender's saturation."""


@dataclass(frozen=True)
class Plan:
    """rounds: each measures everything once. seconds: of a slot. clients: of the closed loops,
    SATURATED among them where open_loop or flood is wanted. open_loop: shares of saturation.
    """

    rounds: int = 4
    seconds: float = 5.0
    clients: tuple[int, ...] = (1, 8, 32, 128)
    open_loop: tuple[float, ...] = (0.3, 0.7, 0.9, 3.0)
    flood: bool = True


@dataclass(frozen=True)
class Slot:
    """One measurement; what a rerun finds in the journal under an equal slot is not repeated."""

    contender: str
    setup: Setup
    kind: Kind
    level: float
    round: int


@dataclass(frozen=True)
class Measured:
    """What came of a slot.

    latencies_ms: of the answers with status 200, in the order in which they came, from the moment
    at which each request was due. tickets: which ticket each was (its place in the desk). in_time:
    how many of them came within wall_s, the slot's length. refused: 429, 503 and 504. failed: every
    other status, and broken connections. offered_per_s: of an open loop. flooding: answers to the
    long tickets of a flood, which are in no other count. real_tokens, padded_tokens: 0 where the
    server does not say. stolen: share of the wanted time that the hypervisor took. statuses: how
    many replies of each (`0`: a broken connection).
    """

    slot: Slot
    wall_s: float
    in_time: int
    refused: int
    failed: int
    server_cpu_s: float
    client_cpu_s: float
    stolen: float
    latencies_ms: tuple[float, ...]
    tickets: tuple[int, ...]
    offered_per_s: float = 0.0
    flooding: int = 0
    real_tokens: float = 0.0
    padded_tokens: float = 0.0
    statuses: Mapping[str, int] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        """All answers with status 200, late ones too."""
        return len(self.latencies_ms)

    @property
    def per_s(self) -> float:
        """Answers a second within the slot."""
        return self.in_time / self.wall_s
