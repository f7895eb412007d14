"""The tables as they are now. The migrations beside this file lead to the same, which a test checks.

Times are Unix seconds (REAL). Booleans are 0 and 1. Encrypted columns are BLOBs that only `Vault` reads.
"""

from __future__ import annotations

from sqlalchemy import (
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
    Column("zid", LargeBinary, nullable=False, server_default=text("x''")),
    Column("recording_recipient", String, nullable=False, server_default=""),
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
    Index(None, "account_id", "started_at"),
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
    Column("octets_rx", Integer, nullable=False),
    Column("octets_tx", Integer, nullable=False),
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
    Column("octets", Integer, nullable=False),
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
    CheckConstraint("action IN ('create', 'change', 'delete')", name="action"),
)

setting = Table(
    "setting",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)
