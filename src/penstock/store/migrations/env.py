"""What Alembic runs: the migrations, on the connection that it was given."""

from alembic import context

from penstock.store.metadata import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata(connection.dialect.name),
    # The caller's transaction is the only one: one step or all, nothing stays half done.
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
