"""A request that a front does not answer itself comes in; the core's reply goes out."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing
from typing import Any

import httpx
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.body import read_any
from service.api.caller import while_connected
from service.errors import CallerLeft, DeadlineExceeded, InvalidRequest, NotReady, ServiceError
from service.link.line import GONE
from service.process import Process

Header = tuple[bytes, bytes]

_OF_ONE_CONNECTION = frozenset(
    (b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect")
)
_CLOSE: Header = (b"connection", b"close")
READY = "/readyz"
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)
"""Of the connections to the core: as many as callers ask at once."""

_REPORT_S, _READY_S = 120.0, 2.0
"""How long an answer of the core may take: a report reads a store. One that hangs is not ready."""


class Proxy:
    """An ASGI application that passes requests on; the core counts and logs them.

    Where the core cannot be reached this process answers, and counts, a problem itself.
    """

    def __init__(
        self,
        process: Process,
        core: httpx.AsyncBaseTransport,
        edge: Callable[[ASGIApp], ASGIApp],
    ) -> None:
        """edge: what makes an error a problem."""
        self._process, self._core, self._edge = process, core, edge
        self._left: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        try:
            answered = await self._answered(Request(scope, receive))
        except ServiceError as error:
            await self._edge(_raising(error))(scope, receive, send)
        else:
            await (_to_nobody(send) if answered is None else self._pass_back(answered, send))

    async def _answered(self, request: Request) -> httpx.Response | None:
        """The core's reply; None where the caller has left, whom the core answers all the same."""
        with self._process.bundles.lease():
            pass  # Where the core is lost a connection to it would wait for the next one.
        settings = self._process.settings
        body = await read_any(request, settings.max_body_bytes, settings.timeout_s)
        asked = _asked(request.scope, body)
        try:
            return await while_connected(request, self._kept(asked))
        except CallerLeft:
            return None

    async def _pass_back(self, answered: httpx.Response, send: Send) -> None:
        # The server adds its own date.
        headers = [one for one in _passed(answered.headers.raw) if one[0].lower() != b"date"]
        if self._process.readiness.draining:
            headers.append(_CLOSE)
        start = {"type": "http.response.start", "status": answered.status_code, "headers": headers}
        async with aclosing(answered):
            await send(start)
            async for part in answered.aiter_raw():
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    async def _kept(self, asked: httpx.Request) -> httpx.Response:
        """Asks to the end: the pool would lose a connection whose request is cancelled."""
        asking = asyncio.create_task(self._ask(asked))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            self._left.add(asking)
            asking.add_done_callback(self._abandon)
            raise

    def _abandon(self, asking: "asyncio.Task[Any]") -> None:
        self._left.discard(asking)
        if asking.cancelled() or asking.exception() is not None:
            return
        if isinstance(answered := asking.result(), httpx.Response):
            closing = asyncio.create_task(answered.aclose())
            self._left.add(closing)
            closing.add_done_callback(self._left.discard)

    async def _ask(self, asked: httpx.Request) -> httpx.Response:
        try:
            return await self._core.handle_async_request(asked)
        except httpx.ReadTimeout:
            raise _late(asked) from None
        except httpx.LocalProtocolError:
            raise InvalidRequest("the request's head is not valid HTTP/1.1") from None
        except httpx.TransportError:
            raise NotReady(GONE) from None


async def _to_nobody(send: Send) -> None:
    """Ends a request whose caller has left.

    The server takes none for left but the last that came by a connection, and has an error to log
    where another one gets no reply.
    """
    await send({"type": "http.response.start", "status": CallerLeft.status, "headers": [_CLOSE]})
    await send({"type": "http.response.body"})


def _late(asked: httpx.Request) -> ServiceError:
    if asked.url.path == READY:
        return NotReady("the core process does not answer")
    return DeadlineExceeded("the core process did not answer in time")


def _asked(scope: Scope, body: bytes) -> httpx.Request:
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    # Spaces around a value are allowed, and a client library is stricter than a server must be.
    headers = [
        (name, value.strip(b" \t"))
        for name, value in _passed(scope["headers"])
        if name != b"content-length"
    ]
    url = httpx.URL(
        scheme="http", host="core", raw_path=target if target.startswith(b"/") else b"/"
    )
    wait_s = _READY_S if scope["path"] == READY else _REPORT_S
    waits = {"connect": 1.0, "pool": 1.0, "write": 30.0, "read": wait_s}
    # The target goes out as it came in: the URL has resolved its dots.
    extensions = {"timeout": waits, "target": target}
    return httpx.Request(
        scope["method"], url, headers=headers, content=body or None, extensions=extensions
    )


def _passed(headers: Iterable[Header]) -> list[Header]:
    """Without those that are about one connection, not about the request."""
    return [header for header in headers if header[0].lower() not in _OF_ONE_CONNECTION]


def _raising(error: ServiceError) -> ASGIApp:
    async def raising(_: Scope, __: Receive, ___: Send) -> None:
        raise error

    return raising
