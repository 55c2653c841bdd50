"""One connection's bytes come in; requests go out, as uvicorn reads them but for four things.

A head has a largest size and a time to arrive, an offer to upgrade is ignored, and a reply's head
and body are sent together.
"""

import asyncio
from typing import cast

import httptools
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.api.caller import Leave, enter
from service.joined import Joined

MAX_HEAD_BYTES = 65536
"""Of a request line and its headers, beyond what the first read brings (at most 256 kB)."""


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 for one connection.

    Uvicorn waits for a head without end, in size and in time. Of a request that offers to upgrade
    it drops the body and all that follows; clients that would rather speak HTTP/2 (Java's, `curl
    --http2`) make that offer with their first request. RFC 9110, 7.8: a server may ignore it.
    """

    _head_bytes = 0
    _in_head = False
    _head_timer: asyncio.TimerHandle | None = None
    lost = False
    watchers: set[Leave]

    @property
    def fresh(self) -> bool:
        """Whether no request has come over this connection yet."""
        return self.cycle is None

    @property
    def has_whole_body(self) -> bool:
        """Whether the last request on this connection is here to its end."""
        return self.cycle is not None and not self.cycle.more_body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head is due from now on."""
        super().connection_made(transport)
        self.watchers = set()
        self.transport = cast("asyncio.Transport", Joined(transport, self.loop))
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """No head is due any more, and whoever works for this caller hears that it has left."""
        self._end_head()
        super().connection_lost(exc)
        self.lost = True
        for leave in tuple(self.watchers):
            leave()

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, and again where it stopped at an upgrade."""
        self._unset_keepalive_if_required()
        continued, size = self._in_head, len(data)
        try:
            while data:
                data = self._feed(data)
        except httptools.HttpParserError:
            self._refuse("Invalid HTTP request received.")
            return
        if self._in_head and self._head_timer is None:
            self._await_head()
        self._head_bytes = self._head_bytes + size if continued and self._in_head else 0
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse("The request's head is too large.")

    def on_message_begin(self) -> None:
        """A head begins; it is awaited only where it is not there at once, as nearly all are."""
        super().on_message_begin()
        self._in_head = True
        self._end_head_timer()

    def on_headers_complete(self) -> None:
        """The request begins, unless its head is to be read again without its offer."""
        self._end_head()
        if not self.parser.should_upgrade():
            enter(cast("Scope", self.scope), self)
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is complete; reading goes on, or a caller who leaves would not be noticed.

        Uvicorn stops reading while much of a body waits for the application.
        """
        if not self.parser.should_upgrade():
            super().on_message_complete()
            if not self.pipeline:
                self.flow.resume_reading()

    def _feed(self, data: bytes) -> bytes:
        """What is left to feed. Raises HttpParserError."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._head_again() + data[upgrade.args[0] :]
        return b""

    def _head_again(self) -> bytes:
        """The head that was just read, without its offer, for a fresh parser."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if method == b"CONNECT":
            raise httptools.HttpParserError("a tunnel is not on offer")
        kept = [(name, value) for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        lines = [b"%s %s HTTP/%s" % (method, self.url, version.encode())]
        lines += [b"%s: %s" % header for header in kept]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _refuse(self, message: str) -> None:
        self.logger.warning(message)
        self.send_400_response(message)

    def _await_head(self) -> None:
        self._end_head_timer()
        self._head_timer = self.loop.call_later(self.timeout_keep_alive, self.transport.close)

    def _end_head(self) -> None:
        self._in_head = False
        self._end_head_timer()

    def _end_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._head_timer = None
