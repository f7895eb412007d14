"""Codecs: what each leg used each way, in which packets, through codecs or not, and how it sounded."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Legs of before were passed on, so they were sent what their record says that they sent."""
    op.add_column("call_leg", sa.Column("codec_tx", sa.String(), server_default="", nullable=False))
    op.execute("UPDATE call_leg SET codec_tx = codec")
    op.add_column("call_leg", sa.Column("ptime_ms", sa.Integer()))
    op.add_column("call_leg", sa.Column("transcoded", sa.Integer(), server_default="0", nullable=False))
    op.add_column("call_leg", sa.Column("reported_lost", sa.Integer()))
    op.add_column("call_leg", sa.Column("reported_jitter_ms", sa.Float()))
    op.add_column("call_leg", sa.Column("mos_rx", sa.Float()))
    op.add_column("call_leg", sa.Column("mos_tx", sa.Float()))
