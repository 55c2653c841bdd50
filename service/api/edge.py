"""Every request passes here: it gets an id, errors become problems, one line is logged."""

import asyncio
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api import headers
from service.api.problems import problem, respond
from service.api.visit import Visit
from service.errors import Closing, ServiceError
from service.ids import new_id
from service.logs import REQUEST, Log, failure
from service.metrics import Metrics
from service.readiness import Readiness

_PROBES = ("livez", "readyz", "metrics")
_REQUEST_ID = headers.REQUEST_ID.lower().encode()


class Edge:
    """ASGI middleware.

    It writes what a request was like (endpoint, outcome, counts), never what was in it.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, log: Log, readiness: Readiness) -> None:
        self._app = app
        self._metrics = metrics
        self._log = log
        self._readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request; nothing is raised but a cancellation."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = Visit(new_id())
        visit.enter(scope)
        reply = self._reply(visit, send)
        try:
            visit.request_id = headers.request_id(headers.fields(scope)) or visit.request_id
            await self._app(scope, receive, reply)
        except Exception as error:
            await self._refuse(error, visit, scope, receive, reply)
        except asyncio.CancelledError:
            # The stop's patience is over: even then the caller gets an answer.
            late = Closing("the server stopped before the answer")
            await self._refuse(late, visit, scope, receive, reply)
            raise
        finally:
            self._account(visit, scope)

    def _reply(self, visit: Visit, send: Send) -> Send:
        async def reply(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = message["status"]
                sent = message["headers"]
                sent.append((_REQUEST_ID, visit.request_id.encode("ascii")))
                if self._readiness.draining:
                    sent.append((b"connection", b"close"))
            await send(message)

        return reply

    async def _refuse(
        self, error: Exception, visit: Visit, scope: Scope, receive: Receive, send: Send
    ) -> None:
        document = problem(error, visit.request_id)
        visit.outcome = document.code
        if not isinstance(error, ServiceError | HTTPException):
            self._log.error("unexpected", request_id=visit.request_id, **failure(error))
        if visit.status:
            return  # The reply had begun; uvicorn closes the connection.
        extra = error.headers if isinstance(error, HTTPException) else None
        await respond(document, dict(extra or {}))(scope, receive, send)

    def _account(self, visit: Visit, scope: Scope) -> None:
        endpoint = getattr(scope.get("route"), "name", "other")
        seconds = visit.seconds
        self._metrics.request(endpoint, visit.outcome, seconds)
        quiet = endpoint in _PROBES and visit.status == HTTPStatus.OK
        (self._log.debug if quiet else self._log.info)(
            REQUEST,
            request_id=visit.request_id,
            endpoint=endpoint,
            status=visit.status,
            outcome=visit.outcome,
            ms=round(seconds * 1000, 3),
            tickets=visit.tickets,
            tokens=visit.tokens,
            bundle=visit.bundle,
        )
