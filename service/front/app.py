"""Requests come in; tickets are routed here, everything else is the core's to answer."""

from dataclasses import dataclass

import httpx
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.documents import Status
from service.api.edge import Edge
from service.api.hot import HotRoute
from service.api.tickets import Tickets
from service.errors import Closing
from service.front.front import Front
from service.front.proxy import READY, Proxy

ROUTE, BATCH, LIVE = "/route", "/route/batch", "/livez"


@dataclass(frozen=True, slots=True)
class Named:
    """As which an endpoint is known to metrics and log: as the core names its own."""

    name: str


class FrontApp:
    """The ASGI application of an HTTP front."""

    def __init__(self, front: Front, core: httpx.AsyncBaseTransport) -> None:
        """core: the way to the core's own interface."""
        self._front = front
        tickets = Tickets(front)
        self._own = {
            ("POST", ROUTE): self._edge(HotRoute(Named("route"), tickets.route_json)),
            ("POST", BATCH): self._edge(HotRoute(Named("route_batch"), tickets.batch_json)),
            ("GET", LIVE): self._edge(HotRoute(Named("livez"), _alive)),
        }
        self._stopping = self._edge(HotRoute(Named("readyz"), _stopping))
        self._proxy = Proxy(front, core, self._edge)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            return
        await self._choose(scope)(scope, receive, send)

    def _choose(self, scope: Scope) -> ASGIApp:
        own = self._own.get((scope["method"], scope["path"]))
        if own is not None:
            return own
        if scope["path"] == READY and self._front.readiness.draining:
            return self._stopping
        return self._proxy

    def _edge(self, app: ASGIApp) -> ASGIApp:
        front = self._front
        return Edge(app, front.metrics, front.log, front.readiness)


async def _alive(_: Request) -> bytes:
    return Status(status="alive").model_dump_json().encode()


async def _stopping(_: Request) -> bytes:
    raise Closing("the server is stopping; what it accepted is still answered")
