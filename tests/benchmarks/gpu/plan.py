"""How much of everything is measured, on a GPU and on a CPU, where only the way is tried."""

import os
from dataclasses import dataclass

from service.engine.device import IN_FLIGHT
from tests.benchmarks.opened import Provider


@dataclass(frozen=True)
class Plan:
    """What a run does.

    limit_s: of the whole. seconds: of a slot. batches: sizes that raw tries; threads: its calls
    under way. clients: of the saturated server. each, bulk_clients: tickets of a request to the
    batch endpoint, and how many are under way. waiting: tickets that wait where layouts are
    compared. bounded: whether the figures of a GPU are to hold.
    """

    provider: Provider
    workers: int
    limit_s: float
    seconds: float
    batches: tuple[int, ...]
    threads: int
    clients: int
    each: int
    bulk_clients: int
    waiting: int
    questions: int
    bounded: bool

    @property
    def cores(self) -> int:
        """Of this machine, for what is compared on the CPU."""
        return len(os.sched_getaffinity(0))

    @property
    def flags(self) -> tuple[str, ...]:
        """Of every server; decisions are not kept, as a desk's disk is not what is measured."""
        return ("--provider", self.provider, "--workers", str(self.workers), "--ledger", "off")


def plan_for(
    provider: Provider, workers: int | None, seconds: float | None, limit_s: float
) -> Plan:
    """None leaves it to the provider."""
    if provider == "cuda":
        return Plan(
            provider,
            workers=workers or 8,
            limit_s=limit_s,
            seconds=seconds or 5.0,
            batches=(32, 64, 128, 256),
            threads=IN_FLIGHT,
            clients=64 * (workers or 8),
            each=128,
            bulk_clients=64,
            waiting=512,
            questions=4000,
            bounded=True,
        )
    return Plan(
        provider,
        workers=workers or 2,
        limit_s=limit_s,
        seconds=seconds or 2.0,
        batches=(1, 4, 8),
        threads=len(os.sched_getaffinity(0)),
        clients=32,
        each=16,
        bulk_clients=4,
        waiting=64,
        questions=320,
        bounded=False,
    )
