"""A graph and tickets come in; it is refused where the company of other tickets moves an answer."""

from collections.abc import Sequence

import numpy as np

from export import golden
from export.errors import QuantizationRefused
from export.parity import apart
from service.contract.ticket import Ticket
from service.contract.tokens import Tokenizer
from service.engine.session import Session
from training.data.table import Row

COMPANY = 5e-3
"""Company adds in the same order, so on one machine it tips nothing: 2e-7 was measured."""

SCOPE_COMPANY = 1e-3
"""The same of a scope score, as a share of it."""

_ASKED_TWICE = 128
"""Tickets that are also asked alone, and in batches of these sizes."""
_SIZES = (2, 8, 32)


def check_company(session: Session, tokenizer: Tokenizer, rows: Sequence[Row]) -> None:
    """Raises QuantizationRefused where company changes an answer by more than the above."""
    tickets = [Ticket(subject=row.subject, body=row.body) for row in rows[:_ASKED_TWICE]]
    alone = golden.answer(session, tokenizer, tickets, batch_size=1)
    for size in _SIZES:
        together = golden.answer(session, tokenizer, tickets, batch_size=size)
        for name, rows_NC in alone.probabilities.items():
            gap = float(np.abs(rows_NC - together.probabilities[name]).max())
            _within(gap, COMPANY, f"task {name}, batches of {size}")
        if alone.scope_B is not None and together.scope_B is not None:
            gap = apart(alone.scope_B, together.scope_B)
            _within(gap, SCOPE_COMPANY, f"scope score, batches of {size}")


def _within(gap: float, allowed: float, where: str) -> None:
    if not gap <= allowed:
        raise QuantizationRefused(
            f"{where}: company moves an answer by {gap:.1e}, at most {allowed:.0e} is allowed"
        )
