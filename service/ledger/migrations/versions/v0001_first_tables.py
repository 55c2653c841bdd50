"""The first tables of the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Creates every table."""
    _decisions()
    _predictions()
    _comparisons()
    _feedback()
    _texts()
    _registrations()
    _seatings()
    op.create_table("prunings", sa.Column("until", sa.Double, primary_key=True))


def _decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("request_id", sa.String(200), nullable=False),
        sa.Column("ticket_id", sa.String(200)),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("bundle_version", sa.String(128), nullable=False),
        sa.Column("bundle_digest", sa.String(128), nullable=False),
        sa.Column("tokens", sa.Integer, nullable=False),
        sa.Column("truncated", sa.Boolean, nullable=False),
        sa.Column("language", sa.String(16)),
        sa.Column("metadata", sa.JSON, nullable=False),
    )
    op.create_index("decisions_at", "decisions", ["at", "id"])
    op.create_index("decisions_ticket", "decisions", ["ticket_id"])
    op.create_index("decisions_request", "decisions", ["request_id"])


def _predictions() -> None:
    op.create_table(
        "predictions",
        sa.Column("decision_id", sa.String(200), primary_key=True),
        sa.Column("task", sa.String(128), primary_key=True),
        sa.Column("label", sa.String(128), nullable=False),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sqlite_with_rowid=False,
    )


def _comparisons() -> None:
    op.create_table(
        "comparisons",
        sa.Column("decision_id", sa.String(200), primary_key=True),
        sa.Column("legacy", sa.String(128), primary_key=True),
        sa.Column("task", sa.String(128), primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("identity", sa.String(128), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(32)),
        sa.Column("label", sa.String(128)),
        sa.Column("given_label", sa.String(64)),
        sa.Column("confidence", sa.Double),
        sa.Column("seconds", sa.Double),
        sqlite_with_rowid=False,
    )
    op.create_index("comparisons_legacy", "comparisons", ["legacy", "task", "at"])


def _feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("number", _SERIAL, primary_key=True, autoincrement=True),
        sa.Column("ticket_id", sa.String(200)),
        sa.Column("request_id", sa.String(200)),
        sa.Column("task", sa.String(128), nullable=False),
        sa.Column("label", sa.String(128), nullable=False),
        sa.Column("labelled_at", sa.Double),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
    )
    op.create_index("feedback_ticket", "feedback", ["ticket_id"])
    op.create_index("feedback_request", "feedback", ["request_id"])
    op.create_index("feedback_received", "feedback", ["received_at"])


def _texts() -> None:
    op.create_table(
        "texts",
        sa.Column("decision_id", sa.String(200), primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )


def _registrations() -> None:
    op.create_table(
        "registrations",
        sa.Column("number", _SERIAL, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("legacy", sa.String(128), nullable=False),
        sa.Column("challenger", sa.String(128), nullable=False),
        sa.Column("incumbent", sa.String(128), nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
    )
    op.create_index("registrations_pair", "registrations", ["legacy", "challenger", "incumbent"])


def _seatings() -> None:
    op.create_table(
        "seatings",
        sa.Column("number", _SERIAL, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("legacy", sa.String(128), nullable=False),
        sa.Column("primary", sa.String(128), nullable=False),
        sa.Column("shadow", sa.String(128), nullable=False),
        sa.Column("configured_primary", sa.Text, nullable=False),
        sa.Column("configured_shadow", sa.Text, nullable=False),
        sa.Column("swapped", sa.Boolean, nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("forced", sa.Boolean, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
    )
