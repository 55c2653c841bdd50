"""A bundle and a legacy come in; what the legacy in shadow costs the callers' p99 goes out.

Seven servers on one bundle stand side by side and differ in their shadow alone. One at a time is
loaded, for a slot so short that they share the machine's moods, in an order drawn anew each round.
`off, again` is a second server without a shadow: what it shows is the method's noise. As root on a
machine with other work, `nice -n -15` keeps that out of the figures.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import typer
from numpy.typing import NDArray

from tests.benchmarks import desk, device, table
from tests.benchmarks.load import Exchange, closed_loop
from tests.benchmarks.open_loop import open_loop, poisson
from tests.benchmarks.ratios import Estimate, difference, p99, ratio
from tests.benchmarks.server import serving
from tests.benchmarks.shadow_servers import (
    AGAIN,
    IN_PROCESS,
    NAMES,
    OFF,
    REMOTE,
    counts,
    settle,
    side_by_side,
)

HEADER = (
    "legacy", "requests", "failed", "p50", "p99", "p99 over off", "compared / all offered",
)  # fmt: skip
BOUND = 1.10
PROOFS = {
    **dict.fromkeys(("healthy", "slow", IN_PROCESS), "compared"),
    **dict.fromkeys(("hung", "crashing"), "failed"),
}
"""What must have become of some answers: a legacy that does nothing would cost nothing."""
CLIENTS = 16
CAPACITY_S = 5.0
LONE_CALLS = 200


@dataclass
class Measured:
    """What one server's callers met: seconds by round, and how many were not answered with 200.

    shadow: what became of its legacy's answers.
    """

    slots: list[NDArray[np.float64]] = field(default_factory=list)
    failures: int = 0
    shadow: dict[str, float] = field(default_factory=dict)

    def add(self, exchanges: Sequence[Exchange]) -> None:
        """One more slot."""
        answered = [one.seconds for one in exchanges if one.status == 200]
        self.slots.append(np.array(answered))
        self.failures += len(exchanges) - len(answered)


def capacity_per_s(url: str, bodies: Sequence[bytes]) -> float:
    """Tickets a second that the server answers to clients who never pause."""
    return asyncio.run(closed_loop(url, list(bodies) * 20, CLIENTS, CAPACITY_S)).per_s


def lone_calls_s(legacy: Path, bodies: Sequence[bytes]) -> NDArray[np.float64]:
    """Seconds that the legacy itself takes for each of some tickets, on a machine without load."""
    with serving(legacy, "--ledger", "off") as server:
        load = asyncio.run(closed_loop(server.url, list(bodies)[:LONE_CALLS], clients=1))
    replies = [json.loads(exchange.body) for exchange in load.done]
    return np.array([reply["timings_ms"]["infer"] / 1000 for reply in replies])


def measure(
    urls: Mapping[str, str],
    bodies: Sequence[bytes],
    rate_per_s: float,
    rounds: int,
    slot_s: float,
    seed: int = 0,
) -> dict[str, Measured]:
    """Loads each server in turn, once a round; in a round all get the same tickets at the same
    moments, so that a long ticket or a crowd is no difference between them.
    """
    random = np.random.default_rng(seed)
    found = {name: Measured() for name in urls}
    for _ in range(rounds):
        moments_s = poisson(rate_per_s, slot_s, random)
        chosen = [bodies[i] for i in random.integers(0, len(bodies), len(moments_s))]
        for name in random.permutation(list(urls)):
            found[name].add(asyncio.run(open_loop(urls[name], chosen, moments_s)))
            settle(urls[name])
    for name, measured in found.items():
        measured.shadow = counts(urls[name])
    return found


def faults(found: Mapping[str, Measured], call_s: float) -> list[str]:
    """What misses its bound, in words; also a legacy that did not do what its name says."""
    wrong = [f"{name}: {m.failures} requests failed" for name, m in found.items() if m.failures]
    off = found[OFF].slots
    ends = {name: ratio(found[name].slots, off).high for name in REMOTE if name in found}
    wrong += [
        f"{name}: ends at {end:.3f}, above {BOUND}" for name, end in ends.items() if end > BOUND
    ]
    if IN_PROCESS in found and (high := difference(found[IN_PROCESS].slots, off).high) > call_s:
        wrong.append(f"{IN_PROCESS}: {high * 1e3:.1f} ms more, above {call_s * 1e3:.1f} ms")
    return wrong + [
        f"{name}: nothing was {kind}"
        for name, kind in PROOFS.items()
        if name in found and not found[name].shadow.get(kind)
    ]


def rows(found: Mapping[str, Measured]) -> list[table.Row]:
    """A line for each server."""
    off = found[OFF].slots
    return [
        (
            name,
            str(sum(map(len, measured.slots))),
            str(measured.failures),
            f"{np.median(np.concatenate(measured.slots)) * 1e3:.1f} ms",
            f"{p99(measured.slots) * 1e3:.1f} ms",
            "" if name == OFF else _words(ratio(measured.slots, off)),
            "" if name in (OFF, AGAIN) else _shadow(measured.shadow),
        )
        for name, measured in found.items()
    ]


def main(
    bundle: Annotated[Path, typer.Option(help="the bundle that answers")],
    legacy_bundle: Annotated[
        Path | None, typer.Option(help="the in-process legacy; by default the same bundle")
    ] = None,
    rounds: Annotated[int, typer.Option(min=2, help="slots of each server")] = 100,
    slot_s: Annotated[float, typer.Option(min=0.5, help="seconds of a slot")] = 1.5,
    share: Annotated[float, typer.Option(help="of the capacity that is asked for")] = 0.3,
    only: Annotated[
        list[str] | None, typer.Option(help="beside `off`, to measure some more closely")
    ] = None,
) -> None:
    """The callers' p99 with a legacy in shadow over that without; fails where a bound is missed."""
    legacy = legacy_bundle or bundle
    bodies = [desk.as_body(ticket.subject, ticket.body) for ticket in desk.tickets(500)]
    calls_s = lone_calls_s(legacy, bodies)
    # Tails are compared, so the call is one of the tail as well.
    call_s = float(np.percentile(calls_s, 99))
    names = [name for name in NAMES if not only or name in (OFF, *only)]
    with (
        tempfile.TemporaryDirectory() as folder,
        side_by_side(bundle, legacy, Path(folder), names) as urls,
    ):
        capacity = capacity_per_s(urls[OFF], bodies)
        settle(urls[OFF])
        before = psutil.cpu_times()
        found = measure(urls, bodies, share * capacity, rounds, slot_s)
        stolen = device.stolen(before, psutil.cpu_times())
    facts = {
        **device.facts(),
        "capacity": f"{capacity:.0f} tickets/s",
        "load": f"{share * capacity:.0f} tickets/s",
        "taken by the hypervisor": f"{stolen:.1%}",
        "one legacy call": f"{np.median(calls_s) * 1e3:.1f} ms (p99 {call_s * 1e3:.1f} ms)",
    }
    table.show(f"{rounds} rounds of {slot_s:g} s", HEADER, rows(found), facts)
    if IN_PROCESS in found:
        print(in_process(found))
    wrong = faults(found, call_s)
    print(*wrong, sep="\n")
    sys.exit(bool(wrong))


def in_process(found: Mapping[str, Measured]) -> str:
    """How much an in-process legacy adds to the callers' p99, in words."""
    extra = difference(found[IN_PROCESS].slots, found[OFF].slots)
    bounds = f"[{extra.low * 1e3:.1f}, {extra.high * 1e3:.1f}]"
    return f"{IN_PROCESS} less off: {extra.value * 1e3:.1f} ms {bounds}"


def _words(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _shadow(shadow: Mapping[str, float]) -> str:
    return f"{shadow.get('compared', 0):.0f} / {shadow.get('offered', 0):.0f}"


if __name__ == "__main__":
    typer.run(main)
