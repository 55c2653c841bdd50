"""An ASGI application that takes lists comes in; one that takes single tickets goes out."""

from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
PATH = "/route"


class OneTicket:
    """Hands a ticket on as `{"tickets": [ticket]}` and takes the only reply out of its list."""

    def __init__(self, app: Callable[[Message, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request, as ASGI says."""
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        body = b'{"tickets":[' + await _whole(receive) + b"]}"
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def listed() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(_with_length(scope, len(body)), listed, _Unlisted(send))


class _Unlisted:
    """Sends a list's only item; a reply with another status than 200 as it is."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] != "http.response.body":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        good = self._start["status"] == 200
        body = self._body.strip()[1:-1] if good else self._body
        await self._send(_with_length(self._start, len(body)))
        await self._send({"type": "http.response.body", "body": body})


async def _whole(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _with_length(message: Message, length: int) -> Message:
    kept = [pair for pair in message["headers"] if pair[0].lower() != b"content-length"]
    return {**message, "headers": [*kept, (b"content-length", str(length).encode())]}
