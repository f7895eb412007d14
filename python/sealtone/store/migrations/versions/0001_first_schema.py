"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates every table."""
    op.create_table(
        "account",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("enabled", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
    )
    op.create_table(
        "binding",
        sa.Column("aor", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("contact", sa.String(), nullable=False),
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("cseq", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("registered_at", sa.Float(), nullable=False),
        sa.Column("transport", sa.String(), nullable=False),
        sa.Column("received_host", sa.String(), nullable=False),
        sa.Column("received_port", sa.Integer(), nullable=False),
        sa.Column("q", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(), server_default="", nullable=False),
        sa.Column("instance", sa.String(), server_default="", nullable=False),
        sa.Column("reg_id", sa.Integer(), nullable=True),
        sa.Column("user_agent", sa.String(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("aor", "key", name=op.f("pk_binding")),
    )
    op.create_index(op.f("ix_binding_expires_at"), "binding", ["expires_at"], unique=False)
    op.create_table(
        "call_leg",
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("aor", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("chosen", sa.Integer(), nullable=False),
        sa.Column("transport", sa.String(), nullable=False),
        sa.Column("tls_version", sa.String(), nullable=False),
        sa.Column("tls_cipher", sa.String(), nullable=False),
        sa.Column("protection", sa.String(), nullable=False),
        sa.Column("key_exchange", sa.String(), nullable=False),
        sa.Column("media_path", sa.String(), nullable=False),
        sa.Column("sas_verified", sa.Integer(), nullable=False),
        sa.Column("suite_rx", sa.String(), nullable=False),
        sa.Column("suite_tx", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("codec", sa.String(), nullable=False),
        sa.Column("packets_rx", sa.Integer(), nullable=False),
        sa.Column("packets_tx", sa.Integer(), nullable=False),
        sa.Column("octets_rx", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("octets_tx", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lost", sa.Integer(), nullable=False),
        sa.Column("jitter_ms", sa.Float(), nullable=True),
        sa.Column("rtt_ms", sa.Float(), nullable=True),
        sa.Column("remote_signalling", sa.String(), nullable=False),
        sa.Column("remote_media", sa.String(), nullable=False),
        sa.Column("user_agent", sa.String(), nullable=False),
        sa.Column("sip_call_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "number", name=op.f("pk_call_leg")),
    )
    op.create_table(
        "call_record",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("caller", sa.String(), nullable=False),
        sa.Column("caller_name", sa.String(), nullable=False),
        sa.Column("dialled", sa.String(), nullable=False),
        sa.Column("callee", sa.String(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("answered_at", sa.Float(), nullable=True),
        sa.Column("ended_at", sa.Float(), nullable=False),
        sa.Column("duration_s", sa.Float(), nullable=False),
        sa.Column("ended_by", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_record")),
    )
    op.create_index(
        op.f("ix_call_record_account_id_started_at"), "call_record", ["account_id", "started_at"], unique=False
    )
    op.create_index(op.f("ix_call_record_started_at"), "call_record", ["started_at"], unique=False)
    op.create_table(
        "change_log",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("before", sa.String(), nullable=False),
        sa.Column("after", sa.String(), nullable=False),
        sa.CheckConstraint("action IN ('create', 'change', 'delete')", name=op.f("ck_change_log_action")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change_log")),
    )
    op.create_index(op.f("ix_change_log_at"), "change_log", ["at"], unique=False)
    op.create_table(
        "setting",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_setting")),
    )
    op.create_table(
        "domain",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("enabled", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_domain_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domain")),
        sa.UniqueConstraint("name", name=op.f("uq_domain_name")),
    )
    op.create_index(op.f("ix_domain_account_id"), "domain", ["account_id"], unique=False)
    op.create_table(
        "sip_user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("domain_id", sa.Integer(), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("ha1_md5", sa.LargeBinary(), nullable=False),
        sa.Column("ha1_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("display_name", sa.String(), server_default="", nullable=False),
        sa.Column("enabled", sa.Integer(), server_default="1", nullable=False),
        sa.Column("protection", sa.String(), nullable=False),
        sa.Column("strictness", sa.String(), nullable=False),
        sa.Column("codecs", sa.String(), server_default="", nullable=False),
        sa.Column("max_contacts", sa.Integer(), server_default="10", nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("secret_set_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["domain_id"], ["domain.id"], name=op.f("fk_sip_user_domain_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sip_user")),
        sa.UniqueConstraint("domain_id", "username", name=op.f("uq_sip_user_domain_id_username")),
    )
