"""Run by Alembic: migrates within the transaction of the connection that `Database` hands over."""

from alembic import context

from sealtone.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
