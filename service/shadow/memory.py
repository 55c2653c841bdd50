"""The shadow and the ledger come in; each hears of the other what it needs to know."""

import time

from service.errors import LedgerUnavailable
from service.ledger.ledger import Ledger
from service.ledger.records import Registration
from service.ledger.store import Store
from service.shadow.config import ShadowConfig
from service.shadow.legacy import Legacy
from service.shadow.opening import sides
from service.shadow.runner import Shadow


async def recall(ledger: Ledger, shadow: Shadow, legacy: Legacy, primary: str, window: int) -> None:
    """Fills the running disagreements with what was compared before the process started.

    primary: digest of the bundle that answers. window: comparisons to recall. Raises
    LedgerUnavailable.
    """
    for task in legacy.tasks:

        def recent(store: Store, task: str = task) -> list[bool]:
            return store.recent(legacy.name, primary, legacy.identity, task, window)

        shadow.seed(legacy.name, primary, task, await ledger.read(recent))


async def register(ledger: Ledger, config: ShadowConfig, legacy: Legacy, primary: str) -> bool:
    """Puts on record what must be shown of this pair, before its first label is in.

    primary: digest of the bundle that answers. False where the ledger could not be reached.
    """
    challenger, incumbent = sides(primary, legacy)
    plan = config.plan_for(legacy.name, legacy.role, legacy.tasks)
    registration = Registration(
        time.time(), legacy.name, challenger, incumbent, plan.model_dump_json()
    )
    try:
        await ledger.read(lambda store: store.register(registration))
    except LedgerUnavailable:
        return False
    return True
