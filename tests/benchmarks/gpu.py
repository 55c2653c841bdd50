"""A bundle comes in; proof of its provider, its agreement with the CPU and its speed go out."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
import typer

from service.contract.bundle import TOKENIZER, Manifest, Variant, read_manifest
from service.contract.ticket import Ticket, render
from service.contract.tokens import Tokenizer, Tokens, pad
from service.engine.session import Session
from tests.benchmarks import device, table
from tests.benchmarks.desk import as_body, tickets
from tests.benchmarks.load import Load, closed_loop
from tests.benchmarks.measure import agreement, lone_latencies, tickets_per_s
from tests.benchmarks.placement import check, placement
from tests.benchmarks.server import serving

Provider = Literal["cuda", "cpu"]
BATCHES = (1, 8, 32, 128)
CLIENTS = (1, 32, 128)
SAME_LABEL, DIFFERENCE = ": same label as on the CPU", ": largest difference of a probability"
LEAST_AGREEMENT, MOST_DIFFERENCE = 99.9, 1e-3
"""Percent of the labels that must agree with the CPU, and how far an fp32 probability may be
off.
"""

SERVER: dict[Provider, tuple[str, ...]] = {
    "cpu": (),
    "cuda": ("--max-batch", "128", "--budget-tokens", "16384"),
}
"""Settings of the server; a GPU wants larger batches than the defaults."""


class Figure(NamedTuple):
    """One row of the table."""

    measure: str
    value: float
    unit: str


def measure(
    bundle: Path, provider: Provider, desk: Sequence[Ticket], limit_s: float
) -> list[Figure]:
    """Every figure, the cheap proofs first. limit_s: of each HTTP load.

    Raises MisplacedError or ProviderMissing where the provider is not really used.
    """
    manifest = read_manifest(bundle)
    tokens = tokenize(bundle, manifest, desk)
    session = open_session(bundle, manifest, provider)
    return [
        proof(bundle, manifest, provider, tokens),
        *agreements(session, open_session(bundle, manifest, "cpu"), tokens, manifest.pad_id),
        *speeds(session, tokens, manifest.pad_id),
        *over_http(bundle, provider, desk, limit_s),
    ]


def tokenize(bundle: Path, manifest: Manifest, desk: Sequence[Ticket]) -> list[Tokens]:
    """The tickets as the service would tokenise them."""
    tokenizer = Tokenizer.from_file(bundle / TOKENIZER, manifest.token_limit)
    return tokenizer.encode_batch([render(ticket.subject, ticket.body) for ticket in desk])


def open_session(bundle: Path, manifest: Manifest, provider: Provider) -> Session:
    """The fp32 graph on a provider, with one thread on the CPU. Raises ProviderMissing."""
    return Session.open(bundle / _fp32(manifest).file, manifest.tasks, provider, threads=1)


def proof(bundle: Path, manifest: Manifest, provider: Provider, tokens: Sequence[Tokens]) -> Figure:
    """How many costly nodes of the graph ran, all on the provider. Raises MisplacedError."""
    batch = pad(tokens[:8], manifest.pad_id)
    nodes = check(placement(bundle / _fp32(manifest).file, provider, *batch), provider)
    return Figure(f"costly nodes, all on {provider}", nodes, "nodes")


def agreements(
    session: Session, reference: Session, tokens: Sequence[Tokens], pad_id: int
) -> list[Figure]:
    """Equal labels and the largest difference of a probability against the CPU, for each task."""
    found = agreement(session, reference, tokens, pad_id)
    pairs = [
        (
            Figure(name + SAME_LABEL, 100 * task.labels, "%"),
            Figure(name + DIFFERENCE, task.max_difference, ""),
        )
        for name, task in found.items()
    ]
    return [figure for pair in pairs for figure in pair]


def speeds(session: Session, tokens: Sequence[Tokens], pad_id: int) -> list[Figure]:
    """Lone latency, then raw throughput at several batch sizes."""
    alone_ms = lone_latencies(session, tokens, pad_id) * 1000
    rates = [tickets_per_s(session, tokens, pad_id, batch) for batch in BATCHES]
    return [
        Figure("alone, p50", float(np.percentile(alone_ms, 50)), "ms"),
        Figure("alone, p99", float(np.percentile(alone_ms, 99)), "ms"),
        *(
            Figure(f"raw, batch {batch}", rate, "tickets/s")
            for batch, rate in zip(BATCHES, rates, strict=True)
        ),
    ]


def over_http(
    bundle: Path, provider: Provider, desk: Sequence[Ticket], limit_s: float
) -> list[Figure]:
    """Throughput, latency and failures through a real server at several numbers of clients."""
    bodies = [as_body(ticket.subject, ticket.body) for ticket in desk]
    with serving(bundle, "--provider", provider, *SERVER[provider]) as server:
        loads = [
            (clients, asyncio.run(closed_loop(server.url, bodies, clients, limit_s)))
            for clients in CLIENTS
        ]
    return [figure for clients, load in loads for figure in _http_figures(clients, load)]


def _http_figures(clients: int, load: Load) -> list[Figure]:
    where = f"HTTP, {clients} at once"
    return [
        Figure(where, load.per_s, "tickets/s"),
        Figure(f"{where}, p50", load.percentile_ms(50), "ms"),
        Figure(f"{where}, p99", load.percentile_ms(99), "ms"),
        Figure(f"{where}, failed", load.failures, "requests"),
    ]


def _fp32(manifest: Manifest) -> Variant:
    return next(variant for variant in manifest.variants if variant.precision == "fp32")


def main(
    bundle: Annotated[Path, typer.Option(help="directory of the bundle")],
    provider: Annotated[Provider, typer.Option(help="cuda or cpu")] = "cuda",
    count: Annotated[int, typer.Option("--tickets", min=8, help="generated tickets")] = 2000,
    limit_s: Annotated[float, typer.Option(help="seconds of each HTTP load, at most")] = 30.0,
    out: Annotated[Path | None, typer.Option("--json", help="also write the figures here")] = None,
) -> None:
    """Proves that a provider is in use, checks it against the CPU, and measures its speed."""
    figures = measure(bundle, provider, tickets(count), limit_s)
    facts = device.facts()
    if out is not None:
        out.write_text(json.dumps({"facts": facts, "figures": figures}, indent=2) + "\n")
    rows = [(figure.measure, f"{figure.value:.4g}", figure.unit) for figure in figures]
    table.show(
        f"{count} generated tickets on {provider}", ("measure", "value", "unit"), rows, facts
    )
    if faults := [figure.measure for figure in figures if not passes(figure)]:
        typer.echo("out of bounds: " + "; ".join(faults), err=True)
        raise typer.Exit(1)


def passes(figure: Figure) -> bool:
    """Whether a figure that has a bound keeps to it: agreement with the CPU, and failures."""
    if figure.measure.endswith(SAME_LABEL):
        return figure.value >= LEAST_AGREEMENT
    if figure.measure.endswith(DIFFERENCE):
        return figure.value <= MOST_DIFFERENCE
    return not figure.measure.endswith("failed") or figure.value == 0


if __name__ == "__main__":
    typer.run(main)
