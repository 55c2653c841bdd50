"""Request bodies come in; HTTP statuses and bodies go out, over one connection that is kept open.

Written on httptools, which the service needs anyway: a full HTTP client costs more a request than
the service does.
"""

import asyncio
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httptools

_CHUNK = 65536


class Connection:
    """One client's connection, opened anew whenever the server has closed it."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        """url: `http://host:port`. Raises ValueError where it is something else."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError("the address must look like http://host:port")
        self._host, self._port = parts.hostname, parts.port or 80
        self._path = parts.path.rstrip("/") + "/route"
        lines = {"Host": parts.netloc, "Content-Type": "application/json", **(headers or {})}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    async def post(self, body: bytes) -> tuple[int, bytes]:
        """Posts one ticket's JSON to `/route` and returns the reply's status and body.

        Raises OSError where the connection fails; the next post then opens another.
        """
        head = f"POST {self._path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n"
        reply = _Reply()
        try:
            reader, writer = self._streams or await self._open()
            writer.write(head.encode() + body)
            while not reply.complete:
                data = await reader.read(_CHUNK)
                if not data:
                    raise ConnectionResetError("the server closed the connection before its reply")
                reply.feed(data)
        finally:
            if not (reply.complete and reply.keep_alive):
                self._close()
        return reply.status, bytes(reply.body)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = await asyncio.open_connection(self._host, self._port)
        return self._streams

    def _close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


class _Reply:
    """What httptools calls back while it reads one reply."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.complete = False
        self.status = 0
        self.body = bytearray()
        self.keep_alive = True

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.keep_alive = self._parser.should_keep_alive()

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.complete = True
