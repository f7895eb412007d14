"""How long an account's call records are kept, in days; NULL is for ever."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Gives every account the default."""
    op.add_column("account", sa.Column("keep_calls_days", sa.Integer(), server_default="365", nullable=True))
