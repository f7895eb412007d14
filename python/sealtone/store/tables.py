"""The tables as they are now. The migrations beside this file lead to the same, which a test checks.

Times are Unix seconds (REAL). Booleans are 0 and 1. Encrypted columns are BLOBs that only `Vault` reads.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

_LONG = BigInteger().with_variant(Integer, "sqlite")
"""What SQLite takes anywhere: more than 32 bits."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

account = Table(
    "account",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("enabled", Integer, nullable=False, server_default="1"),
    Column("created_at", Float, nullable=False),
    Column("keep_calls_days", Integer, server_default="365"),
    Column("zid", LargeBinary, nullable=False),
    Column("recording_recipient", String, nullable=False, server_default=""),
    Column("keep_ladders", String, nullable=False, server_default="all"),
    Column("second_factor", Integer, nullable=False, server_default="0"),
)

domain = Table(
    "domain",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("name", String, nullable=False, unique=True),
    Column("enabled", Integer, nullable=False, server_default="1"),
    Column("created_at", Float, nullable=False),
    Column("recording", String, nullable=False, server_default="on-demand"),
    Column("recording_notice", String, nullable=False, server_default="tone"),
    Column("recording_format", String, nullable=False, server_default="opus"),
    Column("keep_recordings_days", Integer, server_default="90"),
    Column("language", String, nullable=False, server_default="en"),
    Column("music_on_hold", Integer, nullable=False, server_default="1"),
    Column("open_notice", String, nullable=False, server_default="off"),
    Column("open_notice_to", String, nullable=False, server_default="caller"),
    Column("kind", String, nullable=False, server_default="operator"),
    Column("ownership_token", String, nullable=False, server_default=""),
    Column("checked_at", Float),
    Column("findings", String, nullable=False, server_default=""),
    Column("certificate_source", String, nullable=False, server_default="own"),
    Column("certificate_challenge", String, nullable=False, server_default=""),
    Column("certificate_error", String, nullable=False, server_default=""),
)

# Names that accounts say are theirs and have not proven yet. Several may claim one name: the first to prove it has it.
domain_claim = Table(
    "domain_claim",
    metadata,
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("status", String, nullable=False, server_default="pending"),
    Column("ownership_token", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("checked_at", Float),
    Column("findings", String, nullable=False, server_default=""),
    CheckConstraint("status IN ('pending', 'failed')", name="status"),
)

sip_user = Table(
    "sip_user",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("domain_id", ForeignKey("domain.id"), nullable=False),
    Column("username", String, nullable=False),
    Column("ha1_md5", LargeBinary, nullable=False),
    Column("ha1_sha256", LargeBinary, nullable=False),
    Column("display_name", String, nullable=False, server_default=""),
    Column("enabled", Integer, nullable=False, server_default="1"),
    Column("protection", String, nullable=False),
    Column("strictness", String, nullable=False),
    Column("codecs", String, nullable=False, server_default=""),
    Column("max_contacts", Integer, nullable=False, server_default="10"),
    Column("path", String, nullable=False, server_default="sealed"),
    Column("created_at", Float, nullable=False),
    Column("secret_set_at", Float, nullable=False),
    Column("recording", String, nullable=False, server_default=""),
    Column("language", String, nullable=False, server_default=""),
    UniqueConstraint("domain_id", "username"),
)

binding = Table(
    "binding",
    metadata,
    Column("aor", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("contact", String, nullable=False),
    Column("call_id", String, nullable=False),
    Column("cseq", Integer, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
    Column("registered_at", Float, nullable=False),
    Column("transport", String, nullable=False),
    Column("received_host", String, nullable=False),
    Column("received_port", Integer, nullable=False),
    Column("q", Integer, nullable=False),
    Column("path", String, nullable=False, server_default=""),
    Column("instance", String, nullable=False, server_default=""),
    Column("reg_id", Integer),
    Column("user_agent", String, nullable=False, server_default=""),
)

# When a phone was heard of last whose registration has ended; what is registered now stands in `binding`.
last_seen = Table(
    "last_seen",
    metadata,
    Column("aor", String, primary_key=True),
    Column("at", Float, nullable=False),
    Column("transport", String, nullable=False),
    Column("received_host", String, nullable=False),
    Column("user_agent", String, nullable=False, server_default=""),
)


def domain_of(column: str) -> str:
    """SQL for what follows the last @ of an address, the same in both databases; all of it where there is none."""
    return f"substr({column}, length(rtrim({column}, replace({column}, '@', ''))) + 1)"


CALLED_ELSEWHERE = f"{domain_of('callee')} <> {domain_of('caller')}"

call_record = Table(
    "call_record",
    metadata,
    Column("id", String, primary_key=True),
    Column("account_id", Integer),
    Column("caller", String, nullable=False),
    Column("caller_name", String, nullable=False),
    Column("dialled", String, nullable=False),
    Column("callee", String, nullable=False),
    Column("started_at", Float, nullable=False, index=True),
    Column("answered_at", Float),
    Column("ended_at", Float, nullable=False),
    Column("duration_s", Float, nullable=False),
    Column("ended_by", String, nullable=False),
    Column("status", Integer, nullable=False),
    Column("reason", String, nullable=False),
    Column("state", String, nullable=False),
    Column("recording_note", String, nullable=False, server_default=""),
    Column("announced", String, nullable=False, server_default=""),
    Index("ix_call_record_overview", "account_id", "started_at", "state", "answered_at"),
    Index("ix_call_record_caller", "account_id", "caller", "started_at"),
    Index("ix_call_record_callee", "account_id", "callee", "started_at"),
    Index("ix_call_record_state", "account_id", "state", "started_at"),
    Index(
        "ix_call_record_dialled",
        "account_id",
        "dialled",
        "started_at",
        sqlite_where=text("dialled <> callee"),
        postgresql_where=text("dialled <> callee"),
    ),
    Index(
        "ix_call_record_missed",
        "account_id",
        "started_at",
        sqlite_where=text("answered_at IS NULL"),
        postgresql_where=text("answered_at IS NULL"),
    ),
    Index("ix_call_record_caller_domain", "account_id", text(domain_of("caller")), "state", "started_at"),
    Index(
        "ix_call_record_callee_domain",
        "account_id",
        text(domain_of("callee")),
        "state",
        "started_at",
        sqlite_where=text(CALLED_ELSEWHERE),
        postgresql_where=text(CALLED_ELSEWHERE),
    ),
)

call_leg = Table(
    "call_leg",
    metadata,
    Column("call_id", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("role", String, nullable=False),
    Column("aor", String, nullable=False),
    Column("status", Integer, nullable=False),
    Column("chosen", Integer, nullable=False),
    Column("transport", String, nullable=False),
    Column("tls_version", String, nullable=False),
    Column("tls_cipher", String, nullable=False),
    Column("protection", String, nullable=False),
    Column("key_exchange", String, nullable=False),
    Column("media_path", String, nullable=False),
    Column("sas_verified", Integer, nullable=False),
    Column("suite_rx", String, nullable=False),
    Column("suite_tx", String, nullable=False),
    Column("note", String, nullable=False),
    Column("codec", String, nullable=False),
    Column("packets_rx", Integer, nullable=False),
    Column("packets_tx", Integer, nullable=False),
    Column("octets_rx", _LONG, nullable=False),
    Column("octets_tx", _LONG, nullable=False),
    Column("lost", Integer, nullable=False),
    Column("jitter_ms", Float),
    Column("rtt_ms", Float),
    Column("remote_signalling", String, nullable=False),
    Column("remote_media", String, nullable=False),
    Column("user_agent", String, nullable=False),
    Column("sip_call_id", String, nullable=False),
    Column("zrtp", String, nullable=False, server_default=""),
    Column("codec_tx", String, nullable=False, server_default=""),
    Column("ptime_ms", Integer),
    Column("transcoded", Integer, nullable=False, server_default="0"),
    Column("reported_lost", Integer),
    Column("reported_jitter_ms", Float),
    Column("mos_rx", Float),
    Column("mos_tx", Float),
)

recording = Table(
    "recording",
    metadata,
    Column("id", String, primary_key=True),
    Column("call_id", String, nullable=False, index=True),
    Column("account_id", Integer, nullable=False),
    Column("domain_id", Integer, nullable=False),
    Column("caller", String, nullable=False),
    Column("callee", String, nullable=False),
    Column("path", String, nullable=False),
    Column("format", String, nullable=False),
    Column("notice", String, nullable=False),
    Column("recipient", String, nullable=False),
    Column("started_by", String, nullable=False),
    Column("started_at", Float, nullable=False, index=True),
    Column("ended_at", Float),
    Column("seconds", Float, nullable=False),
    Column("octets", _LONG, nullable=False),
    Column("reason", String, nullable=False),
    Column("deleting", Integer, nullable=False, server_default="0"),
)

zrtp_cache = Table(
    "zrtp_cache",
    metadata,
    Column("zid", LargeBinary, primary_key=True),
    Column("peer_zid", LargeBinary, primary_key=True),
    Column("record", LargeBinary, nullable=False),
    Column("updated_at", Float, nullable=False),
)

change_log = Table(
    "change_log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False, index=True),
    Column("account_id", Integer),
    Column("actor", String, nullable=False),
    Column("origin", String, nullable=False),
    Column("action", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("before", String, nullable=False),
    Column("after", String, nullable=False),
    Column("state", String, nullable=False, server_default="pending", index=True),
    Column("settled_at", Float),
    Column("failure", String, nullable=False, server_default=""),
    Column("reverts", Integer, index=True),
    Index(None, "account_id", "id"),
    Index(None, "subject", "id"),
    CheckConstraint("action IN ('create', 'change', 'delete')", name="action"),
)

setting = Table(
    "setting",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)

# People and how they sign in. What lets somebody in is kept as a hash, or sealed where it is needed again.

person = Table(
    "person",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("email", String, nullable=False, unique=True),
    Column("name", String, nullable=False, server_default=""),
    Column("role", String, nullable=False),
    Column("operator", Integer, nullable=False, server_default="0"),
    Column("enabled", Integer, nullable=False, server_default="1"),
    Column("password_hash", String, nullable=False, server_default=""),
    Column("email_verified_at", Float),
    Column("totp", LargeBinary),
    Column("totp_step", Integer, nullable=False, server_default="0"),
    Column("webauthn_handle", LargeBinary, nullable=False),
    Column("language", String, nullable=False, server_default=""),
    Column("theme", String, nullable=False, server_default=""),
    Column("created_at", Float, nullable=False),
    CheckConstraint("role IN ('owner', 'admin', 'viewer')", name="role"),
)

panel_session = Table(
    "panel_session",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("person_id", ForeignKey("person.id"), nullable=False, index=True),
    Column("number", String, nullable=False, unique=True),
    Column("signed_in_by", String, nullable=False),
    Column("confirmed_at", Float, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
    Column("address", String, nullable=False),
    Column("user_agent", String, nullable=False),
)

passkey = Table(
    "passkey",
    metadata,
    Column("credential_id", LargeBinary, primary_key=True),
    Column("person_id", ForeignKey("person.id"), nullable=False, index=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", Integer, nullable=False),
    Column("name", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("used_at", Float),
)

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("person_id", ForeignKey("person.id"), primary_key=True),
    Column("code_hash", LargeBinary, primary_key=True),
)

# Links that work once and for a while: the first owner, invitations, e-mail addresses, new passwords, phones.
one_time_link = Table(
    "one_time_link",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("number", String, nullable=False, unique=True),
    Column("purpose", String, nullable=False),
    Column("account_id", ForeignKey("account.id"), index=True),
    Column("person_id", Integer),
    Column("subject", String, nullable=False, server_default=""),
    Column("content", LargeBinary),
    Column("created_at", Float, nullable=False),
    Column("created_by", String, nullable=False, server_default=""),
    Column("expires_at", Float, nullable=False, index=True),
    Column("used_at", Float),
    Column("used_from", String, nullable=False, server_default=""),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("person_id", Integer),
    Column("name", String, nullable=False),
    Column("key_hash", LargeBinary, nullable=False, unique=True),
    Column("shown", String, nullable=False),
    Column("scopes", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("used_at", Float),
    Column("expires_at", Float),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("key", String, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("status", Integer),
    Column("answer", LargeBinary),
    Column("created_at", Float, nullable=False, index=True),
)

webhook = Table(
    "webhook",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("url", String, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("events", String, nullable=False),
    Column("enabled", Integer, nullable=False, server_default="1"),
    Column("created_at", Float, nullable=False),
    Column("failing_since", Float),
    Column("old_secret", LargeBinary),
    Column("old_secret_until", Float),
    Column("note", String, nullable=False, server_default=""),
)

webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("webhook_id", ForeignKey("webhook.id"), nullable=False, index=True),
    Column("event_id", String, nullable=False),
    Column("event", String, nullable=False),
    Column("body", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("next_try_at", Float, index=True),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("status", Integer),
    Column("failure", String, nullable=False, server_default=""),
    Column("tried_at", Float),
)

# What a call's SIP messages were, secrets masked; compressed JSON.
call_ladder = Table(
    "call_ladder",
    metadata,
    Column("call_id", String, primary_key=True),
    Column("messages", LargeBinary, nullable=False),
)

# What has happened in an account for the first time, for its checklist.
milestone = Table(
    "milestone",
    metadata,
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("at", Float, nullable=False),
)
