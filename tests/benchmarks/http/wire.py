"""Pre-rendered requests come in; statuses go out to a callback, over connections kept open.

Callbacks and no tasks, and replies that are parsed but not kept: the load generator shares the
cores with the servers that it measures.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast
from urllib.parse import urlsplit

import httptools

from tests.benchmarks.load import BROKEN

Done = Callable[[int], None]


def rendered(url: str, bodies: Sequence[bytes]) -> list[bytes]:
    """The bytes of a `POST /route` for each body. url: `http://host:port`."""
    parts = urlsplit(url)
    head = (
        f"POST {parts.path.rstrip('/')}/route HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    return [head + str(len(body)).encode() + b"\r\n\r\n" + body for body in bodies]


class Wire(asyncio.Protocol):
    """One connection with one request at a time; `closed` tells that it takes no more."""

    def __init__(self) -> None:
        self.closed = False
        self._done: Done | None = None
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)

    def post(self, request: bytes, done: Done) -> None:
        """Sends a request; `done` gets the reply's status, or BROKEN where none comes."""
        if self.closed or self._transport is None:
            asyncio.get_running_loop().call_soon(done, BROKEN)
            return
        self._done = done
        self._transport.write(request)

    def close(self) -> None:
        """Ends the connection."""
        self.closed = True
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the way out."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass.

    def data_received(self, data: bytes) -> None:
        """A part of a reply."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
            self._finish(BROKEN)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name.
        """What was under way is broken."""
        self.closed = True
        self._finish(BROKEN)

    def on_message_complete(self) -> None:
        """The parser has read a whole reply."""
        if not self._parser.should_keep_alive():
            self.close()
        self._finish(self._parser.get_status_code())

    def _finish(self, status: int) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(status)


async def connect(url: str) -> Wire:
    """Raises OSError."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, wire = await loop.create_connection(Wire, parts.hostname or "", parts.port or 80)
    return wire
