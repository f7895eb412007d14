"""Recordings: whose key seals them, which calls are recorded, how long they are kept, and each one."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Nobody's calls are recorded by this: an account needs a key first."""
    op.add_column("account", sa.Column("recording_recipient", sa.String(), server_default="", nullable=False))
    for name, default in (("recording", "on-demand"), ("recording_notice", "tone"), ("recording_format", "opus")):
        op.add_column("domain", sa.Column(name, sa.String(), server_default=default, nullable=False))
    op.add_column("domain", sa.Column("keep_recordings_days", sa.Integer(), server_default="90", nullable=True))
    op.add_column("sip_user", sa.Column("recording", sa.String(), server_default="", nullable=False))
    op.add_column("call_record", sa.Column("recording_note", sa.String(), server_default="", nullable=False))
    op.create_table(
        "recording",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("domain_id", sa.Integer(), nullable=False),
        sa.Column("caller", sa.String(), nullable=False),
        sa.Column("callee", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("notice", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("started_by", sa.String(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("octets", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("deleting", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording")),
    )
    op.create_index(op.f("ix_recording_call_id"), "recording", ["call_id"])
    op.create_index(op.f("ix_recording_started_at"), "recording", ["started_at"])
