"""The setup file comes in; BentoML 1.4.39 (Apache-2.0) answers `POST /route`.

One service of two worker processes. Its adaptive batching wants an API that takes lists, so that an
ASGI middleware, which BentoML provides for, makes a list of each ticket; a service in front that
calls it, the other way that is documented, costs a process, and on a busy machine it lost requests
at 32 clients.
1.4.40 asks for a newer certifi than the package index had, and serves with the same code as 1.4.39.
"""

import os
import sys

import bentoml

from tests.benchmarks.peers.servers.one_ticket import OneTicket
from tests.benchmarks.peers.servers.peer_setup import read_setup
from tests.benchmarks.peers.servers.ticket_model import Reply, TicketModel

SETUP = read_setup()
PATIENCE_S = 60
"""Long enough that BentoML sheds nothing: refusals would be counted as failures."""
OPTIONS = {
    "workers": SETUP.workers,
    "traffic": {"timeout": PATIENCE_S},
    "logging": {"access": {"enabled": False}},
}


@bentoml.service(**OPTIONS)
class Tickets:
    """One ticket a call."""

    def __init__(self) -> None:
        self.model = TicketModel(SETUP)

    @bentoml.api(route="/route")
    def route(self, subject: str, body: str) -> Reply:
        return self.model.answer([self.model.text(subject, body)])[0]


@bentoml.service(**OPTIONS)
class BatchedTickets:
    """What BentoML collected, in one call."""

    def __init__(self) -> None:
        self.model = TicketModel(SETUP)

    @bentoml.api(
        route="/route",
        batchable=True,
        max_batch_size=SETUP.max_batch,
        max_latency_ms=PATIENCE_S * 1000,
    )
    def route(self, tickets: list[dict[str, str]]) -> list[Reply]:
        texts = [self.model.text(ticket["subject"], ticket["body"]) for ticket in tickets]
        return self.model.answer(texts)


BatchedTickets.add_asgi_middleware(OneTicket)


def main() -> None:
    """Becomes `bentoml serve`, which finds the services by this module's name."""
    service = "BatchedTickets" if SETUP.batching else "Tickets"
    target = f"tests.benchmarks.peers.servers.bentoml_server:{service}"
    where = ["--host", "127.0.0.1", "--port", str(SETUP.port)]
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", "serve", target, *where])


if __name__ == "__main__":
    main()
