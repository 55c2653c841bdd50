"""Alembic asks for a database; the connection that `service.ledger.migrate` holds goes out."""

from alembic import context

from service.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=context.config.attributes["version_table"],
)
# The caller's transaction is the one that counts: it holds the lock.
context.run_migrations()
