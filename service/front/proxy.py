"""A request that a front does not answer itself comes in; the core's reply goes out."""

from collections.abc import Callable, Iterable
from contextlib import aclosing

import httpx
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.body import read_any
from service.api.caller import while_connected
from service.errors import NotReady, ServiceError
from service.link.line import GONE
from service.process import Process

Header = tuple[bytes, bytes]

_OF_ONE_CONNECTION = frozenset(
    (b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect")
)
_WAITS = {"connect": 1.0, "pool": 1.0, "write": 30.0, "read": None}
"""Seconds; what the core's answers may take is the core's own affair."""


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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        try:
            await self._pass_on(Request(scope, receive), send)
        except ServiceError as error:
            await self._edge(_raising(error))(scope, receive, send)

    async def _pass_on(self, request: Request, send: Send) -> None:
        with self._process.bundles.lease():
            pass  # Where the core is lost a connection to it would wait for the next one.
        settings = self._process.settings
        body = await read_any(request, settings.max_body_bytes, settings.timeout_s)
        asked = _asked(request.scope, body)
        answered = await while_connected(request.receive, self._ask(asked))
        # The server adds its own date.
        headers = [one for one in _passed(answered.headers.raw) if one[0].lower() != b"date"]
        if self._process.readiness.draining:
            headers.append((b"connection", b"close"))
        start = {"type": "http.response.start", "status": answered.status_code, "headers": headers}
        await send(start)
        async with aclosing(answered):
            async for part in answered.aiter_raw():
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    async def _ask(self, asked: httpx.Request) -> httpx.Response:
        try:
            return await self._core.handle_async_request(asked)
        except httpx.TransportError:
            raise NotReady(GONE) from None


def _asked(scope: Scope, body: bytes) -> httpx.Request:
    path = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    headers = [header for header in _passed(scope["headers"]) if header[0] != b"content-length"]
    url = httpx.URL(scheme="http", host="core", raw_path=path)
    return httpx.Request(
        scope["method"], url, headers=headers, content=body or None, extensions={"timeout": _WAITS}
    )


def _passed(headers: Iterable[Header]) -> list[Header]:
    """Without those that are about one connection, not about the request."""
    return [header for header in headers if header[0].lower() not in _OF_ONE_CONNECTION]


def _raising(error: ServiceError) -> ASGIApp:
    async def raising(_: Scope, __: Receive, ___: Send) -> None:
        raise error

    return raising
