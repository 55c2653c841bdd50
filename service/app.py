"""Settings come in; the ASGI application goes out.

This file only wires: what starts, opens and closes in the lifespan.
"""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.edge import Edge
from service.api.routes import HOT, PlainRoute, add_routes
from service.bundle import Bundle
from service.bundles import Bundles
from service.core import Core
from service.early import Early
from service.engine.leftover import Leftover
from service.errors import NotReady
from service.ledger.ledger import Ledger
from service.logs import Log, open_log
from service.metrics import Metrics, Serving
from service.promotion import Promotion
from service.readiness import Readiness
from service.recorder import Recorder
from service.reliability.watch import Watch
from service.settings import Settings
from service.shadow.config import ShadowConfig, read_shadow
from service.shadow.legacy import Legacy
from service.shadow.opening import bundles_of, legacies_of
from service.shadow.reporting import Reporting
from service.witness import Witness


def create_core(settings: Settings, log: Log | None = None, early: Early | None = None) -> Core:
    """The parts, not yet started. early: the settings' bundle, on its way.

    Raises ShadowRefused, LedgerRefused.
    """
    log = log or open_log(sys.stdout, settings.log_level)
    metrics = Metrics()
    config = None if settings.shadow is None else read_shadow(settings.shadow)
    shadows = bundles_of(config)
    bundles = Bundles(settings, shadows=shadows, on_batch=metrics.batch, early=early)
    bundles.listen(_announce(metrics, log))
    metrics.watch_queue(lambda: _queue_depth(bundles))
    leftover = Leftover(settings.sessions)
    ledger = Ledger(settings, metrics.ledger, log, detect_language=config is not None)
    reporting = Reporting(settings.ledger)
    promotion = Promotion(settings, config, bundles, ledger, reporting, log)
    witness = Witness(
        ledger,
        bundles,
        log,
        config=config,
        legacies=_legacies(bundles, leftover, promotion),
        metrics=metrics.shadow,
        spare=leftover.spare,
    )
    bundles.listen(lambda _: witness.seats_changed())
    reliability = Watch(ledger, bundles, metrics.reliability, log)
    bundles.listen(lambda _: reliability.bundle_changed())
    parts = (ledger, Recorder(settings), witness, reporting, promotion, reliability)
    return Core(settings, bundles, metrics, log, Readiness(), leftover, *parts)


def _legacies(
    bundles: Bundles, leftover: Leftover, promotion: Promotion
) -> Callable[[ShadowConfig], dict[str, Legacy]]:
    """Makes the legacies, once the bundles are open."""

    def legacies(config: ShadowConfig) -> dict[str, Legacy]:
        return legacies_of(config, bundles, leftover, promotion.role)

    return legacies


def create_app(settings: Settings, log: Log | None = None, early: Early | None = None) -> FastAPI:
    """The application for these settings.

    log: where to, by default JSON lines on standard output. early: their bundle, on its way.
    """
    return build_app(create_core(settings, log, early))


def build_app(core: Core) -> FastAPI:
    """The application around its parts; it finds them as `app.state.core`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with (
            core.ledger,
            core.bundles,
            core.promotion,
            core.witness,
            core.reliability,
        ):
            yield
            core.readiness.drop()

    app = _Application(
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
    app.hot = Edge(add_routes(app, core), core.metrics, core.log, core.readiness)
    return app


class _Application(FastAPI):
    """FastAPI, but that posts to `/route` go straight to `hot`."""

    hot: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection's event."""
        if scope["type"] == "http" and scope["path"] == HOT and scope["method"] == "POST":
            await self.hot(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


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
