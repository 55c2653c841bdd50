"""A scope comes in; its comparisons go out as cases: both labels, their surroundings, the truth."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, tuple_

from service.ledger.final_labels import Given, History, current, histories
from service.ledger.records import Case
from service.ledger.rows import pages
from service.ledger.scope import Scope
from service.ledger.tables import comparisons, decisions, feedback, predictions

Found = Any
"""A row of `decisions`, or of another table."""
Ticket = tuple[str | None, str]
"""A ticket's id and a task."""

_PAGE = 1_000
_NONE = (None, None)
_CURSOR = (decisions.c.at, decisions.c.id)


def conditions(scope: Scope) -> list[ColumnElement[bool]]:
    """What a comparison, joined with its decision, must meet to lie within the scope."""
    met = [comparisons.c.legacy == scope.legacy, _pair(scope.challenger, scope.incumbent)]
    if scope.task is not None:
        met.append(comparisons.c.task == scope.task)
    if scope.since is not None:
        met.append(decisions.c.at >= scope.since)
    if scope.until is not None:
        met.append(decisions.c.at < scope.until)
    return met


def cases(connection: Connection, scope: Scope) -> Iterator[Case]:
    """The newest `scope.limit` cases, newest first, one for each ticket id and task.

    Holds one page at a time, however many there are.
    """
    found = (case for page in _pages(connection, scope) for case in _cases(connection, scope, page))
    return islice(found, scope.limit)


def _pages(connection: Connection, scope: Scope) -> Iterator[Sequence[Found]]:
    """Decisions within the scope, newest first.

    A page is found along the index over time; joined at once, both databases would rather sort the
    whole scope for every page.
    """
    within = exists().where(comparisons.c.decision_id == decisions.c.id, *conditions(scope))
    query = select(decisions).where(within.correlate(decisions))
    if scope.labelled_only:
        query = query.where(_is_labelled(scope.task))
    query = query.order_by(*(column.desc() for column in _CURSOR)).limit(_PAGE)
    page = connection.execute(query).all()
    while page:
        yield page
        last = page[-1]
        # The first condition follows from the second; it is the one that an index answers.
        after = (decisions.c.at <= last.at, tuple_(*_CURSOR) < tuple_(last.at, last.id))
        page = connection.execute(query.where(*after)).all() if len(page) == _PAGE else []


def _is_labelled(task: str | None) -> ColumnElement[bool]:
    """Whether a decision's ticket or request has a final label of the task, or of any."""
    of_task = () if task is None else (feedback.c.task == task,)
    # Under one EXISTS with an OR within, a database may read all of the feedback for each decision.
    return or_(
        *(
            exists().where(feedback.c[name] == decisions.c[name], *of_task).correlate(decisions)
            for name in ("ticket_id", "request_id")
        )
    )


def _latest(connection: Connection, scope: Scope, page: Sequence[Found]) -> Mapping[Ticket, str]:
    """Of the tickets on the page that came again: their latest decision in the scope, by task."""
    ticket = decisions.c.ticket_id
    ids = {row.ticket_id for row in page if row.ticket_id is not None}
    several = select(ticket).where(ticket.in_(ids)).group_by(ticket).having(func.count() > 1)
    if not (again := connection.scalars(several).all()):
        return {}
    query = (
        select(ticket, comparisons.c.task, decisions.c.id)
        .join(comparisons, comparisons.c.decision_id == decisions.c.id)
        .where(ticket.in_(again), *conditions(scope))
        .order_by(*_CURSOR)
    )
    return {(row.ticket_id, row.task): row.id for row in connection.execute(query)}


def _cases(connection: Connection, scope: Scope, page: Sequence[Found]) -> Iterator[Case]:
    """The cases of some decisions, in their order, but for those whose ticket came again."""
    ids = [decision.id for decision in page]
    compared = _compared(connection, scope, ids)
    latest = _latest(connection, scope, page)
    told = _told(connection, ids)
    tickets = {decision.ticket_id: None for decision in page if decision.ticket_id is not None}
    requests = {decision.request_id: None for decision in page}
    by_ticket = histories(connection, feedback.c.ticket_id, tickets)
    by_request = histories(connection, feedback.c.request_id, requests)
    for decision in page:
        final = _finals(
            by_ticket.get(decision.ticket_id, {}), by_request.get(decision.request_id, {})
        )
        labels = {task: _likeliest(row)[0] for task, row in told[decision.id].items()}
        finals = {task: given.label for task, (given, _) in final.items()}
        for comparison in compared[decision.id]:
            own = told[decision.id].get(comparison.task)
            key = (decision.ticket_id, comparison.task)
            if own is not None and latest.get(key, decision.id) == decision.id:
                counting = final.get(comparison.task, _NONE)
                yield _case(decision, comparison, own, counting, labels=labels, finals=finals)


def _compared(
    connection: Connection, scope: Scope, ids: Sequence[str]
) -> Mapping[str, list[Found]]:
    """Comparisons by decision, in the order of their tasks."""
    found: dict[str, list[Found]] = defaultdict(list)
    query = (
        select(comparisons)
        .join(decisions, decisions.c.id == comparisons.c.decision_id)
        .where(comparisons.c.decision_id.in_(ids), *conditions(scope))
        .order_by(*comparisons.primary_key)
    )
    for row in connection.execute(query).all():
        found[row.decision_id].append(row)
    return found


def _told(connection: Connection, ids: Sequence[str]) -> Mapping[str, dict[str, Found]]:
    """Predictions by decision and task."""
    found: dict[str, dict[str, Found]] = defaultdict(dict)
    for page in pages(ids):
        query = select(predictions).where(predictions.c.decision_id.in_(page))
        for row in connection.execute(query).all():
            found[row.decision_id][row.task] = row
    return found


def _finals(by_ticket: History, by_request: History) -> dict[str, tuple[Given, float]]:
    """By task: the label that counts, that of the request before that of the ticket, and when the
    first of its kind came in: the desk's own, or the review's where there is no other.
    """
    finals = {}
    for task in {**by_ticket, **by_request}:
        of_ticket, of_request = by_ticket.get(task, []), by_request.get(task, [])
        everything = [*of_ticket, *of_request]
        own = [given for given in everything if given.own] or everything
        counting = current([given for given in of_request if given in own] or own)
        finals[task] = counting, min(given.received_at for given in own)
    return finals


def _case(
    decision: Found,
    comparison: Found,
    told: Found,
    counting: tuple[Given, float] | tuple[None, None],
    **shared: Mapping[str, str],
) -> Case:
    final, first = counting
    label, confidence = _likeliest(told)
    return Case(
        decision_id=decision.id,
        request_id=decision.request_id,
        ticket_id=decision.ticket_id,
        at=decision.at,
        tokens=decision.tokens,
        language=decision.language,
        metadata=decision[_METADATA],
        primary=decision.bundle_digest,
        legacy=comparison.legacy,
        identity=comparison.identity,
        role=comparison.role,
        task=comparison.task,
        outcome=comparison.outcome,
        reason=comparison.reason,
        primary_label=label,
        primary_confidence=confidence,
        legacy_label=comparison.label,
        legacy_confidence=comparison.confidence,
        final_label=final.label if final else None,
        labelled_at=first,
        source=final.source if final else None,
        **shared,
    )


def _likeliest(told: Found) -> tuple[str, float]:
    """The most probable label and its confidence: models are compared before costs choose."""
    if told.likeliest is None:
        return told.label, told.confidence
    return told.likeliest, told.likeliest_confidence


_METADATA = [column.name for column in decisions.c].index("metadata")


def _pair(challenger: str | None, incumbent: str | None) -> ColumnElement[bool]:
    """Whichever of the two answered: a promotion turns the seats round, not the pair."""
    answered, shadowed = decisions.c.bundle_digest, comparisons.c.identity
    primary_challenges = [comparisons.c.role == "incumbent"]
    legacy_challenges = [comparisons.c.role == "challenger"]
    if challenger is not None:
        primary_challenges.append(answered == challenger)
        legacy_challenges.append(shadowed == challenger)
    if incumbent is not None:
        primary_challenges.append(shadowed == incumbent)
        legacy_challenges.append(answered == incumbent)
    return or_(and_(*primary_challenges), and_(*legacy_challenges))
