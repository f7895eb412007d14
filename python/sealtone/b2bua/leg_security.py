"""What a leg reached, in the words of `model.security`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sealtone.b2bua.zrtp_in_call import note_of
from sealtone.model import KeyExchange, LegSecurity, MediaPath, Protection, ZrtpStage
from sealtone.sip.flow import Flow, TlsInfo

if TYPE_CHECKING:
    from sealtone.b2bua.leg import Leg


def security_of(leg: Leg) -> LegSecurity:
    """From the leg's signalling, its keys and what its ZRTP came to."""
    hop = leg.hop
    tls: TlsInfo | None = hop.tls if isinstance(hop, Flow) else None
    reached = LegSecurity(
        transport=hop.transport,
        tls_version=tls.version if tls is not None else "",
        tls_cipher=tls.cipher if tls is not None else "",
        note=_note(leg),
    )
    if leg.sealed is not None:
        facts = leg.sealed.facts(leg)
        path = MediaPath.DIRECT if leg.sealed.direct else MediaPath.SEALED
        reached = reached._replace(media_path=path, zrtp=facts)
        if facts.stage in (ZrtpStage.SEEN, ZrtpStage.ANNOUNCED):
            return reached._replace(protection=Protection.ZRTP, key_exchange=KeyExchange.ZRTP)
        return reached._replace(note=_note(leg, note_of(facts.stage)))
    rx, tx = leg.keys
    agreement = leg.zrtp if leg.speaks_zrtp else None
    if agreement is not None:
        reached = reached._replace(zrtp=agreement.facts)
    if rx is None or tx is None:
        return reached if agreement is None else reached._replace(note=_note(leg, note_of(agreement.facts.stage)))
    if agreement is not None:
        return reached._replace(
            protection=Protection.ZRTP,
            suite_rx=rx.suite,
            suite_tx=tx.suite,
            key_exchange=KeyExchange.ZRTP,
            sas_verified=agreement.is_verified,
        )
    return reached._replace(
        protection=Protection.SRTP, suite_rx=rx.suite, suite_tx=tx.suite, key_exchange=KeyExchange.SDES
    )


def _note(leg: Leg, otherwise: str = "") -> str:
    return f"{leg.note or otherwise} {leg.why_not_sealed}".strip()


FAR_LEG_HEADER: Final = "X-Sealtone-Far-Leg"


def headers_about(leg: Leg) -> tuple[tuple[str, str], ...]:
    """For the other leg's phone: how this one is protected, as far as its signalling tells."""
    path = "" if leg.sealed is None else ";path=direct" if leg.sealed.direct else ";path=sealed"
    said = leg.said_protection
    if said is Protection.ZRTP and not leg.zrtp_hashes and not leg.user.policy.requires_zrtp:
        said = Protection.NONE  # it may speak ZRTP all the same, but has not said so
    return ((FAR_LEG_HEADER, f"media={said.value};signalling={leg.hop.transport}{path}"),)


def label_of(security: LegSecurity) -> str:
    """Its protection in one word."""
    return {Protection.NONE: "RTP", Protection.SRTP: "SRTP", Protection.ZRTP: "ZRTP"}[security.protection]
