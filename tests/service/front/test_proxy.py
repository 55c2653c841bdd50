"""Callers who leave before the core's reply has come back through a front."""

import asyncio
from pathlib import Path

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from service.front.app import FrontApp
from service.protocol import Protocol
from tests.service.desk import Desk
from tests.service.link.linking import linked

GET = b"GET /bundle HTTP/1.1\r\nHost: x\r\n\r\n"


class Slow(httpx.AsyncBaseTransport):
    """A way to a core that does not answer before it is told to."""

    def __init__(self) -> None:
        self.asked, self.answers = asyncio.Event(), asyncio.Event()

    async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
        self.asked.set()
        await self.answers.wait()
        return httpx.Response(200)


@pytest.mark.parametrize("requests", [1, 2, 3])
async def test_a_caller_who_pipelines_and_leaves_is_no_error(
    desk: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture, requests: int
) -> None:
    core, state, loop = Slow(), ServerState(), asyncio.get_running_loop()
    async with linked(desk.core, tmp_path) as front:
        config = uvicorn.Config(FrontApp(front, core), http=Protocol, ws="none", log_config=None)
        server = await loop.create_server(lambda: Protocol(config, state, {}), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET * requests)
            async with asyncio.timeout(60):
                await core.asked.wait()
                writer.close()
                await asyncio.gather(*state.tasks)
        core.answers.set()
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
