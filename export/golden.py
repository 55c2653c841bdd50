"""A graph and its tokenizer come in; tickets with the answers that the graph must give go out.

Shapes: B batch, L padded length, C a task's classes.
"""

from collections.abc import Sequence

import numpy as np

from export.texts import Desk
from service.contract.bundle import Golden, GoldenTicket
from service.contract.ticket import Ticket, render
from service.contract.tokens import Tokenizer, pad
from service.engine.outputs import Outputs
from service.engine.session import FloatArray, Session

TOLERANCE = 1e-4
"""Of fp32. Another processor or a GPU adds in another order: some 1e-6, at worst 1e-5, of a
probability. A wrong tokenizer, label order or damaged weight moves it by 1e-3 and more."""

DECIMALS = 7
"""What float32 can tell apart below 1; of a scope score, which has no bound, so many digits."""

_LENGTH_SHARES = (0.03, 0.08, 0.15, 0.25, 0.4, 0.6, 0.8, 1.0)
_ODD = (
    Ticket(subject="Invoice shows VAT twice", body=""),
    Ticket(subject="", body="cannot log in since this morning, code 403"),
    Ticket(subject="?", body="..."),
    Ticket(subject="🚨🚨 prod down 🚨🚨", body="Everything 500s since 09:12 😱 please call 👩🏽‍💻"),
    Ticket(subject="لا أستطيع تسجيل الدخول", body="تظهر رسالة خطأ ERR-7731 عند الدفع"),
    Ticket(subject="請求書の金額が違います", body="先月分の請求について確認をお願いします。"),
    Ticket(subject="Re: Re: FW: refund", body="> quoted\n>> quoted twice\n\nany news?\n\t-- \nJo"),
    Ticket(subject="null\x00byte", body="zero\u200bwidth, combining e\u0301, \ufb01 ligature"),
)
"""What desks get and tokenizers stumble over; none of it comes from a real desk."""


def make_golden(session: Session, tokenizer: Tokenizer) -> Golden:
    """Odd tickets and generated ones up to beyond the token limit, with the graph's answers.

    session: on the CPU with one thread, which adds in one order every time.
    """
    tickets = [*_ODD, *_generated(tokenizer)]
    answers = answer(session, tokenizer, tickets, batch_size=1)
    scores: list[float | None] = [None] * len(tickets)
    if answers.scope_B is not None:
        scores = answers.scope_B.tolist()
    return Golden(
        tickets=tuple(
            GoldenTicket(
                subject=ticket.subject,
                body=ticket.body,
                probabilities={
                    name: _rounded(rows[place]) for name, rows in answers.probabilities.items()
                },
                scope=None if score is None else float(f"{score:.{DECIMALS}g}"),
            )
            for place, (ticket, score) in enumerate(zip(tickets, scores, strict=True))
        )
    )


def answer(
    session: Session,
    tokenizer: Tokenizer,
    tickets: Sequence[Ticket | GoldenTicket],
    batch_size: int,
) -> Outputs:
    """What the graph says to all tickets, computed in batches of `batch_size`."""
    tokens = [tokenizer.encode(render(ticket.subject, ticket.body)) for ticket in tickets]
    parts = [
        session.run(*pad(tokens[start : start + batch_size], tokenizer.pad_id))
        for start in range(0, len(tokens), batch_size)
    ]
    names = [task.name for task in session.tasks]
    scores = [part.scope_B for part in parts if part.scope_B is not None]
    return Outputs(
        {name: np.concatenate([part.probabilities[name] for part in parts]) for name in names},
        np.concatenate(scores) if scores else None,
    )


def _generated(tokenizer: Tokenizer) -> list[Ticket]:
    desk = Desk(tokenizer)
    tickets = [desk.ticket(max(4, round(tokenizer.limit * share))) for share in _LENGTH_SHARES]
    longest = render(tickets[-1].subject, tickets[-1].body)
    # Three times the limit: truncation must cut it where it did on the day of the export.
    return [*tickets, Ticket(body=" ".join([longest] * 3))]


def _rounded(probabilities_C: FloatArray) -> tuple[float, ...]:
    return tuple(round(float(value), DECIMALS) for value in probabilities_C)
