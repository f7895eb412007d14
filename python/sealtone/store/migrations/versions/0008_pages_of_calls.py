"""Indexes for what pages ask of call records: who took part, in which state, missed, and the figures of a while."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Replaces the index by account and time with one that answers for the figures too."""
    op.drop_index("ix_call_record_account_id_started_at", "call_record")
    op.create_index("ix_call_record_overview", "call_record", ["account_id", "started_at", "state", "answered_at"])
    op.create_index("ix_call_record_caller", "call_record", ["account_id", "caller", "started_at"])
    op.create_index("ix_call_record_callee", "call_record", ["account_id", "callee", "started_at"])
    op.create_index("ix_call_record_state", "call_record", ["account_id", "state", "started_at"])
    elsewhere, missed = sa.text("dialled <> callee"), sa.text("answered_at IS NULL")
    op.create_index(
        "ix_call_record_dialled",
        "call_record",
        ["account_id", "dialled", "started_at"],
        sqlite_where=elsewhere,
        postgresql_where=elsewhere,
    )
    op.create_index(
        "ix_call_record_missed",
        "call_record",
        ["account_id", "started_at"],
        sqlite_where=missed,
        postgresql_where=missed,
    )
