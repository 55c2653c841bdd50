"""One connection at the level of bytes: heads without end, and offers to upgrade."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request
from uvicorn.server import ServerState

from service.api.caller import while_connected
from service.errors import CallerLeft
from service.protocol import MAX_HEAD_BYTES, Protocol

HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\n"
OFFERS = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
)


async def _echo(_: Any, receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    length = str(len(body)).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]}
    )
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def _connected(
    timeout_s: int = 75, app: Any = _echo
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(
        app, http=Protocol, ws="none", log_config=None, timeout_keep_alive=timeout_s
    )
    state, loop = ServerState(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Protocol(config, state, {}), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer
        finally:
            writer.close()


async def _reply(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The status line and the body."""
    lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    length = next(line for line in lines if line.startswith(b"content-length:"))
    return lines[0], await reader.readexactly(int(length.partition(b":")[2]))


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("step", [1, 7, 100_000])
async def test_an_offer_to_upgrade_is_ignored_and_the_connection_goes_on(
    offer: bytes, step: int
) -> None:
    request = HEAD + offer + b"Content-Length: 5\r\n\r\nhello"
    chunked = HEAD + offer + b"Transfer-Encoding: chunked\r\n\r\n3\r\nyou\r\n0\r\n\r\n"
    stream = request + chunked + HEAD + b"Content-Length: 3\r\n\r\nbye"
    async with _connected() as (reader, writer):
        for start in range(0, len(stream), step):
            writer.write(stream[start : start + step])
            await writer.drain()
        for body in (b"hello", b"you", b"bye"):
            assert await _reply(reader) == (b"http/1.1 200 ok", body)


async def test_a_tunnel_is_refused() -> None:
    async with _connected() as (reader, writer):
        writer.write(b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n")
        assert (await _reply(reader))[0] == b"http/1.1 400 bad request"
        assert await reader.read() == b""


async def test_a_head_without_end_is_refused() -> None:
    async with _connected() as (reader, writer):
        writer.write(HEAD)
        refused = asyncio.create_task(_reply(reader))
        sent = 0
        while not refused.done() and sent < 100 * MAX_HEAD_BYTES:
            writer.write(b"X: " + b"x" * 1000 + b"\r\n")
            sent += 1005
            await asyncio.sleep(0)
        assert (await refused)[0] == b"http/1.1 400 bad request"


async def test_a_long_head_and_a_longer_body_are_read() -> None:
    body = b"x" * 10 * MAX_HEAD_BYTES
    request = HEAD + b"X: " + b"x" * (MAX_HEAD_BYTES // 2) + b"\r\n"
    async with _connected() as (reader, writer):
        for _ in range(2):
            writer.write(request + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            assert await _reply(reader) == (b"http/1.1 200 ok", body)


@pytest.mark.parametrize("sent", [b"", HEAD])
async def test_a_head_that_does_not_come_in_time_closes_the_connection(sent: bytes) -> None:
    async with _connected(timeout_s=0) as (reader, writer):
        writer.write(sent)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await asyncio.wait_for(reader.readexactly(1), 60)


class Caring:
    """An application that works until its caller leaves."""

    def __init__(self, *, late: bool) -> None:
        """late: it begins to work only once the caller is known to have left."""
        self.begun, self.met, self._late = asyncio.Event(), asyncio.Queue[object](), late

    async def __call__(self, scope: Any, receive: Any, _: Any) -> None:
        request = Request(scope, receive)
        await request.body()
        self.begun.set()
        while self._late and not scope["harbor.connection"].lost:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        try:
            await while_connected(request, asyncio.sleep(60))
        except CallerLeft as error:
            self.met.put_nowait(error)
            task = asyncio.current_task()
            self.met.put_nowait(task is not None and task.cancelling())


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("body", [b"hello", b"hello" + HEAD + b"Content-Length: 0\r\n\r\n"])
async def test_a_caller_who_leaves_is_noticed_at_once(body: bytes, late: bool) -> None:
    app = Caring(late=late)
    async with asyncio.timeout(10), _connected(app=app) as (_, writer):
        writer.write(HEAD + b"Content-Length: 5\r\n\r\n" + body)
        await app.begun.wait()
        writer.close()
        assert isinstance(await app.met.get(), CallerLeft)
        assert await app.met.get() == 0


async def test_a_caller_who_leaves_is_noticed_whose_body_came_in_one_large_read() -> None:
    app = Caring(late=False)
    async with asyncio.timeout(10), _connected(app=app) as (_, writer):
        writer.write(HEAD + b"Content-Length: 100000\r\n\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"x" * 100_000)
        await app.begun.wait()
        writer.close()
        assert isinstance(await app.met.get(), CallerLeft)


async def test_a_caller_who_stays_is_not_given_up_on_and_nobody_watches_afterwards() -> None:
    watching = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        await request.body()
        assert await while_connected(request, asyncio.sleep(0.01, "done")) == "done"
        watching.append(len(scope["harbor.connection"].watchers))
        start = {"type": "http.response.start", "status": 200}
        await send({**start, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async with asyncio.timeout(10), _connected(app=app) as (reader, writer):
        for _ in range(2):
            writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
            assert (await _reply(reader))[0] == b"http/1.1 200 ok"
    assert watching == [0, 0]
