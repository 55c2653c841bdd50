"""The setup file comes in; LitServe 0.2.19 (Apache-2.0) answers `POST /route`.

Two worker processes of one thread on two cores; one process for HTTP, which leaves them the cores.
Batching as LitServe documents it: `max_batch_size` and `batch_timeout` of the LitAPI.
"""

from typing import Any

import litserve

from tests.benchmarks.peers.servers.peer_setup import PeerSetup, read_setup
from tests.benchmarks.peers.servers.ticket_model import Reply, TicketModel


class Tickets(litserve.LitAPI):
    """One ticket a call."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature; it is the CPU.
        self.model = TicketModel(read_setup())

    def decode_request(self, request: dict[str, str]) -> str:
        return self.model.text(request["subject"], request["body"])

    def predict(self, x: Any) -> Any:
        return self.model.answer([x])[0]

    def encode_response(self, output: Reply) -> Reply:
        return output


class BatchedTickets(Tickets):
    """What LitServe collected, in one call."""

    def predict(self, x: list[str]) -> list[Reply]:
        return self.model.answer(x)


def _api(setup: PeerSetup) -> litserve.LitAPI:
    if not setup.batching:
        return Tickets(api_path="/route")
    return BatchedTickets(
        api_path="/route", max_batch_size=setup.max_batch, batch_timeout=setup.wait_s
    )


def main() -> None:
    """Serves until it is told to end."""
    setup = read_setup()
    server = litserve.LitServer(
        _api(setup), accelerator="cpu", devices=1, workers_per_device=setup.workers, timeout=False
    )
    server.run(
        host="127.0.0.1",
        port=setup.port,
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )


if __name__ == "__main__":
    main()
