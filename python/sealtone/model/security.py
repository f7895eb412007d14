"""What protects a leg, and which of the four states a call is shown in. The one pure place where that is decided.

Rules:

1. A state is computed from what was reached, never from what was configured or offered.
2. A call is as safe as its weakest leg.
3. Whatever does not add up (a key without a key exchange, SDES without TLS, one leg sealed and the other not) counts
   as open: nobody may be told more than is known.
4. A trusted-man-in-the-middle ZRTP call has the media path `SERVER`, so it can never come out as end-to-end.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from sealtone.srtp_keys import SrtpSuite


class Protection(StrEnum):
    """How a leg's media is protected, wanted or reached."""

    NONE = "none"
    SRTP = "srtp"
    """Keys from the signalling (SDES)."""
    ZRTP = "zrtp"
    """Keys agreed on in the media path (RFC 6189)."""


class KeyExchange(StrEnum):
    """How the two ends of a leg came to their SRTP keys."""

    NONE = "none"
    SDES = "sdes"
    ZRTP = "zrtp"
    DTLS = "dtls"


class MediaPath(StrEnum):
    """Where a leg's media goes: ended in the server, relayed sealed, or directly from phone to phone."""

    SERVER = "server"
    SEALED = "sealed"
    DIRECT = "direct"


class ZrtpStage(StrEnum):
    """How far a leg's ZRTP has come."""

    AGREEING = "agreeing"
    """The phone said that it speaks ZRTP, or must; the keys are being agreed on."""
    ABSENT = "absent"
    """Nobody answers."""
    SECURE = "secure"
    """The server and the phone have keys."""
    SEEN = "seen passing through"
    """A whole key agreement between the two phones went by. Nobody here can know what came of it."""
    ANNOUNCED = "announced"
    """Both phones announced it, and speak directly with each other: more cannot be seen from here."""
    FAILED = "failed"


class ZrtpFacts(NamedTuple):
    """What is known of a leg's ZRTP. Nothing here is secret; on sealed legs it is what anybody on the path can see."""

    stage: ZrtpStage = ZrtpStage.AGREEING
    key_agreement: str = ""
    """By the names of RFC 6189 (5.1.5), such as X255; so are the next three."""
    hash: str = ""
    cipher: str = ""
    auth_tag: str = ""
    sas: str = ""
    """The server's of this leg; always empty on a sealed leg, where the server has none."""
    cache: str = ""
    """What retained secrets said of the phone: first contact, matched, mismatch, expired."""
    enrolled: bool = False
    """A PBX secret matched in this call: the phone trusts this server to relay a SAS."""
    sas_relayed: bool = False
    """The other leg's SAS was sent to this phone."""
    client: str = ""
    """What the phone's ZRTP calls itself. It is not proven."""
    hello_hash_matched: bool | None = None
    """Whether the phone's Hello is the one its signalling announced; None where it announced none."""
    warnings: tuple[str, ...] = ()
    """Sentences for a person."""


class LegSecurity(NamedTuple):
    """What one leg reached. The defaults describe a leg without any protection."""

    transport: str = "udp"
    """Of the signalling: udp, tcp, tls, ws or wss."""
    tls_version: str = ""
    tls_cipher: str = ""
    protection: Protection = Protection.NONE
    suite_rx: SrtpSuite | None = None
    """Of what the phone sends to us."""
    suite_tx: SrtpSuite | None = None
    """Of what we send to the phone."""
    key_exchange: KeyExchange = KeyExchange.NONE
    media_path: MediaPath = MediaPath.SERVER
    sas_verified: bool = False
    """Whether a person compared this leg's SAS (ZRTP only)."""
    note: str = ""
    """A sentence on why it is no better than it is; empty when there is nothing to say."""
    zrtp: ZrtpFacts | None = None
    """None where ZRTP had no part in it."""

    @property
    def signalling_is_encrypted(self) -> bool:
        return self.transport in _ENCRYPTED_TRANSPORTS


_ENCRYPTED_TRANSPORTS: Final = frozenset({"tls", "wss"})


class CallState(StrEnum):
    """The four states a person is shown, weakest first."""

    OPEN = "open"
    PROTECTED_TO_SERVER = "protected-to-server"
    PROTECTED_CHECKED = "protected-to-server-checked"
    END_TO_END = "end-to-end"

    @property
    def icon(self) -> str:
        """Fuller where fewer can listen; shown with the words, never alone."""
        return _SIGNS[self][0]

    @property
    def words(self) -> str:
        """For a person, in English."""
        return _SIGNS[self][1]


_SIGNS: Final[dict[CallState, tuple[str, str]]] = {
    CallState.OPEN: ("○", "Open"),
    CallState.PROTECTED_TO_SERVER: ("◐", "Protected to the server"),
    CallState.PROTECTED_CHECKED: ("◕", "Protected to the server, checked"),
    CallState.END_TO_END: ("●", "End-to-end"),
}
_RANK: Final = {state: rank for rank, state in enumerate(CallState)}


def leg_fault(leg: LegSecurity) -> str | None:
    """Why a leg's description cannot be true or safe, as a sentence; None when it is consistent."""
    keyed = leg.suite_rx is not None or leg.suite_tx is not None
    if leg.protection is Protection.NONE:
        if keyed or leg.key_exchange is not KeyExchange.NONE:
            return "The leg has keys, but is recorded as not encrypted."
        return None
    if leg.media_path is MediaPath.SERVER and (leg.suite_rx is None or leg.suite_tx is None):
        return "The leg should be encrypted, but a direction has no key."
    if leg.key_exchange is KeyExchange.NONE:
        return "The leg should be encrypted, but no keys were agreed."
    if (leg.protection is Protection.ZRTP) is not (leg.key_exchange is KeyExchange.ZRTP):
        return "The leg's protection and where its keys come from contradict each other."
    if leg.key_exchange is KeyExchange.SDES and not leg.signalling_is_encrypted:
        return "The leg's keys travelled in signalling that is not encrypted."
    if leg.media_path is not MediaPath.SERVER and (keyed or leg.key_exchange is not KeyExchange.ZRTP):
        return "The leg is said to be closed to the server, but the server has its keys."
    if leg.media_path is not MediaPath.SERVER:
        wanted = ZrtpStage.SEEN if leg.media_path is MediaPath.SEALED else ZrtpStage.ANNOUNCED
        if leg.zrtp is None or leg.zrtp.stage is not wanted:
            return "Nothing shows that the phones agreed on keys with each other."
    return None


def leg_state(leg: LegSecurity) -> CallState:
    """The state that this leg alone would give a call."""
    if leg.protection is Protection.NONE or leg_fault(leg) is not None:
        return CallState.OPEN
    if leg.media_path is not MediaPath.SERVER:
        return CallState.END_TO_END
    if leg.key_exchange is KeyExchange.ZRTP and leg.sas_verified:
        return CallState.PROTECTED_CHECKED
    return CallState.PROTECTED_TO_SERVER


def call_state(leg_a: LegSecurity, leg_b: LegSecurity | None) -> CallState:
    """The state of a call: its weakest leg's. `leg_b` is None when an application of the server answers."""
    state_a = leg_state(leg_a)
    if leg_b is None:
        # An application needs the media in the server, so a leg closed to the server cannot reach one.
        return state_a if leg_a.media_path is MediaPath.SERVER else CallState.OPEN
    if leg_a.media_path is not leg_b.media_path:
        return CallState.OPEN
    state_b = leg_state(leg_b)
    return state_a if _RANK[state_a] <= _RANK[state_b] else state_b
