"""Calls between two ZRTP endpoints in one process: Sealtone's, and libbzrtp's. Both keep no cache.

Both sides of a call list one algorithm of each type, so that both implementations do the same.
"""

from __future__ import annotations

import os
import time
from typing import Any, NamedTuple, Protocol

from interop.bzrtp import BzrtpPeer, Channel
from sealtone.media.primitives import Primitives
from sealtone.zrtp import Algorithms, Multistream, Profile, Secured, Session, StandardCrypto

MULTISTREAM = "Mult"
# Those that draw a longer hash and cipher after them (RFC 6189 5.1.5).
STRONG = frozenset({"X448", "EC38", "E414"})
SSRCS, FURTHER_SSRCS = (0xA, 0xB), (0x1A, 0x1B)


class Endpoint(Protocol):
    """One stream at one side, sans I/O; the shape of a `Session`."""

    @property
    def is_secure(self) -> bool: ...
    def start(self, now: float) -> None: ...
    def receive(self, datagram: bytes, now: float) -> None: ...
    def handle_timeout(self, now: float) -> None: ...
    def next_timeout(self) -> float | None: ...
    def transmits(self) -> list[bytes]: ...
    def events(self) -> list[Any]: ...


class Agreed(NamedTuple):
    """What one side came to: the key agreement, and key and salt of each direction."""

    key_agreement: str
    send: tuple[bytes, bytes]
    receive: tuple[bytes, bytes]

    def fits(self, other: Agreed) -> bool:
        """Whether `other` is what the peer of this side has."""
        return (self.key_agreement, self.send, self.receive) == (other.key_agreement, other.receive, other.send)


class Call(Protocol):
    """Two sides that have not met yet; `ends` are those of the stream that was added last."""

    ends: tuple[Endpoint, Endpoint]

    def add_stream(self) -> None:
        """A further stream in Multistream mode, once the first is secure."""

    def agreed(self) -> tuple[Agreed, Agreed]:
        """Of the last stream, once it is secure."""

    def close(self) -> None:
        """Ends both sides and overwrites their secrets."""


def algorithms(key_agreement: str) -> dict[str, tuple[str, ...]]:
    """The five lists of a Hello, by type."""
    strong = key_agreement in STRONG
    return {
        "hashes": ("S384" if strong else "S256",),
        "ciphers": ("AES3" if strong else "AES1",),
        "auth_tags": ("HS80",),
        "key_agreements": (key_agreement, MULTISTREAM),
        "sas_types": ("B32 ",),
    }


CRYPTO = StandardCrypto(Primitives())


class OurCall:
    """Two sessions, with the primitives that the server gives them."""

    def __init__(self, key_agreement: str) -> None:
        listed = Algorithms(**algorithms(key_agreement))
        self._profiles = (Profile(os.urandom(12), algorithms=listed), Profile(os.urandom(12), algorithms=listed))
        self._sessions: list[Session] = []
        self._open(SSRCS, (None, None))

    def _open(self, ssrcs: tuple[int, int], keys: tuple[Multistream | None, Multistream | None]) -> None:
        unix_time = int(time.time())
        a, b = (
            Session(profile, CRYPTO, os.urandom, ssrc=ssrc, unix_time=unix_time, multistream=multistream)
            for profile, ssrc, multistream in zip(self._profiles, ssrcs, keys, strict=True)
        )
        self._sessions += (a, b)
        self.ends: tuple[Endpoint, Endpoint] = (a, b)

    def add_stream(self) -> None:
        first, second = (session.association for session in self._sessions[:2])
        assert first is not None
        assert second is not None
        self._open(FURTHER_SSRCS, (first.multistream(), second.multistream()))

    def agreed(self) -> tuple[Agreed, Agreed]:
        a, b = (_agreed_by(end) for end in self.ends)
        return a, b

    def close(self) -> None:
        for session in self._sessions:
            session.close()


def _agreed_by(session: Endpoint) -> Agreed:
    secured = next(event for event in session.events() if isinstance(event, Secured))
    keys = secured.keys
    return Agreed(
        secured.suite.key_agreement,
        (bytes(keys.send_key), bytes(keys.send_salt)),
        (bytes(keys.receive_key), bytes(keys.receive_salt)),
    )


class BzrtpCall:
    """Two contexts of libbzrtp."""

    def __init__(self, key_agreement: str) -> None:
        listed = algorithms(key_agreement)
        self._peers = (BzrtpPeer(algorithms=listed, ssrc=SSRCS[0]), BzrtpPeer(algorithms=listed, ssrc=SSRCS[1]))
        self._use(self._peers[0].channel, self._peers[1].channel)

    def _use(self, a: Channel, b: Channel) -> None:
        self._channels = (a, b)
        self.ends: tuple[Endpoint, Endpoint] = (_Polled(a), _Polled(b))

    def add_stream(self) -> None:
        a, b = (peer.add_channel(ssrc) for peer, ssrc in zip(self._peers, FURTHER_SSRCS, strict=True))
        self._use(a, b)

    def agreed(self) -> tuple[Agreed, Agreed]:
        a, b = (channel.result for channel in self._channels)
        assert a is not None
        assert b is not None
        return Agreed(a.key_agreement, a.send, a.receive), Agreed(b.key_agreement, b.send, b.receive)

    def close(self) -> None:
        for peer in self._peers:
            peer.close()


class _Polled:
    """A channel of libbzrtp, which sends its first Hello when it is polled after its start."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.receive = channel.receive
        self.handle_timeout = channel.handle_timeout
        self.next_timeout = channel.next_timeout
        self.transmits = channel.transmits
        self.events = channel.events

    @property
    def is_secure(self) -> bool:
        return self._channel.is_secure

    def start(self, now: float) -> None:
        self._channel.start(now)
        self._channel.handle_timeout(now)


CALLS: dict[str, type[OurCall] | type[BzrtpCall]] = {"sealtone": OurCall, "libbzrtp": BzrtpCall}
