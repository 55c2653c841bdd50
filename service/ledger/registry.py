"""Plans and seatings come in, each kept in its order; they go out as they came."""

from dataclasses import asdict

from sqlalchemy import Connection, Table, func, select

from service.contract.ticket import clean
from service.ledger.records import Registration, Seating
from service.ledger.rows import Row
from service.ledger.tables import registrations, seatings

_ADVISORY_LOCK = 5_101_172_642


def register(connection: Connection, registration: Registration) -> bool:
    """Keeps the plan unless the newest one of its pair is the same; whether it was kept."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
    row = _row(registrations, registration)
    table = registrations.c
    newest = (
        select(table.plan)
        .where(
            table.legacy == row["legacy"],
            table.challenger == row["challenger"],
            table.incumbent == row["incumbent"],
        )
        .order_by(table.number.desc())
        .limit(1)
    )
    if connection.scalar(newest) == row["plan"]:
        return False
    connection.execute(registrations.insert(), row)
    return True


def registered(
    connection: Connection, legacy: str | None, challenger: str | None, incumbent: str | None
) -> list[Registration]:
    """The plans, oldest first; None for any."""
    asked = {"legacy": legacy, "challenger": challenger, "incumbent": incumbent}
    met = [registrations.c[name] == value for name, value in asked.items() if value is not None]
    columns = [column for column in registrations.c if column.name != "number"]
    query = select(*columns).where(*met).order_by(registrations.c.number)
    return [Registration(**row) for row in connection.execute(query).mappings()]


def seat(connection: Connection, seating: Seating) -> None:
    """Keeps a promotion or a roll-back."""
    connection.execute(seatings.insert(), _row(seatings, seating))


def seated(connection: Connection, limit: int) -> list[Seating]:
    """Promotions and roll-backs, newest first."""
    columns = [column for column in seatings.c if column.name != "number"]
    query = select(*columns).order_by(seatings.c.number.desc()).limit(limit)
    return [Seating(**row) for row in connection.execute(query).mappings()]


def _row(table: Table, record: Registration | Seating) -> Row:
    fields = asdict(record).items()
    return {name: _fitted(table, name, value) for name, value in fields}


def _fitted(table: Table, name: str, value: object) -> object:
    limit = getattr(table.c[name].type, "length", None)
    return clean(value[:limit]) if isinstance(value, str) else value
