"""The setup file comes in; Ray Serve 2.60.0 (Apache-2.0) answers `POST /route`.

A head node of its own, without the dashboard, and two replicas behind one HTTP proxy. Batching is
`serve.batch` in each replica, which is then handed two batches' worth of requests at a time.
"""

import os
import signal
import threading
from typing import Any

import ray
from ray import serve
from starlette.requests import Request

from tests.benchmarks.peers.servers.peer_setup import PeerSetup, read_setup
from tests.benchmarks.peers.servers.ticket_model import Reply, TicketModel

OBJECT_STORE_BYTES = 100 * 2**20
LOGICAL_CPUS = 8
"""Ray counts actors against them, its own ones too; the cores are the machine's."""


class Tickets:
    """One ticket a call."""

    def __init__(self) -> None:
        self.model = TicketModel(read_setup())

    async def __call__(self, request: Request) -> Reply:
        ticket = await request.json()
        return self.model.answer([self.model.text(ticket["subject"], ticket["body"])])[0]


def _batched(setup: PeerSetup) -> type:
    class BatchedTickets:
        """What Ray Serve collected, in one call."""

        def __init__(self) -> None:
            self.model = TicketModel(read_setup())

        @serve.batch(max_batch_size=setup.max_batch, batch_wait_timeout_s=setup.wait_s)
        async def answer(self, texts: list[str]) -> list[Reply]:
            return self.model.answer(texts)

        async def __call__(self, request: Request) -> Any:
            ticket = await request.json()
            return await self.answer(self.model.text(ticket["subject"], ticket["body"]))

    return BatchedTickets


def main() -> None:
    """Serves until it is told to end; the head node ends with it."""
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    setup = read_setup()
    ray.init(
        num_cpus=LOGICAL_CPUS,
        object_store_memory=OBJECT_STORE_BYTES,
        include_dashboard=False,
        log_to_driver=False,
        _temp_dir=os.environ["TMPDIR"],
    )
    serve.start(http_options={"host": "127.0.0.1", "port": setup.port})
    deployed = serve.deployment(
        _batched(setup) if setup.batching else Tickets,
        name="tickets",
        num_replicas=setup.workers,
        max_ongoing_requests=2 * setup.max_batch if setup.batching else 5,
        ray_actor_options={"num_cpus": 1},
    )
    serve.run(deployed.bind(), route_prefix="/route")
    told.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
