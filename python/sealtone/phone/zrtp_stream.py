"""The ZRTP of one call of the phone: a `sealtone.zrtp.Session` on the loop's clock, and what is known of it.

`ZrtpStream` carries packets, time and the wishes of a person to the session; keys and news come back through the two
callbacks of `ZrtpOwner`. What a person is to see of it is a `ZrtpView`, never more than was proven.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from sealtone.model import ZrtpStage
from sealtone.phone.zrtp_memory import MemoryUnusable, ZrtpMemory
from sealtone.srtp_keys import ZrtpKeyMaterial, ZrtpSuite
from sealtone.zrtp import (
    Algorithms,
    Association,
    CacheState,
    CacheUpdate,
    Crypto,
    EnrolmentOffered,
    Event,
    Failed,
    HelloHash,
    MediaKeys,
    NoPeer,
    PeerError,
    PeerSeen,
    Profile,
    RelayedSas,
    SecretsReady,
    Secured,
    Session,
    UsageError,
    Warned,
)

_MAX_WARNINGS = 8


@dataclass(frozen=True)
class ZrtpTerms:
    """What the ZRTP of all calls of a phone shares."""

    crypto: Crypto
    memory: ZrtpMemory
    algorithms: Algorithms = field(default_factory=Algorithms)


class ZrtpView(NamedTuple):
    """What is known of a call's ZRTP. Algorithms by their names in RFC 6189 (5.1)."""

    stage: ZrtpStage = ZrtpStage.AGREEING
    sas: str = ""
    """To be compared with the far phone where it was relayed or nobody stands between, else with the server."""
    own_sas: str = ""
    """Of our own leg, which differs from `sas` only where another one was relayed."""
    relayed: bool = False
    """`sas` was relayed by a server that this phone is enrolled with."""
    key_agreement: str = ""
    hash: str = ""
    cipher: str = ""
    auth_tag: str = ""
    sas_type: str = ""
    role: str = ""
    """Ours: initiator or responder."""
    mode: str = ""
    cache: str = ""
    """What retained secrets said of the peer: first contact, matched, mismatch, expired."""
    verified: bool = False
    """A person compared the SAS here, now or in an earlier call that the secrets connect with this one."""
    verified_there: bool = False
    """The peer says the same of its side."""
    differs: bool = False
    """A person said that the SAS differs."""
    trusted_mitm: bool = False
    """The peer is a server that stands in the middle: it can listen, whatever is compared."""
    enrolled: bool = False
    """This phone trusts that server to relay a SAS, and proved to be the one that enrolled."""
    enrolment_offered: bool = False
    disclosure: bool = False
    peer_client: str = ""
    """What the peer's ZRTP calls itself. It is not proven."""
    hello_hash_matched: bool | None = None
    """Whether the peer's Hello is the one that signalling announced; None where it announced none."""
    why: str = ""
    """Why there are no keys."""
    warnings: tuple[str, ...] = ()

    @property
    def is_secure(self) -> bool:
        return self.stage is ZrtpStage.SECURE

    @property
    def suite(self) -> str:
        """The algorithms in a line."""
        return ", ".join(filter(None, (self.key_agreement, self.cipher, self.auth_tag, self.hash)))


class ZrtpOwner(Protocol):
    """Who is told: the call."""

    def send_zrtp(self, packet: bytes) -> None: ...

    def zrtp_keys(self, keys: tuple[ZrtpKeyMaterial, ZrtpKeyMaterial] | None) -> None:
        """The keys to send and receive with, from which on media may be received; None: they are void."""

    def zrtp_news(self, event: Event, before: ZrtpView) -> None:
        """`view` has changed because of this."""


class ZrtpStream:
    """`ssrc` is that of our RTP stream. `hello_hash` is the value of our a=zrtp-hash."""

    def __init__(self, terms: ZrtpTerms, owner: ZrtpOwner, ssrc: int) -> None:
        self._memory = terms.memory
        self._owner = owner
        self._session = Session(
            Profile(terms.memory.zid, "Sealtone phone", terms.algorithms),
            terms.crypto,
            os.urandom,
            ssrc=ssrc,
            unix_time=int(time.time()),
            cache=terms.memory.find,
        )
        self.hello_hash = str(self._session.hello_hash)
        self.view = ZrtpView()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._following = False

    def announced(self, values: tuple[str, ...]) -> None:
        """The peer's a=zrtp-hash."""
        hashes = tuple([found for value in values if (found := HelloHash.parse(value)) is not None])
        if hashes and not self._session.is_secure:
            self._session.hello_hashes = hashes

    @property
    def is_announced(self) -> bool:
        """Whether the peer's signalling said that it speaks ZRTP."""
        return bool(self._session.hello_hashes)

    def start(self) -> None:
        """Begin; the next time it does nothing."""
        self._session.start(self._loop.time())
        self._follow()

    def receive(self, packet: bytes) -> None:
        """A ZRTP packet from the peer's media address."""
        self._session.receive(packet, self._loop.time())
        self._follow()

    def media_authenticated(self) -> None:
        """SRTP of the peer was authentic: it has the keys, whether its last message came or not (RFC 6189 4.6)."""
        if not self._session.is_secure:
            self._session.media_authenticated()
            self._follow()

    def set_verified(self, matches: bool) -> None:
        """A person compared the SAS. Raises ValueError before the call is secure."""
        self._need_association().set_verified(matches)
        self.view = self.view._replace(verified=matches, differs=not matches)
        self._follow()

    def enrol(self, accept: bool) -> None:
        """Trust the server to relay a SAS, or no longer. Raises ValueError where it did not offer that."""
        try:
            self._need_association().enrol(accept)
        except UsageError as error:
            raise ValueError(f"The server offers no enrolment in this call: {error}.") from None
        self.view = self.view._replace(enrolled=accept)
        self._follow()

    def _need_association(self) -> Association:
        association = self._session.association
        if association is None:
            raise ValueError("There is no ZRTP in this call (yet).")
        return association

    def close(self) -> None:
        """Forget the keys."""
        if self._timer is not None:
            self._timer.cancel()
        self._session.close()

    # the session's driver

    def _follow(self) -> None:
        if self._following:  # the owner acts on what it is just being told: its turn comes below
            return
        self._following = True
        try:
            while True:
                for packet in self._session.transmits():
                    self._owner.send_zrtp(packet)
                events = self._session.events()
                if not events:
                    break
                for event in events:
                    before = self.view
                    self._take(event)
                    self._owner.zrtp_news(event, before)
        finally:
            self._following = False
        if self._timer is not None:
            self._timer.cancel()
        due = self._session.next_timeout()
        self._timer = None if due is None else self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._session.handle_timeout(self._loop.time())
        self._follow()

    def _take(self, event: Event) -> None:
        view = self.view
        match event:
            case PeerSeen(hello, _, matched):
                stage = ZrtpStage.AGREEING if not view.is_secure else view.stage
                client = "".join(letter if letter.isprintable() else "?" for letter in hello.client_id).strip()
                self.view = view._replace(stage=stage, why="", peer_client=client, hello_hash_matched=matched)
            case SecretsReady(_, keys):
                self._owner.zrtp_keys(_material(keys))
            case Secured():
                self._secured(event)
            case CacheUpdate(record):
                try:
                    self._memory.remember(record)
                except MemoryUnusable as error:
                    self._warn(f"What was agreed on cannot be remembered: {error}")
            case EnrolmentOffered():
                self.view = view._replace(enrolment_offered=True)
            case RelayedSas(sas, relayed, _):
                # Another string than the one relayed before is another far phone's: nobody has compared it yet.
                verified = view.verified and not (view.relayed and sas != view.sas)
                self.view = view._replace(sas=sas, relayed=relayed, verified=verified)
            case NoPeer():
                self.view = view._replace(stage=ZrtpStage.ABSENT, why="The other side does not answer with ZRTP.")
            case Failed(_, reason, by_peer):
                whose = "The other side says: " if by_peer else ""
                self.view = view._replace(stage=ZrtpStage.FAILED, why=f"{whose}{reason}.".replace("..", "."))
                self._owner.zrtp_keys(None)
            case Warned(kind, detail):
                self._warn(detail or kind.value)
            case PeerError(code):
                self._warn(f"the other side sent the error 0x{code:x}, which changes nothing")
            case _:
                pass

    def _warn(self, sentence: str) -> None:
        warnings = self.view.warnings
        if sentence not in warnings and len(warnings) < _MAX_WARNINGS:
            self.view = self.view._replace(warnings=(*warnings, sentence))

    def _secured(self, event: Secured) -> None:
        suite = event.suite
        event.keys.wipe()
        self.view = self.view._replace(
            stage=ZrtpStage.SECURE,
            why="",
            sas=event.sas,
            own_sas=event.sas,
            key_agreement=suite.key_agreement,
            hash=suite.hash,
            cipher=suite.cipher,
            auth_tag=suite.auth_tag,
            sas_type=suite.sas_type,
            role=event.role.value,
            mode=event.mode.value,
            cache=event.cache.value,
            verified=event.verified_here and event.cache is CacheState.MATCHED,
            verified_there=event.verified_there,
            trusted_mitm=event.trusted_mitm,
            enrolled=event.enrolled,
            enrolment_offered=event.enrolment_offered,
            disclosure=event.disclosure,
        )


def _material(keys: MediaKeys) -> tuple[ZrtpKeyMaterial, ZrtpKeyMaterial]:
    """To send and to receive with."""
    suite = ZrtpSuite.of(keys.cipher, keys.auth_tag)
    return (
        ZrtpKeyMaterial(suite, bytes(keys.send_key), bytes(keys.send_salt)),
        ZrtpKeyMaterial(suite, bytes(keys.receive_key), bytes(keys.receive_salt)),
    )
