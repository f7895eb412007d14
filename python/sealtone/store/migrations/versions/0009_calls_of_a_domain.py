"""Indexes for the calls of a domain: by the caller's, and by the callee's where that is another."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_CALLER = "substr(caller, length(rtrim(caller, replace(caller, '@', ''))) + 1)"
_CALLEE = "substr(callee, length(rtrim(callee, replace(callee, '@', ''))) + 1)"


def upgrade() -> None:
    """Adds both."""
    op.create_index(
        "ix_call_record_caller_domain", "call_record", ["account_id", sa.text(_CALLER), "state", "started_at"]
    )
    elsewhere = sa.text(f"{_CALLEE} <> {_CALLER}")
    op.create_index(
        "ix_call_record_callee_domain",
        "call_record",
        ["account_id", sa.text(_CALLEE), "state", "started_at"],
        sqlite_where=elsewhere,
        postgresql_where=elsewhere,
    )
