"""The panel: people and how they sign in, API keys, webhooks, domains that prove themselves, the state of changes."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Domains that exist were made by the operator; changes that exist were taken up long ago."""
    op.add_column("account", sa.Column("keep_ladders", sa.String(), server_default="all", nullable=False))
    op.add_column("account", sa.Column("second_factor", sa.Integer(), server_default="0", nullable=False))
    op.add_column("domain", sa.Column("kind", sa.String(), server_default="operator", nullable=False))
    op.add_column("domain", sa.Column("ownership_token", sa.String(), server_default="", nullable=False))
    op.add_column("domain", sa.Column("checked_at", sa.Float(), nullable=True))
    op.add_column("domain", sa.Column("findings", sa.String(), server_default="", nullable=False))
    op.add_column("domain", sa.Column("certificate_source", sa.String(), server_default="own", nullable=False))
    op.add_column("domain", sa.Column("certificate_challenge", sa.String(), server_default="", nullable=False))
    op.add_column("domain", sa.Column("certificate_error", sa.String(), server_default="", nullable=False))
    op.add_column("change_log", sa.Column("state", sa.String(), server_default="pending", nullable=False))
    op.add_column("change_log", sa.Column("settled_at", sa.Float(), nullable=True))
    op.add_column("change_log", sa.Column("failure", sa.String(), server_default="", nullable=False))
    op.add_column("change_log", sa.Column("reverts", sa.Integer(), nullable=True))
    op.execute("UPDATE change_log SET state = 'done', settled_at = at")
    _make_domain_claim()
    op.create_index("ix_change_log_state", "change_log", ["state"])
    op.create_index("ix_change_log_reverts", "change_log", ["reverts"])
    op.create_index("ix_change_log_account_id_id", "change_log", ["account_id", "id"])
    op.create_index("ix_change_log_subject_id", "change_log", ["subject", "id"])
    _make_last_seen()
    _make_person()
    _make_panel_session()
    _make_passkey()
    _make_recovery_code()
    _make_one_time_link()
    _make_api_key()
    _make_idempotency()
    _make_webhook()
    _make_webhook_delivery()
    _make_call_ladder()
    _make_milestone()


def _make_domain_claim() -> None:
    op.create_table(
        "domain_claim",
        sa.Column(
            "account_id", sa.Integer(), sa.ForeignKey("account.id", name="fk_domain_claim_account_id"), nullable=False
        ),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), server_default="pending", nullable=False),
        sa.Column("ownership_token", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("checked_at", sa.Float(), nullable=True),
        sa.Column("findings", sa.String(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("account_id", "name", name="pk_domain_claim"),
        sa.CheckConstraint("status IN ('pending', 'failed')", name="ck_domain_claim_status"),
    )


def _make_last_seen() -> None:
    op.create_table(
        "last_seen",
        sa.Column("aor", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("transport", sa.String(), nullable=False),
        sa.Column("received_host", sa.String(), nullable=False),
        sa.Column("user_agent", sa.String(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("aor", name="pk_last_seen"),
    )


def _make_person() -> None:
    op.create_table(
        "person",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), sa.ForeignKey("account.id", name="fk_person_account_id"), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("name", sa.String(), server_default="", nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("operator", sa.Integer(), server_default="0", nullable=False),
        sa.Column("enabled", sa.Integer(), server_default="1", nullable=False),
        sa.Column("password_hash", sa.String(), server_default="", nullable=False),
        sa.Column("email_verified_at", sa.Float(), nullable=True),
        sa.Column("totp", sa.LargeBinary(), nullable=True),
        sa.Column("totp_step", sa.Integer(), server_default="0", nullable=False),
        sa.Column("webauthn_handle", sa.LargeBinary(), nullable=False),
        sa.Column("language", sa.String(), server_default="", nullable=False),
        sa.Column("theme", sa.String(), server_default="", nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_person"),
        sa.UniqueConstraint("email", name="uq_person_email"),
        sa.CheckConstraint("role IN ('owner', 'admin', 'viewer')", name="ck_person_role"),
    )
    op.create_index("ix_person_account_id", "person", ["account_id"])


def _make_panel_session() -> None:
    op.create_table(
        "panel_session",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "person_id", sa.Integer(), sa.ForeignKey("person.id", name="fk_panel_session_person_id"), nullable=False
        ),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("signed_in_by", sa.String(), nullable=False),
        sa.Column("confirmed_at", sa.Float(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("user_agent", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="pk_panel_session"),
        sa.UniqueConstraint("number", name="uq_panel_session_number"),
    )
    op.create_index("ix_panel_session_person_id", "panel_session", ["person_id"])
    op.create_index("ix_panel_session_expires_at", "panel_session", ["expires_at"])


def _make_passkey() -> None:
    op.create_table(
        "passkey",
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.Integer(), sa.ForeignKey("person.id", name="fk_passkey_person_id"), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("used_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("credential_id", name="pk_passkey"),
    )
    op.create_index("ix_passkey_person_id", "passkey", ["person_id"])


def _make_recovery_code() -> None:
    op.create_table(
        "recovery_code",
        sa.Column(
            "person_id", sa.Integer(), sa.ForeignKey("person.id", name="fk_recovery_code_person_id"), nullable=False
        ),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "code_hash", name="pk_recovery_code"),
    )


def _make_one_time_link() -> None:
    op.create_table(
        "one_time_link",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column(
            "account_id", sa.Integer(), sa.ForeignKey("account.id", name="fk_one_time_link_account_id"), nullable=True
        ),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("subject", sa.String(), server_default="", nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.String(), server_default="", nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("used_at", sa.Float(), nullable=True),
        sa.Column("used_from", sa.String(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="pk_one_time_link"),
        sa.UniqueConstraint("number", name="uq_one_time_link_number"),
    )
    op.create_index("ix_one_time_link_account_id", "one_time_link", ["account_id"])
    op.create_index("ix_one_time_link_expires_at", "one_time_link", ["expires_at"])


def _make_api_key() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "account_id", sa.Integer(), sa.ForeignKey("account.id", name="fk_api_key_account_id"), nullable=False
        ),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("shown", sa.String(), nullable=False),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("used_at", sa.Float(), nullable=True),
        sa.Column("expires_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
        sa.UniqueConstraint("key_hash", name="uq_api_key_key_hash"),
    )
    op.create_index("ix_api_key_account_id", "api_key", ["account_id"])


def _make_idempotency() -> None:
    op.create_table(
        "idempotency",
        sa.Column(
            "account_id", sa.Integer(), sa.ForeignKey("account.id", name="fk_idempotency_account_id"), nullable=False
        ),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"])


def _make_webhook() -> None:
    op.create_table(
        "webhook",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "account_id", sa.Integer(), sa.ForeignKey("account.id", name="fk_webhook_account_id"), nullable=False
        ),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("events", sa.String(), nullable=False),
        sa.Column("enabled", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("failing_since", sa.Float(), nullable=True),
        sa.Column("old_secret", sa.LargeBinary(), nullable=True),
        sa.Column("old_secret_until", sa.Float(), nullable=True),
        sa.Column("note", sa.String(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook"),
    )
    op.create_index("ix_webhook_account_id", "webhook", ["account_id"])


def _make_webhook_delivery() -> None:
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "webhook_id",
            sa.Integer(),
            sa.ForeignKey("webhook.id", name="fk_webhook_delivery_webhook_id"),
            nullable=False,
        ),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("next_try_at", sa.Float(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("failure", sa.String(), server_default="", nullable=False),
        sa.Column("tried_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_delivery"),
    )
    op.create_index("ix_webhook_delivery_webhook_id", "webhook_delivery", ["webhook_id"])
    op.create_index("ix_webhook_delivery_next_try_at", "webhook_delivery", ["next_try_at"])


def _make_call_ladder() -> None:
    op.create_table(
        "call_ladder",
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("messages", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name="pk_call_ladder"),
    )


def _make_milestone() -> None:
    op.create_table(
        "milestone",
        sa.Column(
            "account_id", sa.Integer(), sa.ForeignKey("account.id", name="fk_milestone_account_id"), nullable=False
        ),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "name", name="pk_milestone"),
    )
