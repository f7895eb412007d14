"""Call records for the tests of the store."""

from sealtone.model import CallState, KeyExchange, LegSecurity, Protection
from sealtone.model.record import CallRecord, LegRecord
from sealtone.srtp_keys import Suite

ENCRYPTED = LegSecurity(
    transport="tls",
    tls_version="TLSv1.3",
    tls_cipher="TLS_AES_256_GCM_SHA384",
    protection=Protection.SRTP,
    suite_rx=Suite.AES_CM_128_HMAC_SHA1_80,
    suite_tx=Suite.AEAD_AES_256_GCM,
    key_exchange=KeyExchange.SDES,
)
CLEAR = LegSecurity(note="The phone offers no encryption.")


def call(number: int = 1, *, started_at: float = 1000.0, answered: bool = True, account_id: int = 1) -> CallRecord:
    """A call of two legs; `number` makes it distinct."""
    caller = LegRecord(
        role="caller",
        aor="1000@office.example",
        security=ENCRYPTED,
        status=200,
        codec="PCMU/8000",
        packets_rx=500,
        packets_tx=498,
        octets_rx=80_000,
        octets_tx=79_680,
        lost=2,
        jitter_ms=1.25,
        rtt_ms=None,
        remote_signalling="127.0.0.1:40000",
        remote_media="127.0.0.1:7078",
        user_agent="Phone/1.0",
        sip_call_id=f"leg-a-{number}",
        codec_tx="PCMU/8000",
        ptime_ms=20,
        reported_lost=3,
        reported_jitter_ms=2.5,
        mos_rx=4.4,
        mos_tx=4.2,
    )
    callee = caller._replace(
        role="callee", aor="1001@office.example", security=CLEAR, rtt_ms=3.5, sip_call_id=f"leg-b-{number}"
    )
    return CallRecord(
        id=f"call-{number:06d}",
        account_id=account_id,
        caller="1000@office.example",
        dialled="1001@office.example",
        callee="1001@office.example",
        started_at=started_at,
        answered_at=started_at + 2 if answered else None,
        ended_at=started_at + 12,
        ended_by="caller",
        status=200 if answered else 486,
        reason="The caller hung up." if answered else "The callee is busy.",
        state=CallState.OPEN,
        legs=(caller, callee),
        caller_name="Anna",
        announced="1000@office.example was told that the other side is not encrypted.",
    )
