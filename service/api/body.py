"""A request's body comes in as ASGI messages; a checked JSON value or document goes out."""

import asyncio
import codecs
import re
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json
from starlette.requests import Request

from service.errors import (
    BodyTimeout,
    BodyTooLarge,
    CallerLeft,
    InvalidJson,
    InvalidTicket,
    UnsupportedMediaType,
)

Document = TypeVar("Document", bound=BaseModel)

MAX_PROBLEMS = 20

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_LONE_HIGH = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})")
_LONE_LOW = re.compile(rb"(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}")


async def read_json(request: Request, limit_bytes: int, timeout_s: float) -> Any:
    """The body's JSON value.

    Raises UnsupportedMediaType, BodyTooLarge, BodyTimeout, CallerLeft, InvalidJson.
    """
    _check_headers(request, limit_bytes)
    try:
        async with asyncio.timeout(timeout_s):
            body = await _read(request, limit_bytes)
    except TimeoutError:
        raise BodyTimeout(f"the body did not arrive within {timeout_s:g} s") from None
    return parse(body)


def parse(body: bytes) -> Any:
    """The JSON value, as RFC 8259 has it: no NaN, no bare control characters, bounded depth.

    A lone surrogate, which a desk writes that cuts an emoji in half, becomes U+FFFD; of a key that
    stands twice the last one counts; a byte order mark is skipped. Raises InvalidJson; its message
    names the position, not the input.
    """
    body = body.removeprefix(codecs.BOM_UTF8)
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        if not _SURROGATE.search(body):
            raise InvalidJson(str(error)) from None
    try:
        return from_json(_mend(body), allow_inf_nan=False)
    except ValueError as error:
        raise InvalidJson(str(error)) from None


def validate(kind: type[Document], value: Any, where: str = "") -> Document:
    """The value as a document.

    where: a JSON pointer to it. Raises InvalidTicket that lists the faults.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        found = tuple(_fault(fault, kind, where) for fault in faults[:MAX_PROBLEMS])
        raise InvalidTicket(f"the body breaks {len(faults)} rule(s)", found) from None


def _check_headers(request: Request, limit_bytes: int) -> None:
    headers = request.headers
    media_type = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType("the body must be sent with Content-Type: application/json")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("the body must be sent without a Content-Encoding")
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limit_bytes:
        raise BodyTooLarge(f"the body must not exceed {limit_bytes} bytes, {announced} announced")


async def _read(request: Request, limit_bytes: int) -> bytes:
    """What is left unread of a body that is too large, the server discards as it comes."""
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise CallerLeft("the caller left before the body was complete")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        more = message.get("more_body", False)
        if size > limit_bytes:
            raise BodyTooLarge(f"the body must not exceed {limit_bytes} bytes")
    return b"".join(chunks)


def _mend(body: bytes) -> bytes:
    """Each lone surrogate's escape replaced by U+FFFD's, at the speed of C whatever it holds.

    Escaped backslashes are spelled out first, so that every `\\u` left does begin an escape.
    """
    plain = body.replace(rb"\\", rb"\u005c")
    return _LONE_LOW.sub(rb"\\ufffd", _LONE_HIGH.sub(rb"\\ufffd", plain))


def _fault(fault: ErrorDetails, kind: type[BaseModel], where: str) -> tuple[str, str]:
    """(where, rule).

    The name of an unknown field is input too, so only a known name that is close to it is given.
    """
    if fault["type"] != "extra_forbidden":
        return where + "".join(f"/{part}" for part in fault["loc"]), fault["msg"]
    known = list(kind.model_fields)
    close = get_close_matches(str(fault["loc"][-1])[:64], known, n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    return where, f"unknown field; known are {', '.join(known)}{meant}"
