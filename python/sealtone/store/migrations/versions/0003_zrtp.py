"""ZRTP: accounts' ZIDs, what is remembered of phones, the media path a user wants, what legs reached."""

import os

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Gives every account a ZID of its own; users whose path nobody chose get the default."""
    connection = op.get_bind()
    none = sa.text("''" if connection.dialect.name == "postgresql" else "x''")
    op.add_column("account", sa.Column("zid", sa.LargeBinary(), server_default=none, nullable=False))
    for (account_id,) in connection.execute(sa.text("SELECT id FROM account")).all():
        statement = sa.text("UPDATE account SET zid = :zid WHERE id = :id")
        connection.execute(statement, {"zid": os.urandom(12), "id": account_id})
    op.add_column("sip_user", sa.Column("path", sa.String(), server_default="sealed", nullable=False))
    op.add_column("call_leg", sa.Column("zrtp", sa.String(), server_default="", nullable=False))
    op.create_table(
        "zrtp_cache",
        sa.Column("zid", sa.LargeBinary(), nullable=False),
        sa.Column("peer_zid", sa.LargeBinary(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("zid", "peer_zid", name=op.f("pk_zrtp_cache")),
    )
