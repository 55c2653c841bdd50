"""A ledger and a legacy come in; the report comes back from a process of its own.

Reading hundreds of thousands of cases keeps Python busy for a minute: in a thread of the service it
would hold up every caller's ticket, in another process at a low priority hardly anybody's.
"""

import asyncio
import contextlib
import json
import sys
from typing import Any, Literal

from service.errors import (
    LedgerRefused,
    LedgerUnavailable,
    Overloaded,
    ServiceError,
    UnknownLegacy,
)
from service.shadow.findings.document import Report

Form = Literal["json", "html"]

TIMEOUT_S = 600.0
MOST, RETRY_S = 4, 10.0
"""Reports under way and waiting, and when to come back where there are as many."""

_CODES: dict[str, type[ServiceError]] = {
    kind.code: kind for kind in (UnknownLegacy, LedgerUnavailable, LedgerRefused)
}
ANSWERED, REFUSED = 0, 3
"""How the process ends: with a document, or with why there is none."""


class Reporting:
    """Makes reports one at a time, each in a process that ends with it."""

    def __init__(self, url: str) -> None:
        """url: of the ledger's database."""
        self._url = url
        self._turn = asyncio.Lock()
        self._under_way = 0

    async def report(self, legacy: str) -> Report:
        """The report on a legacy's newest pair. Raises UnknownLegacy, LedgerUnavailable."""
        return Report.model_validate_json(await self.document(legacy, "json"))

    async def document(self, legacy: str, form: Form, *, with_text: bool = False) -> bytes:
        """The same, as JSON or as a page. Raises as `report`; a caller who leaves stops it.

        with_text: whether it may quote what the ledger keeps of the tickets' text. Raises
        Overloaded where too many wait already.
        """
        job = {"url": self._url, "legacy": legacy, "form": form, "with_text": with_text}
        if self._under_way >= MOST:
            raise Overloaded(f"{MOST} reports are under way already", RETRY_S)
        self._under_way += 1
        try:
            async with self._turn:
                return await self._run(job)
        finally:
            self._under_way -= 1

    async def _run(self, job: dict[str, Any]) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service.shadow.report_process"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                # Not as an argument: the URL may hold a password, and arguments can be listed.
                out, _ = await process.communicate(json.dumps(job).encode())
        except TimeoutError:
            raise LedgerUnavailable(f"the report took more than {TIMEOUT_S:.0f} s") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return _read(process.returncode, out)


def _read(status: int | None, out: bytes) -> bytes:
    if status == ANSWERED:
        return out
    if status == REFUSED:
        refusal = json.loads(out)
        raise _CODES[refusal["code"]](refusal["detail"])
    raise ServiceError(f"the report's process ended with {status}")
