"""Bytes of a stream come in and go out as frames: a length, a kind, a body."""

import asyncio
import struct
from collections.abc import Callable
from typing import cast

from service.link.frames import Kind

_HEAD = struct.Struct("<IB")
_KINDS = {int(kind): kind for kind in Kind}


class Wire(asyncio.Protocol):
    """One end of a connection between a front and the core.

    What is sent first in a turn of the event loop goes out at once, the rest of that turn in one
    more call.
    """

    def __init__(
        self, on_frame: Callable[[Kind, bytes], None], on_lost: Callable[[], None]
    ) -> None:
        """Both are called on the event loop; `on_lost` once."""
        self._on_frame, self._on_lost = on_frame, on_lost
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._parts: list[bytes] = []
        self._joining = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The other end is there."""
        # uvloop's transports are not asyncio's by type.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """The other end is gone."""
        self._transport = None
        self._on_lost()

    def data_received(self, data: bytes) -> None:
        """Hands out every frame that is complete."""
        data = self._received + data if self._received else data
        at = 0
        while len(data) - at >= _HEAD.size:
            size, kind = _HEAD.unpack_from(data, at)
            end = at + _HEAD.size + size
            if end > len(data):
                break
            self._on_frame(_KINDS[kind], data[at + _HEAD.size : end])
            at = end
        self._received = data[at:]

    def send(self, kind: Kind, body: bytes = b"") -> None:
        """Sends a frame; where the other end is gone it is dropped."""
        if self._transport is None:
            return
        frame = _HEAD.pack(len(body), kind) + body
        if self._joining:
            self._parts.append(frame)
        else:
            self._joining = True
            asyncio.get_running_loop().call_soon(self.flush)
            self._transport.write(frame)

    def flush(self) -> None:
        """Sends now what was to be sent."""
        self._joining = False
        parts, self._parts = self._parts, []
        if parts and self._transport is not None:
            self._transport.write(b"".join(parts))

    def close(self) -> None:
        """Closes the connection once what was sent is out."""
        self.flush()
        if self._transport is not None:
            self._transport.close()
