"""Work for a caller comes in; its result goes out, unless the caller leaves first."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from starlette.requests import Request
from starlette.types import Receive, Scope

from service.errors import CallerLeft

Result = TypeVar("Result")
Leave = Callable[[], None]

_KEY = "harbor.connection"
_GONE = "the caller closed the connection before the answer"


class Connection(Protocol):
    """What a request may ask of the connection that it came by."""

    @property
    def has_whole_body(self) -> bool:
        """Whether the last request on it is here to its end."""
        ...

    @property
    def watchers(self) -> set[Leave]:
        """Called once the connection is lost."""
        ...

    @property
    def lost(self) -> bool:
        """Whether nobody is there any more."""
        ...


def enter(scope: Scope, connection: Connection) -> None:
    """Makes the connection known to whatever handles the request."""
    scope[_KEY] = connection


def has_whole_body(request: Request) -> bool:
    """Whether reading the request's body is known not to wait."""
    connection: Connection | None = request.scope.get(_KEY)
    return connection is not None and connection.has_whole_body


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, which starts once the body has been read to its end.

    Raises CallerLeft, with the work cancelled, as soon as the connection is closed: whoever sees
    that cancels the task that waits here, as `asyncio.timeout` does.
    """
    waiting = asyncio.current_task()
    assert waiting is not None
    if _has_left(request):
        work.close()
        raise CallerLeft(_GONE)
    left = False

    def leave() -> None:
        nonlocal left
        left = True
        waiting.cancel()

    with _watching(request, leave):
        try:
            return await work
        except asyncio.CancelledError:
            if left and waiting.uncancel() == 0:
                raise CallerLeft(_GONE) from None
            raise


def _has_left(request: Request) -> bool:
    connection: Connection | None = request.scope.get(_KEY)
    return connection is not None and connection.lost


@contextmanager
def _watching(request: Request, leave: Leave) -> Iterator[None]:
    connection: Connection | None = request.scope.get(_KEY)
    if connection is None:
        # A server other than ours tells it by a message alone, which takes a task to wait for.
        watcher = asyncio.create_task(_watch(request.receive, leave))
        try:
            yield
        finally:
            watcher.cancel()
        return
    connection.watchers.add(leave)
    try:
        yield
    finally:
        connection.watchers.discard(leave)


async def _watch(receive: Receive, leave: Leave) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    leave()
