"""HTTP as it comes over the wire, from raw servers, on both event loops that there are."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import httpx
import pytest
import uvloop

from service.shadow.transport import Transport

LIMIT = 1000
OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = OK + b"Content-Length: 2\r\n\r\n{}"
LOOPS = (asyncio.new_event_loop, uvloop.new_event_loop)

Speak = Callable[[asyncio.StreamWriter], Awaitable[None]]
Body = Callable[[Transport], Awaitable[None]]


class Server:
    """Reads requests and replies to each as `speak` does; counts its connections and requests."""

    def __init__(self, speak: Speak) -> None:
        self.speak = speak
        self.connections = self.requests = 0
        self.left = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                await self.speak(writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, RuntimeError):
            pass
        finally:
            writer.close()
            self.left.set()


def saying(*parts: bytes, then_close: bool = False) -> Speak:
    """Says this to each request."""

    async def speak(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if then_close:
            writer.close()

    return speak


def endlessly(start: bytes, part: bytes) -> Speak:
    """Says `part` over and over, until nobody listens."""

    async def speak(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(part)
            await writer.drain()

    return speak


@pytest.fixture(params=LOOPS, ids=("asyncio", "uvloop"))
def loop_factory(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    factory: Callable[[], asyncio.AbstractEventLoop] = request.param
    return factory


Run = Callable[[Speak, Callable[[Transport, Server, httpx.Request], Awaitable[None]]], None]


@pytest.fixture
def run(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> Run:
    """Runs a test beside a server, with an open transport to it."""

    async def beside(
        speak: Speak, test: Callable[[Transport, Server, httpx.Request], Awaitable[None]]
    ) -> None:
        met = Server(speak)
        listening = await asyncio.start_server(met, "127.0.0.1")
        port = listening.sockets[0].getsockname()[1]
        request = httpx.Request("POST", f"http://127.0.0.1:{port}/classify?a=b")
        async with listening, asyncio.timeout(30):
            async with Transport(request.url, 1, LIMIT, ssl.create_default_context()) as transport:
                await test(transport, met, request)
            if met.connections:
                await met.left.wait()

    def start(
        speak: Speak, test: Callable[[Transport, Server, httpx.Request], Awaitable[None]]
    ) -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(beside(speak, test))

    return start


async def said(response: httpx.Response) -> bytes:
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return b"".join([part async for part in response.stream])


@pytest.mark.parametrize(
    "reply",
    [
        WHOLE,
        OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + WHOLE,
    ],
    ids=("length", "chunks", "interim"),
)
def test_a_connection_whose_reply_came_whole_carries_the_next(run: Run, reply: bytes) -> None:
    async def test(transport: Transport, server: Server, request: httpx.Request) -> None:
        for _ in range(3):
            response = await transport.handle_async_request(request)
            assert (response.status_code, await said(response)) == (200, b"{}")
        assert (server.connections, server.requests) == (1, 3)

    run(saying(*(reply[i : i + 7] for i in range(0, len(reply), 7))), test)


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.0 200 OK\r\n\r\n{}", OK + b"\r\n{}"], ids=("1.0", "1.1")
)
def test_a_body_without_a_length_ends_with_its_connection(run: Run, reply: bytes) -> None:
    async def test(transport: Transport, server: Server, request: httpx.Request) -> None:
        for _ in range(2):
            assert await said(await transport.handle_async_request(request)) == b"{}"
        assert server.connections == 2

    run(saying(reply, then_close=True), test)


@pytest.mark.parametrize(
    "speak",
    [
        saying(then_close=True),
        saying(OK + b"Content-Length: 3\r\n\r\n{}", then_close=True),
        saying(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", then_close=True),
        saying(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} "),
        saying(b"SSH-2.0-OpenSSH_9.2\r\n"),
        saying(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n{}"),
        endlessly(OK, b"X: " + b"a" * 100 + b"\r\n"),
        endlessly(OK + b"X: ", b"a" * 100),
        endlessly(OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a" * 100),
        endlessly(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    ],
    ids=[
        "nothing", "cut off", "cut off in chunks", "two lengths", "no HTTP", "another protocol",
        "endless head", "endless header", "endless chunk head", "endless interim replies",
    ],
)  # fmt: skip
def test_what_is_no_reply_fails_and_its_connection_is_closed(run: Run, speak: Speak) -> None:
    async def test(transport: Transport, server: Server, request: httpx.Request) -> None:
        for turn in (1, 2):
            with pytest.raises(httpx.TransportError):
                await transport.handle_async_request(request)
            assert server.connections == turn

    run(speak, test)


def test_a_body_beyond_the_limit_is_cut_one_byte_after_it(run: Run) -> None:
    async def test(transport: Transport, _: Server, request: httpx.Request) -> None:
        assert len(await said(await transport.handle_async_request(request))) == LIMIT + 1

    run(
        endlessly(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"64\r\n" + b" " * 100 + b"\r\n"),
        test,
    )


def test_what_is_compressed_is_not_unpacked(run: Run) -> None:
    async def test(transport: Transport, _: Server, request: httpx.Request) -> None:
        assert await said(await transport.handle_async_request(request)) == b"{}"

    run(saying(WHOLE.replace(b"Content-L", b"Content-Encoding: gzip\r\nContent-L")), test)


def test_what_nobody_asked_for_is_no_answer_to_the_next_request(run: Run) -> None:
    async def test(transport: Transport, server: Server, request: httpx.Request) -> None:
        assert await said(await transport.handle_async_request(request)) == b"{}"
        await server.left.wait()
        assert await said(await transport.handle_async_request(request)) == b"{}"
        assert server.connections == 2

    run(saying(WHOLE, OK + b"Content-Length: 4\r\n\r\nnull"), test)


def test_a_call_that_is_cancelled_makes_room_for_the_next(run: Run) -> None:
    async def test(transport: Transport, server: Server, request: httpx.Request) -> None:
        for turn in range(3):
            call = asyncio.create_task(transport.handle_async_request(request))
            while server.requests <= turn:  # noqa: ASYNC110 - it counts.
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
            assert call.cancelled()
        server.speak = saying(WHOLE)
        assert await said(await transport.handle_async_request(request)) == b"{}"

    run(saying(), test)


def test_calls_that_are_cancelled_while_they_connect_do_not_hold_up_the_end(run: Run) -> None:
    async def test(transport: Transport, _: Server, request: httpx.Request) -> None:
        for pauses in range(6):
            call = asyncio.create_task(transport.handle_async_request(request))
            for _turn in range(pauses):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])

    async def leave(writer: asyncio.StreamWriter) -> None:
        writer.close()

    run(leave, test)


def test_an_impossible_host_fails_like_one_that_is_not_there() -> None:
    async def test() -> None:
        url = httpx.URL("http://" + "a" * 70 + ".invalid/")
        async with Transport(url, 1, LIMIT, ssl.create_default_context()) as transport:
            with pytest.raises(httpx.ConnectError):
                await transport.handle_async_request(httpx.Request("POST", url))

    asyncio.run(test())
