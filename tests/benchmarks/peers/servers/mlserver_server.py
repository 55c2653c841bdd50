"""The setup file comes in; MLServer 1.7.1 (Apache-2.0) answers `POST /route`.

A custom handler is MLServer's way to a path and body of one's own. It calls the model's `predict`,
which MLServer has wrapped with its adaptive batching where that is on; this holds only within the
process that takes the requests (`parallel_workers: 0`), so two threads of it run the session.
"""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.context import model_context
from mlserver.handlers import custom_handler
from mlserver.types import InferenceRequest, InferenceResponse, RequestInput, ResponseOutput
from mlserver.utils import install_uvloop_event_loop

from tests.benchmarks.peers.servers.peer_setup import PeerSetup, read_setup
from tests.benchmarks.peers.servers.ticket_model import TicketModel


class Tickets(MLModel):
    """Texts in, replies as JSON out, a row each, so that MLServer can merge and split them."""

    async def load(self) -> bool:
        setup = read_setup()
        self.model = TicketModel(setup)
        self.pool = ThreadPoolExecutor(setup.workers)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        texts = list(payload.inputs[0].data)
        loop = asyncio.get_running_loop()
        replies = await loop.run_in_executor(self.pool, self.model.answer, texts)
        rows: list[Any] = [json.dumps(reply) for reply in replies]
        output = ResponseOutput(name="reply", shape=[len(rows), 1], datatype="BYTES", data=rows)
        return InferenceResponse(model_name=self.name, outputs=[output])

    @custom_handler(rest_path="/route")
    async def route(self, request: Request) -> Response:
        ticket = await request.json()
        texts: list[Any] = [self.model.text(ticket["subject"], ticket["body"])]
        wanted = RequestInput(name="text", shape=[1, 1], datatype="BYTES", data=texts)
        with model_context(self.settings):  # The batching logs under it.
            found = await self.predict(InferenceRequest(inputs=[wanted]))
        return Response(next(iter(found.outputs[0].data)), media_type="application/json")


def _model_settings(setup: PeerSetup) -> ModelSettings:
    batching = {"max_batch_size": setup.max_batch, "max_batch_time": setup.wait_s}
    return ModelSettings(
        name="tickets", implementation=Tickets, **(batching if setup.batching else {})
    )


async def _serve() -> None:
    setup = read_setup()
    settings = Settings(
        debug=False,
        parallel_workers=0,
        host="127.0.0.1",
        http_port=setup.port,
        grpc_port=0,
        metrics_endpoint=None,
    )
    await MLServer(settings).start([_model_settings(setup)])


def main() -> None:
    """Serves until it is told to end."""
    install_uvloop_event_loop()
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
