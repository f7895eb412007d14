"""The phone's side of offer and answer: which codecs, which protection, which keys (RFC 3264, 4568, 6189, 8643).

What the phone wants is a `Wish`; what both agreed on is an `Agreement`. A wish for protection that cannot be met
raises `Unacceptable`, and the call does not come about: it is never quietly plain. Where the keys are ZRTP's, they are
agreed on in the media path later, whatever the signalling says; nothing that is negotiated here takes them away again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from sealtone.model import KeyExchange
from sealtone.sdp import (
    AudioDescription,
    Codec,
    Direction,
    OwnDescription,
    SdpError,
    answer_direction,
    read_answer,
    read_audio,
)
from sealtone.srtp_keys import PREFERENCE, CryptoAttribute, KeyMaterial, Suite, answer_to, choose, offer_of

_VOICE: Final = {"PCMU": Codec(0, "PCMU", 8000), "PCMA": Codec(8, "PCMA", 8000)}
_EVENTS: Final = Codec(101, "telephone-event", 8000, 1, "0-15")


class Encryption(StrEnum):
    """What the phone asks for its media."""

    NONE = "none"
    PREFER = "prefer"
    REQUIRE = "require"


class Unacceptable(Exception):
    """The peer's description does not do; `reason` is a sentence, `status` the SIP answer to an offer."""

    def __init__(self, reason: str, status: int = 488) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


@dataclass(frozen=True, slots=True)
class Wish:
    """How the phone is set up.

    `keys`: where those of an encrypted call come from, SDES or ZRTP. `keys_in_clear` lets it put SDES keys into
    signalling without TLS: for tests only.
    """

    encryption: Encryption = Encryption.NONE
    keys: KeyExchange = KeyExchange.SDES
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    suites: tuple[Suite, ...] = PREFERENCE
    keys_in_clear: bool = False

    @property
    def speaks_zrtp(self) -> bool:
        return self.encryption is not Encryption.NONE and self.keys is KeyExchange.ZRTP


class Agreement(NamedTuple):
    """What a call's media runs by. `remote_rtp` None: nothing may be sent (a null address)."""

    codec: Codec
    events_payload_type: int | None
    remote_rtp: tuple[str, int] | None
    remote_rtcp: tuple[str, int] | None
    direction: Direction
    """From our view."""
    send_key: KeyMaterial | None
    receive_key: KeyMaterial | None
    zrtp: bool = False
    """Whether the keys are left to ZRTP."""
    zrtp_hashes: tuple[str, ...] = ()
    """The peer's a=zrtp-hash (RFC 6189 8.1)."""


class Negotiator:
    """The offers and answers of one call, in either role, over and over. `address` and `port` are where we listen,
    `zrtp_hash` is our a=zrtp-hash where the wish is for ZRTP."""

    def __init__(
        self,
        wish: Wish,
        address: str,
        port: int,
        secure_hop: bool,
        entropy: Callable[[int], bytes],
        zrtp_hash: str = "",
    ) -> None:
        self._wish = wish
        self._hashes = (zrtp_hash,) if zrtp_hash else ()
        self._address, self._port = address, port
        self._may_key = secure_hop or wish.keys_in_clear
        self._entropy = entropy
        self._own = OwnDescription(int.from_bytes(entropy(6), "big") >> 1)
        self._offered: AudioDescription | None = None
        self._own_key: CryptoAttribute | None = None
        self.agreement: Agreement | None = None

    def offer(self, direction: Direction = Direction.SENDRECV) -> bytes:
        """Our offer. In a running call it repeats what was agreed, so that a hold changes no key.

        Raises `Unacceptable` where encryption is required but the signalling could not carry keys.
        """
        profile, crypto = self._protection_to_offer()
        running = self.agreement
        codecs = (running.codec,) if running else tuple(_VOICE[name] for name in self._wish.codecs)
        events = (
            _EVENTS._replace(payload_type=running.events_payload_type)
            if running and running.events_payload_type
            else _EVENTS
        )
        layout = self._own.audio.layout if self._own.audio else ()
        section = self._own.audio.section if self._own.audio else 0
        self._offered = AudioDescription(
            self._address, self._port, (*codecs, events), profile, direction, crypto, ptime_ms=20,
            section=section, layout=layout, zrtp_hashes=() if crypto else self._hashes,
        )  # fmt: skip
        return self._own.write(self._offered)

    def _protection_to_offer(self) -> tuple[str, tuple[CryptoAttribute, ...]]:
        if self._wish.encryption is Encryption.NONE:
            return "RTP/AVP", ()
        required = self._wish.encryption is Encryption.REQUIRE
        if self._wish.speaks_zrtp and self._own_key is None:
            return "RTP/AVP", ()
        if not self._may_key:
            if required:
                raise Unacceptable("Encryption is required, and keys travel over TLS only: use --transport tls.")
            return "RTP/AVP", ()
        # RFC 8643: keys under RTP/AVP mean "if you can"; RTP/SAVP means "or not at all".
        profile = "RTP/SAVP" if required else "RTP/AVP"
        if self.agreement is not None:
            running = self._own_key
            return (profile, (running,)) if running else ("RTP/AVP", ())
        return profile, offer_of(self._wish.suites, self._entropy)

    def take_answer(self, body: bytes) -> Agreement:
        """The answer to our offer. Raises `Unacceptable`."""
        offered = self._offered
        if offered is None:
            raise Unacceptable("An answer came without an offer of ours.", 500)
        try:
            answer = read_answer(body, offered)
        except SdpError as error:
            raise Unacceptable(f"The answer is not usable: {error}.") from None
        send, receive = None, None
        if self._wish.speaks_zrtp and not offered.crypto:
            if answer.is_secure_profile:
                raise Unacceptable("The other side answered with SRTP, but was offered ZRTP.")
        elif answer.crypto and offered.crypto:
            theirs = answer.crypto[0]
            ours = next((own for own in offered.crypto if own.tag == theirs.tag and own.suite is theirs.suite), None)
            if ours is None:
                raise Unacceptable("The answer chose a key that was not offered.")
            self._own_key, send, receive = ours, ours.key, theirs.key
        elif self._wish.encryption is Encryption.REQUIRE:
            raise Unacceptable("Encryption is required, and the other side answered without it.")
        elif self.agreement is not None and self.agreement.send_key is not None:
            raise Unacceptable("The other side would take the encryption of a running call away.")
        self.agreement = self._agree(
            answer, answer.codecs, answer_direction(answer.direction, offered.direction), send, receive
        )
        return self.agreement

    def answer(self, body: bytes, wanted: Direction = Direction.SENDRECV) -> bytes:
        """Our answer to an offer. Raises `Unacceptable`."""
        try:
            offer = read_audio(body)
        except SdpError as error:
            raise Unacceptable(f"The offer is not usable: {error}.") from None
        codecs = self._common_codecs(offer.codecs)
        chosen = self._choose_key(offer)
        crypto: tuple[CryptoAttribute, ...] = ()
        if chosen is not None:
            kept = self._own_key
            same = kept is not None and kept.suite is chosen.suite
            own = (
                CryptoAttribute(chosen.tag, kept.key, chosen.suite_name)
                if same and kept
                else answer_to(chosen, self._entropy)
            )
            self._own_key, crypto = own, (own,)
        direction = answer_direction(offer.direction, wanted)
        described = AudioDescription(
            self._address, self._port, codecs, offer.profile, direction, crypto, ptime_ms=20,
            section=offer.section, layout=offer.layout, zrtp_hashes=() if crypto else self._hashes,
        )  # fmt: skip
        self._offered = None
        written = self._own.write(described)
        own_key = self._own_key.key if chosen and self._own_key else None
        self.agreement = self._agree(offer, codecs, direction, own_key, chosen.key if chosen else None)
        return written

    def _common_codecs(self, offered: tuple[Codec, ...]) -> tuple[Codec, ...]:
        wanted = self._wish.codecs
        voice = [codec for codec in offered if codec.encoding.upper() in wanted and codec.clock == 8000]
        if not voice:
            raise Unacceptable("No codec in common: this phone speaks G.711 only.")
        return (voice[0], *(codec for codec in offered if codec.is_telephone_event and codec.clock == 8000))

    def _choose_key(self, offer: AudioDescription) -> CryptoAttribute | None:
        wish = self._wish
        encrypted_before = self.agreement is not None and self.agreement.send_key is not None
        if wish.speaks_zrtp and not encrypted_before:
            if not offer.is_secure_profile:
                return None
            if wish.encryption is Encryption.REQUIRE or self.agreement is not None:
                raise Unacceptable("The offer demands SRTP with keys in the signalling, and this call is for ZRTP.")
        if wish.encryption is not Encryption.NONE and self._may_key:
            chosen = choose(offer.crypto, wish.suites)
            if chosen is not None:
                return chosen
        if offer.is_secure_profile:
            why = "this phone takes no encryption" if wish.encryption is Encryption.NONE else "no offered key is usable"
            raise Unacceptable(f"The offer demands encryption, and {why}.")
        if wish.encryption is Encryption.REQUIRE or encrypted_before:
            raise Unacceptable("Encryption is required, and the offer has no usable key.")
        return None

    def _agree(
        self,
        remote: AudioDescription,
        codecs: tuple[Codec, ...],
        direction: Direction,
        send: KeyMaterial | None,
        receive: KeyMaterial | None,
    ) -> Agreement:
        voice = next((codec for codec in codecs if codec.encoding.upper() in _VOICE), None)
        if voice is None:
            raise Unacceptable("The answer names no codec that this phone speaks.")
        events = next(
            (codec.payload_type for codec in codecs if codec.is_telephone_event and codec.clock == 8000), None
        )
        reachable = not remote.null_address
        return Agreement(
            voice,
            events,
            (remote.address, remote.port) if reachable else None,
            # We never multiplex, so RTCP goes to its own port even where the peer offered to.
            remote._replace(rtcp_mux=False).rtcp_address if reachable else None,
            direction,
            send,
            receive,
            self._wish.speaks_zrtp and send is None,
            remote.zrtp_hashes,
        )
