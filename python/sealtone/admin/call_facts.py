"""A call's record as plain data, which the command line, the panel and programs show: who, how, how well, why."""

from __future__ import annotations

from typing import Any

from sealtone.model import MediaPath
from sealtone.model.record import CallRecord, LegRecord, transcoding_drawn


def dialled_as(uri: str) -> str:
    """What somebody dialled, as they would write it: without the scheme and parameters of its URI."""
    scheme, colon, rest = uri.partition(":")
    plain = rest if colon and scheme.lower() in ("sip", "sips", "tel") else uri
    return plain.partition(";")[0].partition("?")[0]


def call_row(record: CallRecord) -> dict[str, Any]:
    """A record as JSON holds it; times are Unix seconds."""
    return {
        "id": record.id,
        "caller": record.caller,
        "caller_name": record.caller_name,
        "dialled": record.dialled,
        "callee": record.callee,
        "started_at": record.started_at,
        "answered_at": record.answered_at,
        "ended_at": record.ended_at,
        "duration_s": round(record.duration_s, 3),
        "ended_by": record.ended_by,
        "status": record.status,
        "reason": record.reason,
        "state": record.state.value,
        "announced": record.announced,
        "drawn": drawn(record),
        "recordings": list(record.recordings),
        "recording_note": record.recording_note,
        "legs": [_leg_row(leg) for leg in record.legs],
    }


def _leg_row(leg: LegRecord) -> dict[str, Any]:
    security = leg.security
    return {
        "role": leg.role,
        "aor": leg.aor,
        "chosen": leg.chosen,
        "status": leg.status,
        "transport": security.transport,
        "tls_version": security.tls_version,
        "tls_cipher": security.tls_cipher,
        "protection": security.protection.value,
        "key_exchange": security.key_exchange.value,
        "media_path": security.media_path.value,
        "sas_verified": security.sas_verified,
        "zrtp": security.zrtp._asdict() if security.zrtp is not None else None,
        "suite_rx": security.suite_rx.value if security.suite_rx is not None else "",
        "suite_tx": security.suite_tx.value if security.suite_tx is not None else "",
        "note": security.note,
        "codec": leg.codec,
        "codec_tx": leg.codec_tx,
        "ptime_ms": leg.ptime_ms,
        "transcoded": leg.transcoded,
        "mos_rx": leg.mos_rx,
        "mos_tx": leg.mos_tx,
        "packets_rx": leg.packets_rx,
        "packets_tx": leg.packets_tx,
        "octets_rx": leg.octets_rx,
        "octets_tx": leg.octets_tx,
        "lost": leg.lost,
        "jitter_ms": leg.jitter_ms,
        "rtt_ms": leg.rtt_ms,
        "reported_lost": leg.reported_lost,
        "reported_jitter_ms": leg.reported_jitter_ms,
        "signalling": leg.remote_signalling,
        "media": leg.remote_media,
        "user_agent": leg.user_agent,
        "sip_call_id": leg.sip_call_id,
    }


def drawn(record: CallRecord) -> str:
    """Both legs in one line: ``1000 —SRTP→ server —RTP→ 1001``."""
    is_service = bool(record.callee) and "@" not in record.callee
    shared = is_service or _domain(record.caller) == _domain(record.callee)
    caller, callee = (_short(name, shared) for name in (record.caller, record.callee or record.dialled))
    chosen = [leg for leg in record.legs if leg.chosen]
    first = next((leg for leg in record.legs if leg.role == "caller"), None)
    second = next((leg for leg in chosen if leg.role == "callee"), None)
    path = first.security.media_path if first is not None else MediaPath.SERVER
    if second is not None and path is not MediaPath.SERVER:
        how = "direct" if path is MediaPath.DIRECT else "sealed through the server"
        return f"{caller} —{_media(first)}, {how}→ {callee}"
    if is_service:
        return f"{caller} —{_media(first)}→ server ({callee})"
    codecs = [leg.codec for leg in (first, second) if leg is not None and leg.transcoded]
    how = f", {transcoding_drawn(*codecs)}" if len(codecs) == 2 else ""
    return f"{caller} —{_media(first)}→ server{how} —{_media(second)}→ {callee}"


def _short(name: str, shared: bool) -> str:
    return name.partition("@")[0] if shared else name


def _domain(name: str) -> str:
    return name.partition("@")[2]


def _media(leg: LegRecord | None) -> str:
    if leg is None or not leg.codec:
        return "no media"
    return {"srtp": "SRTP", "zrtp": "ZRTP"}.get(leg.security.protection.value, "RTP")
