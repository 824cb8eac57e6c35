"""Alembic's entry: one transaction on the connection that it is given."""

from alembic import context

from serve_app.jobs.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
