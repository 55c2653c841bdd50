"""Orders to swap come in; the bundle at the active one's path is opened anew, once at a time."""

import asyncio

from service.core import Core
from service.errors import ServiceError
from service.logs import failure


async def reload(core: Core) -> None:
    """Swaps to what lies at the active bundle's path now; after a refusal the old bundle stays."""
    try:
        await core.bundles.reload()
    except Exception as error:
        known = error if isinstance(error, ServiceError) else ServiceError("unexpected failure")
        core.metrics.swap("refused")
        core.log.error("swap refused", code=known.code, reason=str(known), **failure(error))
    else:
        core.metrics.swap("ok")


class Reloads:
    """Reloads one after the other; however many are asked for, at most one waits."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._wanted = False
        self._task: asyncio.Task[None] | None = None

    def request(self) -> asyncio.Task[None]:
        """Reloads now, or once more after the reload that is under way."""
        self._wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        return self._task

    async def _run(self) -> None:
        while self._wanted:
            self._wanted = False
            await reload(self._core)
