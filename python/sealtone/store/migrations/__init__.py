"""Schema migrations (Alembic), applied when the database is opened."""
