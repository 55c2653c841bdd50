"""A request comes in; the bytes of its reply go out, or the reason why there are none."""

import asyncio
from contextlib import aclosing
from types import TracebackType
from typing import Self

import httpx

from service.shadow.legacy import LegacyFailedError
from service.shadow.transport import Transport

MAX_REPLY_BYTES = 64 * 1024
"""Room for a thousand probabilities of each of three tasks. Nobody gets a word in while JSON is
parsed, so this also bounds for how long a wrong reply can hold callers up: milliseconds.
"""


def open_transport(url: httpx.URL, connections: int) -> httpx.AsyncBaseTransport:
    """To the URL's host, with at most this many connections. `SSL_CERT_FILE` is honoured."""
    return Transport(url, connections, MAX_REPLY_BYTES, httpx.create_ssl_context())


class Connection:
    """Requests to one remote system; a request takes at most `timeout_s` seconds in all."""

    def __init__(self, transport: httpx.AsyncBaseTransport, timeout_s: float) -> None:
        self._transport = transport
        self._timeout_s = timeout_s

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes every connection."""
        await self._transport.__aexit__(kind, error, traceback)

    async def exchange(self, request: httpx.Request) -> bytes:
        """The reply's body.

        Raises LegacyFailedError: `timeout`, `unreachable` where the connection fails at any point,
        `status` beside 2xx, `malformed` where the body is too large or compressed.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(request)
        except (TimeoutError, httpx.TimeoutException):
            raise LegacyFailedError("timeout") from None
        except httpx.TransportError as error:
            # Its own message may quote the URL.
            raise LegacyFailedError("unreachable", type(error).__name__) from None

    async def _exchange(self, request: httpx.Request) -> bytes:
        response = await self._transport.handle_async_request(request)
        async with aclosing(response):
            if not response.is_success:
                raise LegacyFailedError("status", f"status {response.status_code}")
            return await _read(response)


async def _read(response: httpx.Response) -> bytes:
    # Nothing compressed was asked for, and what a few bytes unpack to has no bound.
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise LegacyFailedError("malformed", "the reply is compressed")
    body = bytearray()
    assert isinstance(response.stream, httpx.AsyncByteStream)
    async for chunk in response.stream:
        body += chunk
        if len(body) > MAX_REPLY_BYTES:
            raise LegacyFailedError("malformed", f"the reply exceeds {MAX_REPLY_BYTES} bytes")
    return bytes(body)
