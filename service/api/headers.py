"""A request's headers and query come in; checked values go out."""

import re
import time
from collections.abc import Mapping
from typing import cast, get_args

from starlette.requests import Request
from starlette.types import Scope

from service.contract.promises import SetMethod
from service.decisions import DEFAULT_TOP_K, MAX_TOP_K, WantedSet
from service.engine.answer import Priority
from service.errors import InvalidHeader, InvalidQuery
from service.routing import Terms

REQUEST_ID = "X-Request-Id"
TIMEOUT = "X-Request-Timeout-Ms"
PRIORITY = "X-Priority"

_REQUEST_ID = re.compile(rb"[!-~]{1,128}")
_MILLISECONDS = re.compile(rb"0*[1-9][0-9]{0,8}")
_ID, _LIMIT, _RANK = (name.lower().encode() for name in (REQUEST_ID, TIMEOUT, PRIORITY))

_KEY = "harbor.fields"

Fields = Mapping[bytes, bytes]
"""A request's headers by name in lower case; of one that stands twice, the first."""


def fields(scope: Scope) -> Fields:
    """The headers of an ASGI scope, which Starlette would look through for each name."""
    found: Fields | None = scope.get(_KEY)
    if found is None:
        scope[_KEY] = found = dict(reversed(scope["headers"]))
    return found


def request_id(found: Fields) -> str | None:
    """The caller's own id, None where it sent none. Raises InvalidHeader."""
    given = found.get(_ID)
    if given is None:
        return None
    if not _REQUEST_ID.fullmatch(given):
        raise InvalidHeader(f"{REQUEST_ID} must be 1 to 128 printable ASCII characters, no spaces")
    return given.decode("ascii")


def terms(
    request: Request, own_id: str, arrived: float, limit_s: float, default: Priority
) -> Terms:
    """What the caller asked for.

    limit_s: the longest deadline. Raises InvalidHeader, InvalidQuery.
    """
    elapsed_s = time.perf_counter() - arrived
    found = fields(request.scope)
    deadline = time.monotonic() - elapsed_s + _timeout_s(found, limit_s)
    priority = _priority(found, default)
    if not request.scope["query_string"]:
        return Terms(own_id, deadline, arrived, priority)
    return Terms(
        request_id=own_id,
        deadline=deadline,
        arrived=arrived,
        priority=priority,
        top_k=_top_k(request),
        waits_for_shadow=_waits_for_shadow(request),
        wanted_set=_wanted_set(request),
    )


def _timeout_s(found: Fields, limit_s: float) -> float:
    given = found.get(_LIMIT)
    if given is None:
        return limit_s
    if not _MILLISECONDS.fullmatch(given):
        raise InvalidHeader(f"{TIMEOUT} must be a positive whole number of milliseconds")
    return min(limit_s, int(given) / 1000)


def _priority(found: Fields, default: Priority) -> Priority:
    given = found.get(_RANK)
    if given is None:
        return default
    if given not in (b"live", b"bulk"):
        raise InvalidHeader(f"{PRIORITY} must be live or bulk")
    return cast("Priority", given.decode("ascii"))


def _top_k(request: Request) -> int:
    given = request.query_params.get("top_k", str(DEFAULT_TOP_K))
    if not re.fullmatch(r"[0-9]{1,3}", given) or not 1 <= int(given) <= MAX_TOP_K:
        raise InvalidQuery(f"top_k must be a whole number from 1 to {MAX_TOP_K}")
    return int(given)


def _waits_for_shadow(request: Request) -> bool:
    given = request.query_params.get("shadow")
    if given not in (None, "wait"):
        raise InvalidQuery("shadow must be wait, or be left out")
    return given == "wait"


def _wanted_set(request: Request) -> WantedSet | None:
    method, per = request.query_params.get("sets"), request.query_params.get("sets_per")
    if method not in (None, *get_args(SetMethod)):
        raise InvalidQuery(f"sets must be {' or '.join(get_args(SetMethod))}, or be left out")
    if per not in (None, "label"):
        raise InvalidQuery("sets_per must be label, or be left out")
    if method is None:
        if per is not None:
            raise InvalidQuery("sets_per needs sets")
        return None
    return WantedSet(cast("SetMethod", method), per_label=per == "label")
