"""The endpoints come in; the application gets its paths, each with its description."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from service.api import openapi
from service.api.feedback import Feedback
from service.api.hot import HotRoute
from service.api.openapi import (
    COMMON_PARAMETERS,
    FORGET_PARAMETERS,
    REPORT_PARAMETERS,
    TICKET_PARAMETERS,
    OpenApi,
    body_of,
    problems_of,
)
from service.api.operations import Operations
from service.api.reliability import ReliabilityDesk, ReliabilityReply
from service.api.schema import (
    BatchReply,
    BatchRequest,
    BundleSummary,
    FeedbackBatchReply,
    FeedbackBatchRequest,
    FeedbackReply,
    FeedbackRequest,
    Reply,
    Status,
    TicketRequest,
)
from service.api.seats import Forgotten, SeatReply, SeatRequest
from service.api.shadow import ShadowDesk
from service.api.tickets import Tickets
from service.core import Core
from service.shadow.documents import ShadowStatus
from service.shadow.findings.document import Report

HOT = "/route"
"""The path that is served without the framework's layers, as a POST."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_BODY_PROBLEMS = (400, 408, 413, 415, 422, 500, 503)
TICKET_PROBLEMS = (*_BODY_PROBLEMS, 504)
FEEDBACK_PROBLEMS = _BODY_PROBLEMS
ORDER_PROBLEMS = (*_BODY_PROBLEMS, 401, 403, 404, 409)


class PlainRoute(APIRoute):
    """FastAPI documents the route; the request goes to the endpoint as it is."""

    def get_route_handler(self) -> Handler:
        """The endpoint itself."""
        return self.endpoint


def add_routes(app: FastAPI, core: Core) -> HotRoute:
    """Every path of the interface. Returns `POST /route` by itself."""
    hot = _add_tickets(app, core)
    _add_feedback(app, core)
    _add_shadow(app, core)
    _add_operations(app, core)
    return hot


def _add_tickets(app: FastAPI, core: Core) -> HotRoute:
    tickets = Tickets(core)
    _post(app, HOT, tickets.route, TicketRequest, Reply, TICKET_PROBLEMS, TICKET_PARAMETERS)
    hot = HotRoute(app.routes[-1], tickets.route_json)
    _post(
        app,
        "/route/batch",
        tickets.route_batch,
        BatchRequest,
        BatchReply,
        TICKET_PROBLEMS,
        TICKET_PARAMETERS,
    )
    return hot


def _add_feedback(app: FastAPI, core: Core) -> None:
    feedback = Feedback(core)
    _post(app, "/feedback", feedback.one, FeedbackRequest, FeedbackReply, FEEDBACK_PROBLEMS)
    _post(
        app,
        "/feedback/batch",
        feedback.batch,
        FeedbackBatchRequest,
        FeedbackBatchReply,
        FEEDBACK_PROBLEMS,
    )


def _add_shadow(app: FastAPI, core: Core) -> None:
    shadow = ShadowDesk(core)
    app.add_api_route(
        "/shadow", shadow.status, response_model=ShadowStatus, responses=problems_of(404)
    )
    app.add_api_route(
        "/shadow/report",
        shadow.report,
        response_model=Report,
        responses=problems_of(400, 404, 503),
        openapi_extra={"parameters": REPORT_PARAMETERS},
    )
    for path, post in (
        ("/shadow/promote", shadow.promote),
        ("/shadow/rollback", shadow.rollback),
    ):
        _post(app, path, post, SeatRequest, SeatReply, ORDER_PROBLEMS)
    app.add_api_route(
        "/tickets/{ticket_id:path}",
        shadow.forget,
        methods=["DELETE"],
        response_model=Forgotten,
        responses=problems_of(400, 401, 403, 503),
        openapi_extra={"parameters": FORGET_PARAMETERS},
    )


def _add_operations(app: FastAPI, core: Core) -> None:
    operations, docs = Operations(core), OpenApi(app, core)
    app.add_api_route(
        "/bundle", operations.bundle, response_model=BundleSummary, responses=problems_of(503)
    )
    app.add_api_route(
        "/reliability",
        ReliabilityDesk(core).status,
        name="reliability",
        response_model=ReliabilityReply,
        responses=problems_of(503),
    )
    app.add_api_route("/livez", operations.livez, response_model=Status)
    app.add_api_route(
        "/readyz", operations.readyz, response_model=Status, responses=problems_of(503)
    )
    app.add_api_route("/metrics", operations.metrics, response_model=None)
    for path, get, name in ((openapi.PATH, docs.document, "openapi"), ("/docs", docs.page, "docs")):
        app.add_api_route(path, get, name=name, include_in_schema=False, response_model=None)


def _post(
    app: FastAPI,
    path: str,
    endpoint: Handler,
    takes: type[BaseModel],
    gives: type[Any],
    problems: tuple[int, ...],
    parameters: Sequence[dict[str, Any]] = COMMON_PARAMETERS,
) -> None:
    app.add_api_route(
        path,
        endpoint,
        methods=["POST"],
        response_model=gives,
        responses=problems_of(*problems),
        openapi_extra={**body_of(takes), "parameters": list(parameters)},
    )
