"""Two sessions and a network between them: what most tests begin with."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sealtone.zrtp import (
    ALL,
    Algorithms,
    CacheRecord,
    CacheUpdate,
    Initiative,
    Profile,
    Role,
    Secured,
    Session,
    StandardCrypto,
)
from sealtone.zrtp.packet import Packet
from zrtp.network import Network
from zrtp.reference.native import ReferenceNative

CRYPTO = StandardCrypto(ReferenceNative())
UNIX_TIME = 1_700_000_000
QUICK = Algorithms(("S256",), ("AES1",), ("HS80",), ("X255", "Mult"), ("B32 ",))


class Entropy:
    """Random octets from a seed."""

    def __init__(self, seed: object) -> None:
        self._random = random.Random(repr(seed))

    def __call__(self, octets: int) -> bytes:
        return self._random.randbytes(octets)


class Store:
    """Records by the peer's ZID, kept as octets, as a database would."""

    def __init__(self) -> None:
        self.records: dict[bytes, bytes] = {}

    def __call__(self, zid: bytes) -> CacheRecord | None:
        stored = self.records.get(zid)
        return None if stored is None else CacheRecord.parse(stored)

    def keep(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, CacheUpdate):
                self.records[event.record.peer_zid] = event.record.encode()


class Person:
    """An endpoint that calls again and again: its ZID, its profile, its store."""

    def __init__(self, name: str, **profile: Any) -> None:
        self.name = name
        self.calls = 0
        self.store = Store()
        self.profile = Profile(Entropy(name)(12), name, **({"algorithms": QUICK} | profile))

    def session(self, **settings: Any) -> Session:
        self.calls += 1
        entropy = Entropy((self.name, self.calls))
        usual = {"ssrc": int.from_bytes(entropy(4), "big"), "unix_time": UNIX_TIME, "cache": self.store}
        profile = replace(self.profile, **settings.pop("profile", {}))
        return Session(profile, settings.pop("crypto", CRYPTO), entropy, **(usual | settings))


def with_algorithms(**changed: Any) -> Algorithms:
    return replace(QUICK, **{kind: names if isinstance(names, tuple) else (names,) for kind, names in changed.items()})


def call(
    a: Session,
    b: Session,
    until_s: float = 60.0,
    *,
    start: bool = True,
    stop: Callable[[], bool] | None = None,
    **network: Any,
) -> Network:
    """Both start at once; until both are secure and all is quiet, or until `stop`."""
    net = Network(a, b, **network)
    if start:
        a.start(0.0)
        b.start(0.0)
    net.run(until_s, stop or (lambda: a.is_secure and b.is_secure))
    return net


def secured(net: Network) -> tuple[Secured, Secured]:
    """What both sides say, after the proof that they say the same."""
    (a,), (b,) = net.all(0, Secured), net.all(1, Secured)
    assert {a.role, b.role} == {Role.INITIATOR, Role.RESPONDER}
    assert a.suite == b.suite
    assert (a.sas, a.sas_hash) == (b.sas, b.sas_hash)
    assert a.keys.send_key == b.keys.receive_key
    assert a.keys.send_salt == b.keys.receive_salt
    assert a.keys.receive_key == b.keys.send_key
    assert a.keys.receive_salt == b.keys.send_salt
    assert a.keys.send_key != a.keys.receive_key
    return a, b


def kind_of(datagram: bytes) -> bytes:
    return datagram[16:24]


def kinds(datagrams: list[bytes]) -> list[str]:
    return [kind_of(each).decode().strip() for each in datagrams]


def remade(datagram: bytes, message: bytes, **changed: Any) -> bytes:
    """The packet with another message, and a CRC that fits."""
    fitting = message[:2] + (len(message) // 4).to_bytes(2, "big") + message[4:]
    packet = Packet.parse(datagram)
    return Packet(changed.get("sequence", packet.sequence), changed.get("ssrc", packet.ssrc), fitting).encode()


RESPONDER_ONLY = {"initiative": Initiative.NEVER}
WIDEST = ALL
