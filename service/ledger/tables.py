"""The ledger's tables, the same on SQLite and PostgreSQL.

No foreign keys: a comparison whose decision was lost must not fail the batch that it came with.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

ID = 200
"""Characters of an id that are kept; a `Ticket` allows no more."""
NAME = 128
"""Characters of a label, a task or a name that are kept."""

_SERIAL = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

decisions = Table(
    "decisions",
    metadata,
    Column("id", String(ID), primary_key=True),
    Column("request_id", String(ID), nullable=False),
    Column("ticket_id", String(ID)),
    Column("at", Double, nullable=False),
    Column("bundle_version", String(NAME), nullable=False),
    Column("bundle_digest", String(NAME), nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("truncated", Boolean, nullable=False),
    Column("language", String(16)),
    Column("metadata", JSON, nullable=False),
    Index("decisions_at", "at", "id"),
    Index("decisions_ticket", "ticket_id"),
    Index("decisions_request", "request_id"),
)

predictions = Table(
    "predictions",
    metadata,
    Column("decision_id", String(ID), primary_key=True),
    Column("task", String(NAME), primary_key=True),
    Column("label", String(NAME), nullable=False),
    Column("confidence", Double, nullable=False),
    Column("decision", String(16), nullable=False),
    # The most probable label, where another one was given.
    Column("likeliest", String(NAME)),
    Column("likeliest_confidence", Double),
    sqlite_with_rowid=False,
)

comparisons = Table(
    "comparisons",
    metadata,
    Column("decision_id", String(ID), primary_key=True),
    Column("legacy", String(NAME), primary_key=True),
    Column("task", String(NAME), primary_key=True),
    Column("at", Double, nullable=False),
    Column("identity", String(NAME), nullable=False),
    Column("role", String(16), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", String(32)),
    Column("label", String(NAME)),
    Column("given_label", String(64)),
    Column("confidence", Double),
    Column("seconds", Double),
    Index("comparisons_legacy", "legacy", "task", "at"),
    sqlite_with_rowid=False,
)

feedback = Table(
    "feedback",
    metadata,
    # The order in which labels came in: it decides between two of the same time.
    Column("number", _SERIAL, primary_key=True, autoincrement=True),
    Column("ticket_id", String(ID)),
    Column("request_id", String(ID)),
    Column("task", String(NAME), nullable=False),
    Column("label", String(NAME), nullable=False),
    Column("labelled_at", Double),
    Column("received_at", Double, nullable=False),
    Column("source", String(64), nullable=False),
    Index("feedback_ticket", "ticket_id"),
    Index("feedback_request", "request_id"),
    Index("feedback_received", "received_at"),
)

texts = Table(
    "texts",
    metadata,
    Column("decision_id", String(ID), primary_key=True),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
)

registrations = Table(
    "registrations",
    metadata,
    Column("number", _SERIAL, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("legacy", String(NAME), nullable=False),
    Column("challenger", String(NAME), nullable=False),
    Column("incumbent", String(NAME), nullable=False),
    Column("plan", Text, nullable=False),
    Index("registrations_pair", "legacy", "challenger", "incumbent"),
)

seatings = Table(
    "seatings",
    metadata,
    Column("number", _SERIAL, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("action", String(16), nullable=False),
    Column("legacy", String(NAME), nullable=False),
    Column("primary", String(NAME), nullable=False),
    Column("shadow", String(NAME), nullable=False),
    Column("configured_primary", Text, nullable=False),
    Column("configured_shadow", Text, nullable=False),
    Column("swapped", Boolean, nullable=False),
    Column("by", String(ID), nullable=False),
    Column("reason", Text, nullable=False),
    Column("forced", Boolean, nullable=False),
    Column("evidence", Text, nullable=False),
)

prunings = Table(
    "prunings",
    metadata,
    # One row: the time of the newest decision that retention has removed.
    Column("until", Double, primary_key=True),
)
