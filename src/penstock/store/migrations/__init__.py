"""How older databases become those of today: Alembic's environment, and one file per step in versions/.

A step is written by hand, in words of its own: what it did must not change when the records change later.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from penstock.store.schema import HEAD

FOLDER = Path(__file__).parent


def known(revision: str) -> bool:
    """True for a revision that this version can start from."""
    try:
        return ScriptDirectory(str(FOLDER)).get_revision(revision) is not None
    except CommandError:
        return False


def upgrade(path: Path, revision: str = HEAD) -> None:
    """Bring a SQLite database to `revision`: every step, or none of them."""
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)), poolclass=sa.NullPool)
    # The driver would begin transactions when it likes, and not before CREATE TABLE; SQLite can undo that, too.
    sa.event.listen(
        engine, "connect", lambda connection, _record: setattr(connection, "isolation_level", None)
    )
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as connection:
        upgrade_on(connection, revision)


def upgrade_on(connection: sa.Connection, revision: str = HEAD) -> None:
    """The same in the transaction that is open on `connection`, of any database."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
