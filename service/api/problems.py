"""An exception comes in; a problem document (RFC 9457) goes out, without any of the input."""

import math
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.api.schema import Fault, Problem
from service.errors import Closing, InvalidDocument, NotReady, Overloaded, ServiceError

MEDIA_TYPE = "application/problem+json"
CLOSING_RETRY_S = 1


def problem(error: Exception, request_id: str) -> Problem:
    """The document of any exception; an unknown one becomes `internal`, without its message."""
    if isinstance(error, HTTPException):
        return _of_http(error, request_id)
    known = error if isinstance(error, ServiceError) else ServiceError("the failure is in the log")
    return Problem(
        type=_type(known.code),
        title=known.title,
        status=known.status,
        detail=str(known),
        code=known.code,
        request_id=request_id,
        **_extensions(known),
    )


def respond(document: Problem, headers: dict[str, str] | None = None) -> Response:
    """The problem as a response; `Retry-After` where it has one."""
    sent = dict(headers or {})
    if document.retry_after_s is not None:
        sent["Retry-After"] = str(document.retry_after_s)
    body = document.model_dump_json(exclude_unset=True)
    return Response(body, document.status, sent, media_type=MEDIA_TYPE)


def retry_after_s(error: ServiceError) -> int | None:
    """Whole seconds, at least one, after which trying again makes sense; None where it does not."""
    if isinstance(error, Overloaded):
        return max(1, math.ceil(error.retry_after_s))
    return CLOSING_RETRY_S if isinstance(error, Closing | NotReady) else None


def _extensions(error: ServiceError) -> dict[str, Any]:
    """Only what this problem has, so that nothing is sent as null."""
    found: dict[str, Any] = {}
    if isinstance(error, InvalidDocument) and error.problems:
        found["problems"] = [Fault(where=where, rule=rule) for where, rule in error.problems]
    if (seconds := retry_after_s(error)) is not None:
        found["retry_after_s"] = seconds
    return found


def _of_http(error: HTTPException, request_id: str) -> Problem:
    status = HTTPStatus(error.status_code)
    code = status.phrase.lower().replace(" ", "_")
    return Problem(
        type=_type(code),
        title=status.phrase,
        status=status.value,
        detail=status.description or status.phrase,
        code=code,
        request_id=request_id,
    )


def _type(code: str) -> str:
    return f"urn:problem-type:harbor:{code}"
