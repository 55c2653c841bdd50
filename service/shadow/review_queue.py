"""A ledger comes in; the disagreements that agents are to be asked about go out."""

from collections.abc import Sequence

from service.ledger.records import Case
from service.ledger.store import Store
from service.shadow.report import read_met, scope
from service.shadow.review import choose, worth_a_look


def read_review(
    store: Store,
    legacy: str | None = None,
    count: int = 100,
    tasks: Sequence[str] = (),
    seed: int = 0,
) -> list[Case]:
    """The choice among the newest pair of models of a legacy; see `choose`.

    tasks: all where none is named. Raises UnknownLegacy, LedgerUnavailable.
    """
    met = read_met(store, legacy)
    known = sorted({one.task for one in met.totals})
    found = [
        case
        for task in known
        if not tasks or task in tasks
        for case in store.cases(scope(met, task))
        if worth_a_look(case)
    ]
    return choose(found, count, seed)
