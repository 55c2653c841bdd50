"""Settings come in; the ASGI application goes out.

This file only wires: what starts, opens and closes in the lifespan.
"""

import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from service.api import openapi
from service.api.edge import Edge
from service.api.openapi import OpenApi, body_of, problems_of
from service.api.operations import Operations
from service.api.schema import (
    BatchReply,
    BatchRequest,
    BundleSummary,
    Reply,
    Status,
    TicketRequest,
)
from service.api.tickets import Tickets
from service.bundles import Bundle, Bundles
from service.core import Core
from service.errors import NotReady
from service.logs import Log, open_log
from service.metrics import Metrics, Serving
from service.readiness import Readiness
from service.settings import Settings

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

TICKET_PROBLEMS = (400, 408, 413, 415, 422, 500, 503, 504)


class PlainRoute(APIRoute):
    """FastAPI documents the route; the request goes to the endpoint as it is."""

    def get_route_handler(self) -> Handler:
        """The endpoint itself."""
        return self.endpoint


def create_core(settings: Settings, log: Log | None = None) -> Core:
    """The parts, not yet started."""
    metrics = Metrics()
    log = log or open_log(sys.stdout, settings.log_level)
    bundles = Bundles(settings, on_batch=metrics.batch, on_swap=_announce(metrics, log))
    metrics.watch_queue(lambda: _queue_depth(bundles))
    return Core(settings, bundles, metrics, log, Readiness())


def create_app(settings: Settings, log: Log | None = None) -> FastAPI:
    """The application for these settings.

    log: where to, by default JSON lines on standard output.
    """
    return build_app(create_core(settings, log))


def build_app(core: Core) -> FastAPI:
    """The application around its parts; it finds them as `app.state.core`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with core.bundles:
            yield
            core.readiness.drop()

    app = FastAPI(
        title="Harbor",
        summary="Routes support tickets with calibrated confidences.",
        version=version("harbor-router"),
        lifespan=lifespan,
        openapi_url=None,
        # A redirect would say where to look by the Host header, and count as `ok`.
        redirect_slashes=False,
        # FastAPI's own traces would carry exceptions' messages, and those may quote a ticket.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.core = core
    app.router.route_class = PlainRoute
    app.add_middleware(Edge, core.metrics, core.log, core.readiness)
    app.add_exception_handler(HTTPException, _leave_to_edge)
    _add_routes(app, core)
    return app


def _add_routes(app: FastAPI, core: Core) -> None:
    tickets, operations, docs = Tickets(core), Operations(core), OpenApi(app, core)
    for path, post, takes, gives in (
        ("/route", tickets.route, TicketRequest, Reply),
        ("/route/batch", tickets.route_batch, BatchRequest, BatchReply),
    ):
        app.add_api_route(
            path,
            post,
            methods=["POST"],
            response_model=gives,
            responses=problems_of(*TICKET_PROBLEMS),
            openapi_extra=body_of(takes),
        )
    app.add_api_route(
        "/bundle", operations.bundle, response_model=BundleSummary, responses=problems_of(503)
    )
    app.add_api_route("/livez", operations.livez, response_model=Status)
    app.add_api_route(
        "/readyz", operations.readyz, response_model=Status, responses=problems_of(503)
    )
    app.add_api_route("/metrics", operations.metrics, response_model=None)
    for path, get, name in ((openapi.PATH, docs.document, "openapi"), ("/docs", docs.page, "docs")):
        app.add_api_route(path, get, name=name, include_in_schema=False, response_model=None)


def _queue_depth(bundles: Bundles) -> int:
    try:
        return bundles.active.engine.depth
    except NotReady:
        return 0


def _announce(metrics: Metrics, log: Log) -> Callable[[Bundle], None]:
    def announce(bundle: Bundle) -> None:
        name = Serving(
            bundle.manifest.version,
            bundle.digest,
            bundle.provider,
            bundle.degraded,
            bundle.tasks,
        )
        metrics.serving(name)
        say = log.warning if bundle.degraded else log.info
        say(
            "bundle",
            version=name.version,
            digest=name.digest,
            provider=name.provider,
            degraded=name.degraded,
            reason=bundle.reason,
        )

    return announce


async def _leave_to_edge(_: Request, error: Exception) -> Response:
    raise error
