"""A phone as it is taken to be set up, for a rehearsal: what it offers, and how it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sealtone.model import Protection
from sealtone.sdp import AudioDescription, Codec, OwnDescription, SdpError, fmtp, read_audio
from sealtone.sdp.catalogue import CATALOGUE, EVENT_CLOCKS, is_voice
from sealtone.sip import events as sip
from sealtone.sip.endpoint import Endpoint, EndpointConfig
from sealtone.sip.flow import Flow, TlsInfo, TransportName
from sealtone.sip.session import InviteSession
from sealtone.srtp_keys import PREFERENCE, CryptoAttribute, answer_to, choose, offer_of

USUAL_CODECS = ("opus", "g722", "pcma", "pcmu")
"""What nearly every phone has, for one of a user that may use all."""
SERVER = ("192.0.2.1", 5061)  # RFC 5737: nothing is sent there, nor anywhere
_MEDIA_PORT = 4000


class PhoneSettings(NamedTuple):
    """How one phone is set up and connected."""

    transport: TransportName = "tls"
    protection: Protection = Protection.SRTP
    mandatory: bool = False
    """It makes no call without that protection."""
    codecs: tuple[str, ...] = USUAL_CODECS
    """By their names in the catalogue, the one it likes best first."""
    address: str = "192.0.2.10"
    """Where its signalling comes from."""
    own_address: str = ""
    """What it writes into its descriptions, where that is another (behind NAT)."""
    tls: TlsInfo | None = None


class RehearsedPhone:
    """One phone with a SIP endpoint of its own; it picks up whatever it can."""

    def __init__(self, settings: PhoneSettings, number: int, entropy: Callable[[int], bytes]) -> None:
        self.settings = settings
        self.address = (settings.address, 1024 + number)
        tls = settings.tls or TlsInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384", "")
        is_tls = settings.transport in ("tls", "wss")
        self.flow = Flow(number, settings.transport, self.address, SERVER)
        self.seen_by_server = Flow(number, settings.transport, SERVER, self.address, tls if is_tls else None)
        self.endpoint = Endpoint(EndpointConfig(user_agent="", contact_for=lambda _: self.address), entropy)
        self._is_secure = is_tls
        self._entropy = entropy
        self._own = OwnDescription(number)
        self._key: CryptoAttribute | None = None
        self._codecs = _with_events(settings.codecs)
        self._hash = f"1.10 {entropy(32).hex()}"

    @property
    def speaks_zrtp(self) -> bool:
        return self.settings.protection is Protection.ZRTP

    def offer(self) -> bytes:
        """Its offer of a new call."""
        settings = self.settings
        crypto: tuple[CryptoAttribute, ...] = ()
        if settings.protection is Protection.SRTP and (self._is_secure or settings.mandatory):
            crypto = offer_of(PREFERENCE, self._entropy)
        return self._described(self._codecs, "RTP/SAVP" if crypto and settings.mandatory else "RTP/AVP", crypto)

    def handle(self, event: sip.Event, now: float) -> None:
        """What the server says to it."""
        if isinstance(event, sip.RequestReceived):
            if event.request.method != "INVITE":
                self.endpoint.respond(event.tx, 200, now)
                return
            session = self.endpoint.accept(event.tx, now)
            session.progress(180, now)
            self._pick_up(session, now)
        elif isinstance(event, sip.OfferReceived):
            answer = self._answer(event.body)
            if answer is None:
                event.session.reject_offer(488, now)
            else:
                event.session.answer(answer, now)
        elif isinstance(event, sip.OfferRequested):
            event.session.answer(self.offer(), now)
        elif isinstance(event, sip.InDialogRequest):
            self.endpoint.respond(event.tx, 200, now)

    def _pick_up(self, session: InviteSession, now: float) -> None:
        answer = self._answer(session.remote_body) if session.remote_body else self.offer()
        if answer is None:
            session.reject(488, now)
        else:
            session.accept(answer, now)

    def _answer(self, body: bytes) -> bytes | None:
        """Its own choice among what is offered; None where that will not do."""
        try:
            offer = read_audio(body)
        except SdpError:
            return None
        common = [codec for mine in self._codecs for codec in offer.codecs if codec.same_format(mine)]
        if not any(map(is_voice, common)):
            return None
        settings = self.settings
        takes_keys = settings.protection is Protection.SRTP and self._is_secure
        crypto = self._keyed(offer) if takes_keys else ()
        if not crypto and (offer.is_secure_profile or (settings.protection is Protection.SRTP and settings.mandatory)):
            return None
        return self._described(tuple(common), offer.profile, crypto)

    def _keyed(self, offer: AudioDescription) -> tuple[CryptoAttribute, ...]:
        chosen = choose(offer.crypto, PREFERENCE)
        if chosen is None:
            return ()
        own = answer_to(chosen, self._entropy)
        if self._key is not None and self._key.suite is chosen.suite:
            own = CryptoAttribute(chosen.tag, self._key.key, chosen.suite_name)
        self._key = own
        return (own,)

    def _described(self, codecs: tuple[Codec, ...], profile: str, crypto: tuple[CryptoAttribute, ...]) -> bytes:
        hashes = (self._hash,) if self.speaks_zrtp and not crypto else ()
        address = self.settings.own_address or self.address[0]
        audio = AudioDescription(address, _MEDIA_PORT, codecs, profile, crypto=crypto, zrtp_hashes=hashes)
        return self._own.write(audio)


def _with_events(names: tuple[str, ...]) -> tuple[Codec, ...]:
    """The codecs as a phone writes them, and telephone-event for each clock."""
    voices = [fmtp.ours(CATALOGUE[name].codec) for name in names]
    clocks = dict.fromkeys([8_000, *(codec.clock for codec in voices)])
    return (*voices, *(fmtp.ours(Codec(EVENT_CLOCKS[clock], "telephone-event", clock)) for clock in clocks))
