"""Calls as JSON, past and live."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from sealtone.admin.ladders import CallLadder
from sealtone.model import CallState, KeyExchange, LegSecurity, MediaPath, Protection, ZrtpFacts, ZrtpStage
from sealtone.model.ladder import KeepLadders
from sealtone.model.record import CallRecord, EndedBy, LegRecord, LegRole
from sealtone.web.api.schemas.base import Form, Moment, Shown, example, moment, moment_or_none

ZRTP = {
    "stage": "secure",
    "key_agreement": "X255",
    "hash": "S256",
    "cipher": "AES3",
    "auth_tag": "HS80",
    "sas": "ux3q",
    "cache": "matched",
    "enrolled": False,
    "sas_relayed": False,
    "client": "Linphone",
    "hello_hash_matched": True,
    "warnings": [],
}
_LEG = {
    "role": "caller",
    "aor": "1000@office.example",
    "transport": "tls",
    "tls_version": "TLSv1.3",
    "tls_cipher": "TLS_AES_256_GCM_SHA384",
    "protection": "zrtp",
    "key_exchange": "zrtp",
    "media_path": "server",
    "suite_rx": "AES_CM_128_HMAC_SHA1_80",
    "suite_tx": "AES_CM_128_HMAC_SHA1_80",
    "sas_verified": False,
    "zrtp": ZRTP,
    "note": "",
    "codec": "opus/48000",
    "codec_tx": "opus/48000",
    "ptime_ms": 20,
    "transcoded": False,
    "packets_rx": 2100,
    "packets_tx": 2098,
    "lost": 0,
    "jitter_ms": 1.4,
    "rtt_ms": 18.0,
    "mos_rx": 4.4,
    "mos_tx": 4.4,
    "sip_call_id": "a84b4c76e66710",
}
_PAST_LEG = _LEG | {
    "status": 200,
    "chosen": True,
    "octets_rx": 96_000,
    "octets_tx": 95_900,
    "reported_lost": 0,
    "reported_jitter_ms": 2.1,
    "remote_signalling": "192.0.2.7:50123",
    "remote_media": "192.0.2.7:40012",
    "user_agent": "Linphone",
}
CALL = {
    "id": "01jdkq8v3hq2",
    "caller": "1000@office.example",
    "caller_name": "Anna",
    "dialled": "1001@office.example",
    "callee": "1001@office.example",
    "started_at": "2026-11-26T09:30:00.000Z",
    "answered_at": "2026-11-26T09:30:04.500Z",
    "ended_at": "2026-11-26T09:30:46.500Z",
    "duration_s": 42.0,
    "ended_by": "callee",
    "status": 200,
    "reason": "The callee hung up.",
    "state": "protected-to-server",
    "announced": "",
    "recordings": [],
    "recording_note": "",
    "legs": [_PAST_LEG],
}
LIVE = {
    "id": "01jdkq8v3hq2",
    "stage": "answered",
    "caller": "1000@office.example",
    "callee": "1001@office.example",
    "dialled": "1001@office.example",
    "started_at": "2026-11-26T09:30:00.000Z",
    "answered_at": "2026-11-26T09:30:04.500Z",
    "state": "protected-to-server",
    "drawn": "1000 —ZRTP→ server —SRTP→ 1001",
    "announced": "",
    "recording": None,
    "recordings": [],
    "recording_note": "",
    "recording_objection": "",
    "legs": [_LEG | {"held": False}],
}


class ZrtpOut(Shown):
    """What is known of a leg's ZRTP. Nothing of it is secret."""

    stage: ZrtpStage
    key_agreement: str
    hash: str
    cipher: str
    auth_tag: str
    sas: str = Field(description="To be compared with what the phone shows; empty where the server is no end of it.")
    cache: str
    enrolled: bool
    sas_relayed: bool
    client: str
    hello_hash_matched: bool | None
    warnings: list[str]


class LegFields(Shown):
    """What the server has with one phone."""

    role: LegRole
    aor: str
    transport: str
    tls_version: str
    tls_cipher: str
    protection: Protection
    key_exchange: KeyExchange
    media_path: MediaPath
    suite_rx: str = Field(description="SRTP suite of what the phone sends; empty for none.")
    suite_tx: str
    sas_verified: bool
    zrtp: ZrtpOut | None
    note: str = Field(description="Why it is no better protected than it is.")
    codec: str
    codec_tx: str
    ptime_ms: int | None
    transcoded: bool
    packets_rx: int
    packets_tx: int
    lost: int
    jitter_ms: float | None
    rtt_ms: float | None
    mos_rx: float | None = Field(description="Estimated quality of what the phone sent, 1 to 4.5.")
    mos_tx: float | None = Field(description="The same of what the phone heard.")
    sip_call_id: str


class LegOut(LegFields):
    """A leg of a past call."""

    status: int
    chosen: bool = Field(description="False for a phone that rang in vain.")
    octets_rx: int
    octets_tx: int
    reported_lost: int | None
    reported_jitter_ms: float | None
    remote_signalling: str
    remote_media: str
    user_agent: str


class CallOut(Shown):
    """A past call."""

    model_config = example(CALL)

    id: str
    caller: str
    caller_name: str
    dialled: str
    callee: str
    started_at: Moment
    answered_at: Moment | None
    ended_at: Moment
    duration_s: float
    ended_by: EndedBy
    status: int = Field(description="The SIP status that the caller was given.")
    reason: str
    state: CallState = Field(description="Who could have listened: its weakest leg's state, for the whole of the call.")
    announced: str
    recordings: list[str]
    recording_note: str
    legs: list[LegOut]


class LiveLegOut(LegFields):
    """A leg of a call in progress."""

    held: bool


class LiveCallOut(Shown):
    """A call in progress."""

    model_config = example(LIVE)

    id: str
    stage: str
    caller: str
    callee: str
    dialled: str
    started_at: Moment
    answered_at: Moment | None
    state: CallState
    drawn: str = Field(description="Both legs in one line.")
    announced: str
    recording: str | None = Field(description="The recording that runs.")
    recordings: list[str]
    recording_note: str
    recording_objection: str = Field(description="Why it cannot be recorded now; empty where it can.")
    legs: list[LiveLegOut]


class LiveCalls(Shown):
    """The calls in progress."""

    model_config = example({"items": [LIVE]})

    items: list[LiveCallOut]


class SasIn(Form):
    """What a person found who compared."""

    model_config = example({"aor": "1000@office.example", "matches": True})

    matches: bool
    aor: str = Field("", max_length=400, description="Whose phone; may be left out where only one leg has a SAS.")


class SasOut(Shown):
    """Whose SAS was compared."""

    model_config = example({"aor": "1000@office.example", "sas": "ux3q", "matches": True})

    aor: str
    sas: str
    matches: bool


class RecordIn(Form):
    """Whether a call is to be recorded from now on."""

    model_config = example({"record": True})

    record: bool


class MessageOut(Shown):
    """A SIP message, secrets masked."""

    at: Moment
    sip_call_id: str = Field(description="Of the leg's dialog.")
    incoming: bool = Field(description="Whether it came from the phone.")
    transport: str
    remote: str
    text: str


class LadderOut(Shown):
    """The SIP messages of a call."""

    model_config = example(
        {
            "verdict": "1001 answered, and the call went on until the callee hung up.",
            "keep_ladders": "all",
            "kept": True,
            "left_out": 0,
            "messages": [
                {
                    "at": "2026-11-26T09:30:00.000Z",
                    "sip_call_id": "a84b4c76e66710",
                    "incoming": True,
                    "transport": "tls",
                    "remote": "192.0.2.7:50123",
                    "text": "INVITE sip:1001@office.example SIP/2.0\n…",
                }
            ],
        }
    )

    verdict: str = Field(description="What came of the call and why, for somebody who has never read SIP.")
    keep_ladders: KeepLadders = Field(description="Of which calls the account keeps messages now.")
    kept: bool = Field(description="Whether those of this call were kept.")
    left_out: int = Field(description="How many came beyond what is kept of one call.")
    messages: list[MessageOut]


def ladder_out(found: CallLadder) -> LadderOut:
    messages = found.ladder.messages if found.ladder is not None else ()
    return LadderOut(
        verdict=str(found.verdict),
        keep_ladders=found.keeps,
        kept=found.ladder is not None,
        left_out=found.ladder.left_out if found.ladder is not None else 0,
        messages=[
            MessageOut(
                at=moment(one.at),
                sip_call_id=one.leg,
                incoming=one.incoming,
                transport=one.transport,
                remote=one.remote,
                text=one.text,
            )
            for one in messages
        ],
    )


def call_out(call: CallRecord) -> CallOut:
    return CallOut(
        id=call.id,
        caller=call.caller,
        caller_name=call.caller_name,
        dialled=call.dialled,
        callee=call.callee,
        started_at=moment(call.started_at),
        answered_at=moment_or_none(call.answered_at),
        ended_at=moment(call.ended_at),
        duration_s=round(call.duration_s, 3),
        ended_by=call.ended_by,
        status=call.status,
        reason=call.reason,
        state=call.state,
        announced=call.announced,
        recordings=list(call.recordings),
        recording_note=call.recording_note,
        legs=[_leg_out(leg) for leg in call.legs],
    )


def _leg_out(leg: LegRecord) -> LegOut:
    return LegOut.model_validate(
        _security_fields(leg.security)
        | {name: getattr(leg, name) for name in LegOut.model_fields if name in LegRecord._fields}
    )


def _security_fields(security: LegSecurity) -> dict[str, Any]:
    return {
        "transport": security.transport,
        "tls_version": security.tls_version,
        "tls_cipher": security.tls_cipher,
        "protection": security.protection,
        "key_exchange": security.key_exchange,
        "media_path": security.media_path,
        "suite_rx": security.suite_rx.value if security.suite_rx is not None else "",
        "suite_tx": security.suite_tx.value if security.suite_tx is not None else "",
        "sas_verified": security.sas_verified,
        "zrtp": _zrtp_out(security.zrtp._asdict()) if security.zrtp is not None else None,
        "note": security.note,
    }


def _zrtp_out(facts: dict[str, Any]) -> ZrtpOut:
    known = {name: facts[name] for name in ZrtpFacts._fields if name in ZrtpOut.model_fields}
    return ZrtpOut.model_validate(known | {"warnings": list(facts["warnings"])})


def live_call_out(row: dict[str, Any]) -> LiveCallOut:
    """Of a row of the control action `calls.live`; what this version does not know of is passed over."""
    known = {name: row[name] for name in LiveCallOut.model_fields}
    times = {"started_at": moment(row["started_at"]), "answered_at": moment_or_none(row["answered_at"])}
    return LiveCallOut.model_validate(known | times | {"legs": [_live_leg_out(leg) for leg in row["legs"]]})


def _live_leg_out(row: dict[str, Any]) -> LiveLegOut:
    known = {name: row[name] for name in LiveLegOut.model_fields}
    zrtp = _zrtp_out(row["zrtp"]) if row["zrtp"] is not None else None
    return LiveLegOut.model_validate(known | {"zrtp": zrtp, "sas_verified": bool(row["sas_verified"])})
