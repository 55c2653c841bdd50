"""A database of any earlier version, or an empty one, comes in; the ledger's tables go out."""

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, inspect, select

from service.errors import LedgerRefused
from service.ledger.tables import metadata

VERSION_TABLE = "harbor_ledger_version"

_SCRIPTS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 5_101_172_640
# Alembic's environment is a global of the process.
_one_at_a_time = threading.Lock()


def migrate(connection: Connection) -> None:
    """Runs the missing steps in the connection's own write transaction: all of them or none.

    Raises LedgerRefused where the store is newer than this code, or is another program's.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    if _needs_steps(connection, ScriptDirectory.from_config(config)):
        with _one_at_a_time:
            command.upgrade(config, "head")


def _needs_steps(connection: Connection, scripts: ScriptDirectory) -> bool:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    heads = set(context.get_current_heads())
    if unknown := heads - {script.revision for script in scripts.walk_revisions()}:
        raise LedgerRefused(
            f"the ledger's schema is newer than this Harbor: it knows no version {min(unknown)}"
        )
    if not heads and (taken := set(inspect(connection).get_table_names()) & set(metadata.tables)):
        raise LedgerRefused(
            f"the database holds a table of another program where the ledger needs {min(taken)}"
        )
    return heads != set(scripts.get_heads())
