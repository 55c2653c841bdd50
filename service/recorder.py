"""A routed ticket comes in; what the ledger and the shadow are to know of it goes out."""

import time
from itertools import islice

from service.api.schema import Reply
from service.contract.ticket import Ticket
from service.contract.tokens import Tokens
from service.decisions import told
from service.ids import new_id
from service.ledger.fields import KeptFields
from service.ledger.language import declared
from service.ledger.records import Decision
from service.settings import Settings
from service.shadow.errand import Asked

EXCERPT = 400
"""Characters from which the language of a ticket is told."""

KEPT = 8000
"""Characters of a text that the ledger keeps at most: its queue holds thousands of them."""

LONGEST = 65_536
"""Characters of a subject, and of a body, that a legacy gets to see: a thousand may wait."""

_FIELDS, _FIELD = 64, 1000
"""Metadata fields that a legacy gets to see, and the characters of one."""


class Recorder:
    """Makes the record of each decision, by the settings alone: any process can."""

    def __init__(self, settings: Settings) -> None:
        self.in_shadow = settings.shadow is not None
        self._keeps_text = settings.ledger_text
        self._fields = KeptFields(settings.ledger_metadata)

    def decision(self, ticket: Ticket, tokens: Tokens, reply: Reply) -> Decision:
        """What the ledger keeps; it is as of now."""
        # By position: thirteen names would take longer than all the rest.
        return Decision(
            new_id(),
            reply.request_id,
            ticket.ticket_id,
            time.time(),
            reply.bundle.version,
            reply.bundle.digest,
            len(tokens.ids),
            reply.truncated,
            tuple([told(name, said) for name, said in reply.predictions.items()]),
            declared(ticket.metadata),
            self._fields.of(ticket.metadata),
            _excerpt(ticket) if self.in_shadow else "",
            (ticket.subject[:KEPT], ticket.body[:KEPT]) if self._keeps_text else None,
        )

    def asked(self, decision: Decision, ticket: Ticket) -> Asked | None:
        """What the legacies are asked about it; None where none runs."""
        if not self.in_shadow:
            return None
        predictions = {said.task: said.best for said in decision.predictions}
        return Asked(
            decision.id, _bounded(ticket), predictions, decision.bundle_digest, decision.at
        )


def _excerpt(ticket: Ticket) -> str:
    subject = ticket.subject[:EXCERPT]
    return f"{subject}\n{ticket.body[: EXCERPT - len(subject)]}"


def _bounded(ticket: Ticket) -> Ticket:
    """The ticket as the shadow's queue may hold it; nearly every one is so already."""
    short = len(ticket.subject) <= LONGEST and len(ticket.body) <= LONGEST
    if short and not ticket.metadata:
        return ticket
    fields = islice((ticket.metadata or {}).items(), _FIELDS)
    return Ticket(
        subject=ticket.subject[:LONGEST],
        body=ticket.body[:LONGEST],
        ticket_id=ticket.ticket_id,
        metadata={
            name[:_FIELD]: value[:_FIELD] if isinstance(value, str) else value
            for name, value in fields
            if isinstance(value, str | bool | float)
            or (isinstance(value, int) and abs(value) < 1e18)
        },
    )
