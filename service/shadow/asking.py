"""A legacy and a ticket come in; the outcome of every task goes out, whatever the legacy does."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from service.contract.ticket import Ticket
from service.shadow.judging import Judged, judge
from service.shadow.legacy import CircuitOpenError, Legacy, LegacyFailedError

CRASHED = Judged("failed", "crashed")


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of asking.

    judged: per task. called: False where the circuit breaker held the call back. failure: why there
    is no answer at all, None where there is one. error: if it is not one that a legacy may raise.
    """

    judged: Mapping[str, Judged]
    called: bool = True
    failure: str | None = None
    error: Exception | None = None


async def ask(legacy: Legacy, ticket: Ticket, tasks: Sequence[str]) -> Heard:
    """Asks once. Raises CancelledError where the asking task is cancelled, and nothing else."""
    try:
        said = await legacy.ask(ticket)
        return Heard(
            {task: judge(said.get(task), partial(legacy.translate, task)) for task in tasks}
        )
    except LegacyFailedError as error:
        failed = Judged("failed", error.reason)
        return Heard(dict.fromkeys(tasks, failed), failure=error.reason)
    except CircuitOpenError:
        return Heard(dict.fromkeys(tasks, Judged("dropped", "circuit_open")), called=False)
    except asyncio.CancelledError:
        asking = asyncio.current_task()
        # A legacy may also be cancelled from within: then nobody asked this task to stop.
        if asking is None or asking.cancelling():
            raise
        return Heard(dict.fromkeys(tasks, CRASHED), failure="crashed")
    except Exception as error:
        return Heard(dict.fromkeys(tasks, CRASHED), failure="crashed", error=error)
