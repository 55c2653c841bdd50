"""A request's body comes in as ASGI messages; a checked JSON value or document goes out."""

import asyncio
import codecs
import re
from collections.abc import Callable, Coroutine
from contextlib import suppress
from difflib import get_close_matches
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json
from starlette.requests import ClientDisconnect, Request

from service.api.caller import has_whole_body
from service.api.headers import Fields, fields
from service.errors import (
    BodyTimeout,
    BodyTooLarge,
    CallerLeft,
    InvalidDocument,
    InvalidJson,
    InvalidTicket,
    UnsupportedMediaType,
)

Document = TypeVar("Document", bound=BaseModel)

MAX_PROBLEMS = 20

_JSON, _PLAIN = b"application/json", b"identity"
_LENGTH_DIGITS = 18
_DISCARD_S = 2.0

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_LONE_HIGH = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})")
_LONE_LOW = re.compile(rb"(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}")


async def read_json(request: Request, limit_bytes: int, timeout_s: float) -> Any:
    """The body's JSON value. Raises as `read` does, and InvalidJson."""
    return parse(await read(request, limit_bytes, timeout_s))


async def read(request: Request, limit_bytes: int, timeout_s: float) -> bytes:
    """The whole body. Raises UnsupportedMediaType, BodyTooLarge, BodyTimeout, CallerLeft."""
    return await _in_time(request, _read_whole(request, limit_bytes, _check_type), timeout_s)


async def read_any(request: Request, limit_bytes: int, timeout_s: float) -> bytes:
    """The whole body, whatever it is said to be. Raises BodyTooLarge, BodyTimeout, CallerLeft."""
    return await _in_time(request, _read_whole(request, limit_bytes), timeout_s)


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


def validate(
    kind: type[Document],
    value: Any,
    where: str = "",
    refusal: type[InvalidDocument] = InvalidTicket,
) -> Document:
    """The value as a document.

    where: a JSON pointer to it. Raises `refusal`, which lists the faults.
    """
    kept = _bounded(kind, value)
    try:
        return kind.model_validate(kept)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        found = tuple(_fault(fault, kind, where) for fault in faults[:MAX_PROBLEMS])
        broken = len(faults) + (len(value) - len(kept) if kept is not value else 0)
        raise refusal(f"the body breaks {broken} rule(s)", found) from None


async def _in_time(
    request: Request, reading: Coroutine[Any, Any, bytes], timeout_s: float
) -> bytes:
    if has_whole_body(request):
        return await reading
    try:
        async with asyncio.timeout(timeout_s):
            return await reading
    except TimeoutError:
        raise BodyTimeout(f"the body did not arrive within {timeout_s:g} s") from None


def _check_type(found: Fields) -> None:
    media_type = found.get(b"content-type", _JSON).partition(b";")[0].strip().lower()
    if media_type != _JSON:
        raise UnsupportedMediaType("the body must be sent with Content-Type: application/json")
    if found.get(b"content-encoding", _PLAIN).lower() != _PLAIN:
        raise UnsupportedMediaType("the body must be sent without a Content-Encoding")


def _check_length(found: Fields, limit_bytes: int) -> None:
    # Python does not convert thousands of digits, and a length may begin with as many zeros.
    announced = found.get(b"content-length", b"0").lstrip(b"0") or b"0"
    if announced.isdigit() and (len(announced) > _LENGTH_DIGITS or int(announced) > limit_bytes):
        raise BodyTooLarge(f"the body must not exceed {limit_bytes} bytes, more were announced")


async def _read_whole(
    request: Request, limit_bytes: int, check: Callable[[Fields], None] = lambda _: None
) -> bytes:
    try:
        found = fields(request.scope)
        check(found)
        _check_length(found, limit_bytes)
    except (BodyTooLarge, UnsupportedMediaType):
        await _discard_before_close(request)
        raise
    return await _read(request, limit_bytes)


async def _discard_before_close(request: Request) -> None:
    """Reads on to the end where the connection then closes.

    Closed while the caller still sends it would be reset, and the reply be lost. It has a moment
    for that, no more.
    """
    if request.headers.get("connection", "").lower() == "close":
        with suppress(ClientDisconnect, TimeoutError):
            async with asyncio.timeout(_DISCARD_S):
                async for _ in request.stream():
                    pass


async def _read(request: Request, limit_bytes: int) -> bytes:
    """What is left unread of a body that is too large, the server discards as it comes, unless the
    connection is to close.
    """
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
            if more:
                await _discard_before_close(request)
            raise BodyTooLarge(f"the body must not exceed {limit_bytes} bytes")
    return b"".join(chunks)


def _mend(body: bytes) -> bytes:
    """Each lone surrogate's escape replaced by U+FFFD's, at the speed of C whatever it holds.

    Escaped backslashes are spelled out first, so that every `\\u` left does begin an escape.
    """
    plain = body.replace(rb"\\", rb"\u005c")
    return _LONE_LOW.sub(rb"\\ufffd", _LONE_HIGH.sub(rb"\\ufffd", plain))


def _bounded(kind: type[BaseModel], value: Any) -> Any:
    """The value without the unknown fields that no reply would list.

    Pydantic describes each one: hundreds of thousands would hold up every other request for
    seconds.
    """
    known = kind.model_fields
    if not isinstance(value, dict) or len(value) <= len(known) + MAX_PROBLEMS:
        return value
    kept = {name: value[name] for name in known if name in value}
    unknown = ((name, found) for name, found in value.items() if name not in known)
    return {**kept, **dict(islice(unknown, MAX_PROBLEMS))}


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
