"""A file of real tickets, or a seed, comes in; how many tokens each ticket has goes out."""

import csv
import gzip
from pathlib import Path

import numpy as np

from service.contract.bundle import TOKENIZER, read_manifest
from service.contract.ticket import Ticket, render
from service.contract.tokens import Tokenizer
from tests.benchmarks.desk import tickets

Lengths = list[int]


def drawn(count: int, seed: int = 0, limit: int = 256) -> Lengths:
    """Eight tokens and a log-normal number more: of real tickets the mean (45), the median (29),
    and the 5th and 95th percentiles (12 and 140).
    """
    values = 8.0 + np.random.default_rng(seed).lognormal(3.04, 1.1, count)
    return [int(value) for value in np.minimum(values, limit)]


def real(data: Path | None, bundle: Path, count: int, seed: int = 0) -> Lengths:
    """Of tickets drawn from `data`, a CSV with subject and body; without one, of the desk's."""
    tokenizer = Tokenizer.from_file(bundle / TOKENIZER, read_manifest(bundle).token_limit)
    texts = [(ticket.subject, ticket.body) for ticket in tickets(count)] if data is None else []
    if data is not None:
        with gzip.open(data, "rt", encoding="utf-8", newline="") as file:
            rows = [(row["subject"], row["body"]) for row in csv.DictReader(file)]
        picked = np.random.default_rng(seed).integers(0, len(rows), count)
        texts = [rows[number] for number in picked]
    kept = [Ticket(subject=subject, body=body) for subject, body in texts]
    return [len(tokenizer.encode(render(ticket.subject, ticket.body))) for ticket in kept]
