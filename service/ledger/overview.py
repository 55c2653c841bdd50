"""What the comparisons amount to: pairs of models, outcomes by reason, recent disagreement."""

from collections.abc import Sequence

from sqlalchemy import Connection, and_, case, func, select

from service.ledger.cases import conditions
from service.ledger.rows import pages
from service.ledger.scope import Pair, Scope, Total
from service.ledger.tables import comparisons, decisions, predictions, texts


def pairs(connection: Connection) -> list[Pair]:
    """The pairs that met, the one with the newest decision first."""
    legacy_challenges = comparisons.c.role == "challenger"
    answered, shadowed = decisions.c.bundle_digest, comparisons.c.identity
    key = (
        comparisons.c.legacy,
        comparisons.c.role,
        case((legacy_challenges, shadowed), else_=answered).label("challenger"),
        case((legacy_challenges, answered), else_=shadowed).label("incumbent"),
    )
    last = func.max(decisions.c.at)
    query = (
        select(
            *key,
            func.count().label("comparisons"),
            func.count().filter(comparisons.c.outcome == "compared").label("compared"),
            func.min(decisions.c.at).label("first"),
            last.label("last"),
        )
        .join(decisions, decisions.c.id == comparisons.c.decision_id)
        .group_by(comparisons.c.legacy, comparisons.c.role, answered, shadowed)
        .order_by(last.desc(), comparisons.c.legacy)
    )
    return [Pair(**row) for row in connection.execute(query).mappings()]


def totals(connection: Connection, scope: Scope) -> list[Total]:
    """Every comparison of the scope by task, outcome and reason."""
    key = (comparisons.c.task, comparisons.c.outcome, comparisons.c.reason)
    query = (
        select(*key, func.count())
        .join(decisions, decisions.c.id == comparisons.c.decision_id)
        .where(*conditions(scope))
        .group_by(*key)
        .order_by(*key)
    )
    return [Total(*row) for row in connection.execute(query)]


def recent(
    connection: Connection, legacy: str, primary: str, identity: str, task: str, limit: int
) -> list[bool]:
    """Whether the labels differed, of the newest compared answers, oldest first."""
    same = and_(
        predictions.c.decision_id == comparisons.c.decision_id,
        predictions.c.task == comparisons.c.task,
    )
    query = (
        select(func.coalesce(predictions.c.likeliest, predictions.c.label) != comparisons.c.label)
        .select_from(comparisons)
        .join(decisions, decisions.c.id == comparisons.c.decision_id)
        .join(predictions, same)
        .where(
            comparisons.c.legacy == legacy,
            comparisons.c.task == task,
            comparisons.c.outcome == "compared",
            comparisons.c.identity == identity,
            decisions.c.bundle_digest == primary,
        )
        .order_by(comparisons.c.at.desc(), comparisons.c.decision_id.desc())
        .limit(limit)
    )
    return [bool(differs) for differs in connection.scalars(query)][::-1]


def texts_of(connection: Connection, decision_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """(subject, body) by decision id."""
    found = {}
    for page in pages(decision_ids):
        query = select(texts).where(texts.c.decision_id.in_(page))
        for row in connection.execute(query):
            found[row.decision_id] = (row.subject, row.body)
    return found
