"""The app's routes come in; OpenAPI goes out, with examples made by the bundle that serves."""

import json
import time
from typing import Any, get_args

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from service.api.headers import PRIORITY, REQUEST_ID, TIMEOUT
from service.api.operations import JSON, summary
from service.api.problems import MEDIA_TYPE, problem
from service.api.schema import (
    BatchItem,
    BatchReply,
    BatchRequest,
    FeedbackBatchRequest,
    FeedbackRequest,
    Problem,
    TicketRequest,
    batch_json,
    reply_json,
)
from service.api.seats import SeatRequest
from service.contract.promises import SetMethod
from service.contract.ticket import Ticket
from service.core import Core
from service.decisions import DEFAULT_TOP_K, MAX_TOP_K
from service.errors import InvalidTicket
from service.ids import new_id
from service.routing import EMPTY, Terms, encode, route

PATH = "/openapi.json"
EXAMPLE = {
    "subject": "Charged twice for March",
    "body": "Our card was charged twice for the March invoice. Please refund one of them.",
    "ticket_id": "48213",
}
_EMPTY = {"subject": "", "body": ""}


class OpenApi:
    """The interface's description. The document is built anew whenever another bundle serves, or
    the same under another policy.
    """

    def __init__(self, app: FastAPI, core: Core) -> None:
        self._app = app
        self._core = core
        self._built: tuple[tuple[str, ...], bytes] = ((), b"")

    async def document(self, _: Request) -> Response:
        """The OpenAPI document."""
        bundle = self._core.bundles.active
        made_by = (bundle.digest, "" if bundle.policy is None else bundle.policy.digest)
        if self._built[0] != made_by:
            body = json.dumps(await self._with_examples(), ensure_ascii=False).encode()
            self._built = (made_by, body)
        return Response(self._built[1], media_type=JSON)

    async def page(self, _: Request) -> HTMLResponse:
        """The document as a page; the browser loads Swagger UI from a public CDN."""
        return get_swagger_ui_html(openapi_url=PATH.lstrip("/"), title=self._app.title)

    async def _with_examples(self) -> dict[str, Any]:
        document = dict(self._app.openapi())
        for path, example in (await self._examples()).items():
            (operation,) = document["paths"][path].values()
            operation["responses"]["200"]["content"][JSON]["example"] = example
        for path, example in self._feedback().items():
            body = document["paths"][path]["post"]["requestBody"]
            body["content"][JSON]["example"] = example
        return document

    def _feedback(self) -> dict[str, Any]:
        """Final labels that the bundle that serves has."""
        tasks = self._core.bundles.active.tasks
        one = {"ticket_id": "48213", "labels": {task.name: task.labels[0] for task in tasks}}
        return {"/feedback": one, "/feedback/batch": {"feedback": [one]}}

    async def _examples(self) -> dict[str, Any]:
        limit_s, own_id = self._core.settings.timeout_s, new_id()
        terms = Terms(own_id, time.monotonic() + limit_s, time.perf_counter())
        with self._core.bundles.lease() as bundle:
            ticket = Ticket.model_validate(EXAMPLE)
            reply = await route(ticket, encode(ticket, bundle), bundle, terms)
            refused = problem(_refusal(), own_id)
            results = [BatchItem(reply=reply), BatchItem(problem=refused)]
            batch = BatchReply(request_id=own_id, bundle=reply.bundle, results=results)
            return {
                "/route": json.loads(reply_json(reply)),
                "/route/batch": json.loads(batch_json(batch)),
                "/bundle": summary(bundle).model_dump(mode="json"),
            }


def body_of(kind: type[BaseModel]) -> dict[str, Any]:
    """What FastAPI cannot see of an endpoint that reads its own body."""
    schema = kind.model_json_schema()
    if kind is BatchRequest:
        schema["properties"]["tickets"]["items"] = TicketRequest.model_json_schema()
    if kind is FeedbackBatchRequest:
        schema["properties"]["feedback"]["items"] = FeedbackRequest.model_json_schema()
    content: dict[str, Any] = {"schema": schema}
    if kind in _BODIES:
        content["example"] = _BODIES[kind]
    return {"requestBody": {"required": True, "content": {JSON: content}}}


def problems_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem documents that an endpoint may answer with."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"model": Problem, "content": {MEDIA_TYPE: schema}, "description": "A problem"}
        for status in statuses
    }


def _refusal() -> InvalidTicket:
    return InvalidTicket("the ticket has no text", (("/tickets/1", EMPTY),))


def _parameter(place: str, name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"in": place, "name": name, "schema": schema, "description": description}


_BODIES: dict[type[BaseModel], dict[str, Any]] = {
    TicketRequest: EXAMPLE,
    BatchRequest: {"tickets": [EXAMPLE, _EMPTY]},
    SeatRequest: {"legacy": "old-queue", "by": "ada", "reason": "two weeks without a surprise"},
}

COMMON_PARAMETERS = [
    _parameter(
        "header",
        REQUEST_ID,
        {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
        "The caller's own id; without it the service makes one. Every reply carries it.",
    ),
]

TICKET_PARAMETERS = [
    _parameter(
        "query",
        "top_k",
        {"type": "integer", "minimum": 1, "maximum": MAX_TOP_K, "default": DEFAULT_TOP_K},
        "Labels reported for each task, the predicted one included.",
    ),
    _parameter(
        "query",
        "shadow",
        {"type": "string", "enum": ["wait"]},
        "Waits for the legacies and adds what each says to this very ticket.",
    ),
    _parameter(
        "query",
        "sets",
        {"type": "string", "enum": list(get_args(SetMethod))},
        "Adds for each task the labels of which one is the final one at the coverage that the "
        "bundle was calibrated for; null where it was not.",
    ),
    _parameter(
        "query",
        "sets_per",
        {"type": "string", "enum": ["label"]},
        "With `sets`: coverage on the tickets of each label, not only of all together.",
    ),
    *COMMON_PARAMETERS,
    _parameter(
        "header",
        TIMEOUT,
        {"type": "integer", "minimum": 1},
        "Deadline in milliseconds; a ticket that still waits then is not run.",
    ),
    _parameter(
        "header",
        PRIORITY,
        {"type": "string", "enum": ["live", "bulk"]},
        "Bulk tickets give way to live ones; `/route` is live and `/route/batch` bulk by default.",
    ),
]

REPORT_PARAMETERS = [
    _parameter(
        "query",
        "legacy",
        {"type": "string"},
        "Whose; may be left out where only one runs.",
    ),
    _parameter(
        "query",
        "format",
        {"type": "string", "enum": ["json", "html"]},
        "JSON, or a self-contained page; by default what the Accept header asks for.",
    ),
]

FORGET_PARAMETERS = [
    _parameter(
        "query",
        "everything",
        {"type": "boolean", "default": False},
        "Whether to delete all that the ledger has of the ticket, not its text alone.",
    ),
]
