"""A count comes in; so many tickets of the generated desk, and request bodies, go out."""

import json

from service.contract.ticket import Ticket
from training.data.sample import generate

SEED = 20


def tickets(count: int) -> list[Ticket]:
    """Mixed tickets: the same ones every time, and not those that the quick start trains on."""
    return [Ticket(subject=row.subject, body=row.body) for row in generate(count, SEED)]


def as_body(subject: str, body: str) -> bytes:
    """The JSON body of `POST /route`."""
    return json.dumps({"subject": subject, "body": body}).encode()
