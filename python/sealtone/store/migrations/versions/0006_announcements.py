"""What the server says and plays: by domain, a user's own language, and what was said before a call was connected."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Domains that exist speak English, play music to who is held, and announce nothing."""
    op.add_column("domain", sa.Column("language", sa.String(), server_default="en", nullable=False))
    op.add_column("domain", sa.Column("music_on_hold", sa.Integer(), server_default="1", nullable=False))
    op.add_column("domain", sa.Column("open_notice", sa.String(), server_default="off", nullable=False))
    op.add_column("domain", sa.Column("open_notice_to", sa.String(), server_default="caller", nullable=False))
    op.add_column("sip_user", sa.Column("language", sa.String(), server_default="", nullable=False))
    op.add_column("call_record", sa.Column("announced", sa.String(), server_default="", nullable=False))
