"""Databases of PostgreSQL that are new, old, of the next release, or somebody else's."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from conformance.samples import job
from postgres import Cluster

from penstock.model.change import Change
from penstock.model.job import Job
from penstock.ports import StoreError
from penstock.store import migrations, postgresschema
from penstock.store.metadata import metadata
from penstock.store.postgres import PostgresStore
from penstock.store.postgresschema import prepare
from penstock.store.postgressession import connect
from penstock.store.schema import HEAD

FIRST = "INSERT INTO change VALUES ('c', '/src', 'main', 'me', 'trusted', 'change', 2, 1, 9, 0)"


@pytest.fixture
def empty(postgres: Cluster) -> Iterator[str]:
    """The address of a database with nothing in it."""
    url = postgres.url()
    yield url
    postgres.drop(url)


def upgrade(url: str, revision: str) -> None:
    """Bring a database to some revision."""
    engine = sa.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=sa.NullPool
    )
    with engine.begin() as connection:
        migrations.upgrade_on(connection, revision)


def ask(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Run statements; the rows of the last one."""
    with connect(url) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return list(cursor) if cursor.description else []


def test_alembic_would_change_nothing(postgres_url: str) -> None:
    engine = sa.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(postgres_url), poolclass=sa.NullPool
    )
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata("postgresql")) == []


def test_text_is_ordered_by_code_point_whatever_the_database_was_made_with(postgres_url: str) -> None:
    odd = ask(
        postgres_url,
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
        "AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'",
    )
    assert odd == []


def test_three_hubs_that_start_at_once_make_it_once(empty: str) -> None:
    together = threading.Barrier(3)

    def start(_number: int) -> None:
        together.wait(60)
        prepare(empty)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(start, range(3)))
    assert ask(empty, "SELECT version_num FROM alembic_version") == [(HEAD,)]


def test_a_database_of_the_first_release_is_upgraded_while_that_goes_on(empty: str) -> None:
    upgrade(empty, "0001")
    ask(empty, FIRST)
    store = PostgresStore(empty)
    change = store.read(lambda tx: tx.get(Change, "c"))
    assert (change.ref, change.project, change.pools, change.queue_limit_ms) == ("main", "", (), 86_400_000)
    # The release before names the columns that it knows, and no other.
    ask(
        empty,
        "INSERT INTO change (id, source, ref, who, trust, klass, priority, automatic, created_ms, version) "
        "VALUES ('d', '/src', 'main', 'me', 'trusted', 'change', 2, 1, 9, 0)",
    )
    assert store.read(lambda tx: tx.get(Change, "d")).pools == ()
    store.close()


def test_a_migration_that_meets_a_long_reader_lets_the_others_pass(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(empty, "0001")
    monkeypatch.setattr(postgresschema, "MIGRATION_LOCK", "50ms")
    paused = []
    with psycopg.connect(empty) as reader:
        reader.execute("SELECT * FROM change")

        def pause(_s: float) -> None:
            paused.append(1)
            if len(paused) == 2:
                reader.rollback()

        prepare(empty, pause)
    assert len(paused) == 2
    assert ask(empty, "SELECT version_num FROM alembic_version") == [(HEAD,)]


def test_a_migration_that_fails_leaves_nothing_behind(empty: str) -> None:
    upgrade(empty, "0001")
    ask(empty, "CREATE TABLE token (mine int)")
    with pytest.raises(StoreError, match="cannot be brought to this version"):
        prepare(empty)
    assert ask(empty, "SELECT version_num FROM alembic_version") == [("0001",)]
    columns = "SELECT 1 FROM information_schema.columns WHERE table_name = 'job' AND column_name = 'project'"
    assert ask(empty, columns) == []


def test_the_schema_of_the_next_release_is_used_as_it_is(postgres_url: str) -> None:
    ask(
        postgres_url,
        "UPDATE alembic_version SET version_num = '9999'",
        f"UPDATE penstock_schema SET oldest = '{HEAD}'",  # noqa: S608
        "ALTER TABLE job ADD COLUMN later text NOT NULL DEFAULT '[]'",
    )
    store = PostgresStore(postgres_url)
    store.write(lambda tx: tx.insert(job("a")))
    assert store.read(lambda tx: tx.get(Job, "a")) == job("a")
    store.close()


def test_a_hub_goes_on_while_another_one_upgrades(postgres_url: str) -> None:
    store = PostgresStore(postgres_url)
    store.write(lambda tx: tx.insert(job("a")))
    assert store.read(lambda tx: tx.get(Job, "a")) == job("a")
    ask(postgres_url, "ALTER TABLE job ADD COLUMN later text NOT NULL DEFAULT '[]'")
    store.write(lambda tx: tx.replace(tx.get(Job, "a")))
    assert store.read(lambda tx: tx.get(Job, "a")).version == 1
    store.close()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            "UPDATE alembic_version SET version_num = '9999'; UPDATE penstock_schema SET oldest = '9998'",
            "newer Penstock",
        ),
        ("DROP TABLE alembic_version", "not one of Penstock"),
        ("UPDATE alembic_version SET version_num = 'abc'", "newer Penstock"),
    ],
)
def test_other_databases_are_refused_and_left_alone(postgres_url: str, statement: str, told: str) -> None:
    ask(postgres_url, statement)
    with pytest.raises(StoreError, match=told):
        PostgresStore(postgres_url)


def test_a_database_of_other_letters_is_refused(postgres: Cluster) -> None:
    postgres.ask("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
    with pytest.raises(StoreError, match="encoding is LATIN1: make it with ENCODING 'UTF8'"):
        PostgresStore(postgres.address("latin"))
    postgres.drop(postgres.address("latin"))
