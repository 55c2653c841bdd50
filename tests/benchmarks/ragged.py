"""A checkpoint comes in; how many tickets a second its graph without padding answers on this CPU,
beside the padded one, goes out.

    python -m tests.benchmarks.ragged CHECKPOINT [--tickets 512] [--rounds 3]

Both graphs, on one thread, answer the same generated tickets in the same run, batch by batch in
turn. `like`: tickets of like length share a batch, as the service has it; `arrival`: they come as
they come. The layout of the arrays is part of what is measured.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.graph import build_graph
from export.ragged.graph import build_ragged_graph
from service.contract.ticket import render
from service.contract.tokens import Tokens
from service.engine.layout import Layout, lay_out
from service.engine.runner import run
from service.engine.session import Session
from training.checkpoint import Checkpoint, load
from training.data.sample import generate

SIZES = (1, 4, 8, 32)
SEED = 20251122


@dataclass(frozen=True)
class Line:
    """Tickets a second of each graph, medians over rounds; tokens computed, padding included."""

    order: str
    size: int
    padded: float
    ragged: float
    padding: float

    def __str__(self) -> str:
        return (
            f"{self.order:8} batch {self.size:2}: padded {self.padded:6.1f}/s, ragged "
            f"{self.ragged:6.1f}/s, ratio {self.ragged / self.padded:.2f}; padded tokens "
            f"{self.padding:.2f} times the real ones"
        )


def measure(
    sessions: dict[Layout, Session], tickets: Sequence[Tokens], size: int, pad_id: int, rounds: int
) -> tuple[dict[Layout, float], float]:
    """Tickets a second by layout, and padded tokens over real ones."""
    parts = [tickets[start : start + size] for start in range(0, len(tickets), size)]
    found: dict[Layout, list[float]] = {layout: [] for layout in sessions}
    for _ in range(rounds):
        taken = dict.fromkeys(sessions, 0.0)
        for part in parts:
            for layout, session in sessions.items():
                begun = time.perf_counter()
                run(session, lay_out(part, layout, pad_id))
                taken[layout] += time.perf_counter() - begun
        for layout, seconds in taken.items():
            found[layout].append(len(tickets) / seconds)
    padded = sum(len(part) * max(map(len, part)) for part in parts)
    medians = {layout: statistics.median(rates) for layout, rates in found.items()}
    return medians, padded / sum(map(len, tickets))


def lines(checkpoint: Checkpoint, count: int, rounds: int) -> list[Line]:
    """A line for each order and size of a batch."""
    rows = generate(count, SEED)
    texts = [render(row.subject, row.body) for row in rows]
    arrived = checkpoint.tokenizer.encode_batch(texts)
    orders = {"like": sorted(arrived, key=len), "arrival": arrived}
    lengths = np.array([len(ticket) for ticket in arrived])
    print(
        f"{count} tickets, mean {lengths.mean():.0f} tokens, p95 {np.quantile(lengths, 0.95):.0f}"
    )
    found = []
    with tempfile.TemporaryDirectory() as directory:
        sessions = _sessions(checkpoint, Path(directory))
        for order, tickets in orders.items():
            for size in SIZES:
                rates, padding = measure(
                    sessions, tickets, size, checkpoint.tokenizer.pad_id, rounds
                )
                found.append(Line(order, size, rates["padded"], rates["ragged"], padding))
                print(found[-1])
    return found


def _sessions(checkpoint: Checkpoint, directory: Path) -> dict[Layout, Session]:
    builders: dict[Layout, Callable[..., bytes]] = {
        "padded": build_graph,
        "ragged": build_ragged_graph,
    }
    sessions: dict[Layout, Session] = {}
    for layout, build in builders.items():
        parts = checkpoint.network, checkpoint.tasks, checkpoint.calibration
        graph = build(*parts, checkpoint.tokenizer.limit, checkpoint.scope)
        (directory / f"{layout}.onnx").write_bytes(graph)
        sessions[layout] = Session.open(
            directory / f"{layout}.onnx", checkpoint.tasks, "cpu", threads=1
        )
    return sessions


def main() -> None:
    """Prints the lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--tickets", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    lines(load(arguments.checkpoint), arguments.tickets, arguments.rounds)


if __name__ == "__main__":
    main()
