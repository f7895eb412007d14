"""Two sessions and a network that does as the input says: nothing raises, and both never hold different keys as secure.

The first octet chooses who waits and what is in the caches. Then, for each packet that is under way, one octet says
what becomes of it: delivered, lost, delivered twice, kept back, or changed at a place that the following octets give
(with a CRC made to fit); or time passes; or octets of the input are delivered as a packet of the peer's.
"""

import hashlib
import itertools
import sys

import atheris

with atheris.instrument_imports():
    from sealtone.zrtp import (
        Algorithms,
        CacheRecord,
        Initiative,
        Profile,
        RetainedSecret,
        Secured,
        Session,
        StandardCrypto,
    )
    from sealtone.zrtp.packet import Packet, crc32c

CRYPTO = StandardCrypto()
LISTS = Algorithms(("S256",), ("AES1",), ("HS80",), ("X255", "EC25", "Mult", "Prsh"), ("B32 ",))
ZIDS = (b"A" * 12, b"B" * 12)
MOST_STEPS = 200


class Source:
    """The input, octet by octet; zeros when it ends."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_spent(self) -> bool:
        return self._at >= len(self._data)

    def octet(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def octets(self, length: int) -> bytes:
        self._at += length
        return self._data[self._at - length : self._at]


def sessions(choice: int) -> tuple[Session, Session]:
    def made(index: int) -> Session:
        waits = choice & (1 << index)
        profile = Profile(
            ZIDS[index],
            algorithms=LISTS,
            trusted_mitm=index == 0,
            initiative=Initiative.NEVER if waits else Initiative.AT_ONCE,
            prefer_preshared=bool(choice & 16),
        )
        secret = RetainedSecret(b"s" * 32) if choice & (4 << index) else None
        record = CacheRecord(ZIDS[1 - index], secret, pbx=b"p" * 32 if choice & 32 else None)
        count = itertools.count()

        def entropy(octets: int) -> bytes:
            return hashlib.shake_128(bytes((index, next(count) & 255))).digest(octets)

        return Session(
            profile,
            CRYPTO,
            entropy,
            ssrc=index + 1,
            unix_time=0,
            cache=lambda _zid: record,
            offers_enrolment=index == 0 and bool(choice & 64),
        )

    return made(0), made(1)


def changed(datagram: bytes, source: Source) -> bytes:
    body = bytearray(datagram[:-4])
    for _ in range(1 + source.octet() % 3):
        body[(source.octet() << 8 | source.octet()) % len(body)] ^= source.octet() or 1
    return bytes(body) + crc32c(bytes(body))


class Play:
    """The two sessions, what is under way between them, and what they said."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.ends = sessions(source.octet())
        self.now = 0.0
        self.under_way: list[tuple[int, bytes]] = []
        self.said: list[Secured | None] = [None, None]
        self.keys: list[tuple[bytes, bytes]] = [(b"", b""), (b"", b"")]
        for end in self.ends:
            end.start(0.0)
        self.drain()

    def drain(self) -> None:
        for index, end in enumerate(self.ends):
            self.under_way.extend((1 - index, datagram) for datagram in end.transmits())
            for event in end.events():
                if isinstance(event, Secured):
                    assert self.said[index] is None
                    self.said[index] = event
                    self.keys[index] = bytes(event.keys.send_key), bytes(event.keys.receive_key)
        del self.under_way[64:]

    def let_time_pass(self) -> bool:
        timeouts = [timeout for end in self.ends if (timeout := end.next_timeout()) is not None]
        if timeouts:
            self.now = max(self.now, min(timeouts))
            for end in self.ends:
                end.handle_timeout(self.now)
        return bool(timeouts)

    def move(self, act: int) -> None:
        """What becomes of the packet that is next."""
        source = self.source
        to, datagram = self.under_way.pop(0)
        end = self.ends[to]
        if act == 4:
            self.under_way.append((to, datagram))
        elif act == 5:
            end.receive(changed(datagram, source), self.now)
        elif act != 3:
            if act == 6:
                message = source.octets(4 * source.octet())
                end.receive(Packet(source.octet(), 2 - to, message).encode(), self.now)
            if act == 2:
                end.receive(datagram, self.now)
            end.receive(datagram, self.now)

    def step(self) -> bool:
        act = self.source.octet() % 8 if not self.source.is_spent else 0
        if self.under_way and act != 7:
            self.move(act)
        elif not self.let_time_pass():
            return False
        self.drain()
        for end in self.ends:
            if end.association is not None and not self.source.is_spent and self.source.octet() % 16 == 0:
                end.association.set_verified(bool(self.source.octet() & 1))
        return True

    def end(self) -> None:
        one, other = self.said
        if one is not None and other is not None:
            assert self.keys[0] == self.keys[1][::-1]
            assert one.sas == other.sas
        for end in self.ends:
            assert end.counters.key_pairs <= 8
            end.close()


def one_input(data: bytes) -> None:
    play = Play(Source(data))
    for _ in range(MOST_STEPS):
        if not play.step():
            break
    play.end()


atheris.Setup(sys.argv, one_input)
atheris.Fuzz()
