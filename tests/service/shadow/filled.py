"""Simulated cases come in; a ledger that gives them back goes out."""

from collections.abc import Sequence
from dataclasses import replace

from service.ledger.records import Case, Comparison, Decision, FinalLabel, Record, Told
from service.ledger.store import Store

BATCH = 50
"""Labels that arrive together."""


def fill(
    store: Store, *tasks: Sequence[Case], legacy: str = "old-desk", text: bool = False
) -> None:
    """Writes the cases of each task; the n-th cases of all tasks belong to one decision.

    text: whether the ledger keeps one of every decision.
    """
    records: list[Record] = []
    for cases in zip(*tasks, strict=True):
        decision = _decision(cases)
        kept = (f"subject of {decision.id} " * 9, f"body of\n{decision.id}  " * 30)
        records.append(replace(decision, text=kept) if text else decision)
        records += [_comparison(case, legacy) for case in cases]
    store.write(records)
    known = sorted(
        (case for one in tasks for case in one if case.final_label is not None),
        key=lambda case: case.labelled_at or 0.0,
    )
    for first in range(0, len(known), BATCH):
        batch = known[first : first + BATCH]
        store.add_feedback([_final(case) for case in batch], batch[-1].labelled_at or 0.0)


def _decision(cases: Sequence[Case]) -> Decision:
    first = cases[0]
    labels = {task: label for case in cases for task, label in case.labels.items()}
    sure = {case.task: case.primary_confidence for case in cases}
    return Decision(
        id=first.decision_id,
        request_id=first.request_id,
        ticket_id=first.ticket_id,
        at=first.at,
        bundle_version="1",
        bundle_digest=first.primary,
        tokens=first.tokens,
        truncated=False,
        predictions=tuple(
            Told(task, label, sure.get(task, 0.9), "auto") for task, label in labels.items()
        ),
        language=first.language,
        metadata=first.metadata,
    )


def _comparison(case: Case, legacy: str) -> Comparison:
    return Comparison(
        decision_id=case.decision_id,
        at=case.at,
        legacy=legacy,
        identity=case.identity,
        role=case.role,
        task=case.task,
        outcome=case.outcome,
        reason=case.reason,
        label=case.legacy_label,
        given_label=case.legacy_label,
        confidence=case.legacy_confidence,
        seconds=0.01,
    )


def _final(case: Case) -> FinalLabel:
    request_id = case.request_id if case.ticket_id is None else None
    return FinalLabel(
        case.task,
        str(case.final_label),
        ticket_id=case.ticket_id,
        request_id=request_id,
        source=str(case.source),
    )
