"""What Alembic runs: the migrations, on the connection that it was given."""

from alembic import context

from penstock.store.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata(),
    # The caller's transaction is the only one: one step or all, nothing stays half done.
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
