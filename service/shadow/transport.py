"""Requests to one remote system come in; its replies go out, over connections that are kept open.

Written on httptools, which the service needs anyway: httpx's own transport costs the event loop
1.5 ms a ticket, ten times as much, and the callers wait on the same loop.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self, cast

import httptools
import httpx

_OVERHEAD = 4
"""A reply may come in at most this many times the bytes of its body: heads, chunks' sizes."""

_MAX_LINES = 200
"""Of a reply's head, with those of interim replies."""


class Transport(httpx.AsyncBaseTransport):
    """HTTP/1.1 to the host of one URL; used on one event loop.

    A bare transport and no client: no redirects, cookies, proxies or `.netrc` from the environment,
    and no log line that quotes the URL. A reply beside 2xx is given back as soon as its head is
    there, without its body.
    """

    def __init__(
        self, url: httpx.URL, connections: int, max_bytes: int, tls: ssl.SSLContext
    ) -> None:
        """connections: at most, at a time. max_bytes: a body is cut one byte beyond."""
        self._host = url.raw_host.decode("ascii")
        self._port = url.port or (443 if url.scheme == "https" else 80)
        self._tls = tls if url.scheme == "https" else None
        self._max_bytes = max_bytes
        self._free = asyncio.Semaphore(connections)
        self._wires: set[_Wire] = set()
        self._idle: list[_Wire] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The reply. Raises httpx.TransportError; its message quotes nothing."""
        async with self._free:
            wire = self._kept() or await self._connect()
            reply = await wire.exchange(_written(request), self._max_bytes)
            if wire.is_open:
                self._idle.append(wire)
            return reply

    async def __aenter__(self) -> Self:
        """Nothing is opened yet."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Closes every connection."""
        await self.aclose()

    async def aclose(self) -> None:
        """Closes every connection."""
        wires = tuple(self._wires)
        for wire in wires:
            wire.abort()
        await asyncio.gather(*(wire.lost.wait() for wire in wires))

    def _kept(self) -> "_Wire | None":
        while self._idle:
            if (wire := self._idle.pop()).is_open:
                return wire
        return None

    async def _connect(self) -> "_Wire":
        loop = asyncio.get_running_loop()
        try:
            _, wire = await loop.create_connection(
                lambda: _Wire(self._wires.discard), self._host, self._port, ssl=self._tls
            )
        except (OSError, UnicodeError) as error:  # An impossible host name is the latter.
            raise httpx.ConnectError(type(error).__name__) from None
        if wire.is_open:
            # Not before: who is cancelled while connecting may never hear that it was closed.
            self._wires.add(wire)
        return wire


class _Wire(asyncio.Protocol):
    """One connection; it carries one request at a time. lost: set once it is closed."""

    def __init__(self, on_lost: Callable[["_Wire"], None]) -> None:
        """on_lost: called with it once it is closed."""
        self.lost = asyncio.Event()
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._reply: _Reply | None = None

    @property
    def is_open(self) -> bool:
        """Whether it can carry another request."""
        return self._transport is not None and not self._transport.is_closing()

    async def exchange(self, content: bytes, max_bytes: int) -> httpx.Response:
        """Sends a request; the reply. Closes the connection unless the reply came whole.

        Raises httpx.TransportError.
        """
        if self._transport is None or not self.is_open:
            raise httpx.WriteError("the connection was closed")
        self._reply = reply = _Reply(max_bytes)
        try:
            self._transport.write(content)
            return await reply.done
        finally:
            self._reply = None
            if not reply.is_whole:
                self.abort()

    def abort(self) -> None:
        """Closes it at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class.

    def data_received(self, data: bytes) -> None:
        if self._reply is None:
            # Nobody asked: it must not be taken for the answer to the next ticket.
            self.abort()
        else:
            self._reply.feed(data)
            if self._reply.is_broken:
                # Here and not where it is awaited: who sends fast enough is read without a pause.
                self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost(self)
        self.lost.set()
        if self._reply is not None:
            self._reply.end(cleanly=exc is None)


class _Reply:
    """What httptools calls back while it reads one reply.

    done: resolved with the reply. is_whole: whether the connection may carry another one.
    """

    def __init__(self, max_bytes: int) -> None:
        self.done: asyncio.Future[httpx.Response] = asyncio.get_running_loop().create_future()
        self.is_whole = False
        self._parser = httptools.HttpResponseParser(self)
        self._max_bytes, self._received, self._lines = max_bytes, 0, 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self._ends_with_connection = False

    @property
    def is_broken(self) -> bool:
        """Whether there is an outcome, and nothing more to be had from the connection."""
        return self.done.done() and not self.is_whole

    def feed(self, data: bytes) -> None:
        """What came in. More than there may be is not even looked at."""
        left = max(0, _OVERHEAD * self._max_bytes - self._received)
        self._received += len(data)
        try:
            self._parser.feed_data(data[:left])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail("the reply is not HTTP")
        if len(data) > left:
            self._fail("the reply does not end")

    def end(self, *, cleanly: bool) -> None:
        """The connection is closed: that ends a body without a length, and cuts any other off."""
        if cleanly and self._ends_with_connection:
            self._deliver()
        self._fail("the connection was closed")

    def on_message_begin(self) -> None:
        if self.done.done():
            raise ValueError("a second reply to one request")  # The parser stops there.
        # Of an interim reply (1xx) nothing counts.
        self.is_whole = self._ends_with_connection = False
        self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count()
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._count()
        if self._status >= 300:
            self._deliver()
        names = {name.lower() for name, _ in self._headers}
        self._ends_with_connection = names.isdisjoint({b"content-length", b"transfer-encoding"})

    def on_body(self, body: bytes) -> None:
        self._body += body[: self._max_bytes + 1 - len(self._body)]
        if len(self._body) > self._max_bytes:
            self._deliver()

    def on_message_complete(self) -> None:
        if self._status >= 200:
            self.is_whole = self._parser.should_keep_alive()
            self._deliver()

    def _count(self) -> None:
        self._lines += 1
        if self._lines > _MAX_LINES:
            raise ValueError("the reply's head does not end")  # The parser stops there.

    @property
    def _status(self) -> int:
        return int(self._parser.get_status_code())

    def _deliver(self) -> None:
        if not self.done.done():
            # As a stream: of bytes httpx would unpack what is compressed, whatever its size.
            body = _Body(bytes(self._body))
            self.done.set_result(httpx.Response(self._status, headers=self._headers, stream=body))

    def _fail(self, reason: str) -> None:
        self.is_whole = False
        if not self.done.done():
            self.done.set_exception(httpx.RemoteProtocolError(reason))


class _Body(httpx.AsyncByteStream):
    """A body that is there already."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


def _written(request: httpx.Request) -> bytes:
    """The request as it goes over the wire; its length stands in its headers."""
    lines = [request.method.encode("ascii") + b" " + request.url.raw_path + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in request.headers.raw]
    return b"\r\n".join(lines) + b"\r\n\r\n" + request.content
