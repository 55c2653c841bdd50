"""The most probable label beside the given one, where an expected cost chose another."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the label and its confidence; decisions of before gave the most probable one."""
    op.add_column("predictions", sa.Column("likeliest", sa.String(128)))
    op.add_column("predictions", sa.Column("likeliest_confidence", sa.Double))
