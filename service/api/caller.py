"""Work for a caller comes in; its result goes out, unless the caller leaves first."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

from service.errors import CallerLeft

Result = TypeVar("Result")


async def while_connected(receive: Receive, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, which starts once the body has been read to its end.

    Raises CallerLeft, with the work cancelled, as soon as the connection is closed. It costs one
    task, not two: the watcher cancels the task that waits here, as `asyncio.timeout` does.
    """
    waiting = asyncio.current_task()
    assert waiting is not None
    left = False

    async def watch() -> None:
        nonlocal left
        while (await receive())["type"] != "http.disconnect":
            pass
        left = True
        waiting.cancel()

    watcher = asyncio.create_task(watch())
    try:
        return await work
    except asyncio.CancelledError:
        if left and waiting.uncancel() == 0:
            raise CallerLeft("the caller closed the connection before the answer") from None
        raise
    finally:
        watcher.cancel()
