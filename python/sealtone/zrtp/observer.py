"""Watching ZRTP pass between two phones without taking part, as a server does that only relays (RFC 6189 10.1).

What can be seen: both Hellos, the algorithms of the Commit, errors, and that Confirms and Conf2ACK went by. It shows
that ZRTP was spoken through this server, and never more: neither that the two came to the same keys, nor that nobody
else stood in the middle. Messages of post-quantum key agreements come in fragments; of those the first is enough to
name the algorithms.

An observer keeps a bounded amount of state, whatever passes, and nothing it sees is secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sealtone.zrtp.algorithms import Suite
from sealtone.zrtp.commit import CHOICE_OCTETS, suite_in
from sealtone.zrtp.errors import MalformedPacket
from sealtone.zrtp.hello import Hello, HelloHash
from sealtone.zrtp.limits import PACKET_BURST, PACKETS_PER_S, TokenBucket
from sealtone.zrtp.message import KINDS, Kind
from sealtone.zrtp.notices import Error
from sealtone.zrtp.packet import MESSAGE_HEADER_OCTETS, Fragment, Packet


class Side(Enum):
    """Which phone a packet came from."""

    A = 0
    B = 1

    @property
    def other(self) -> Side:
        return Side.B if self is Side.A else Side.A


@dataclass(frozen=True, slots=True)
class SideSeen:
    """What one phone showed of itself.

    `hello`: the latest Hello; its client identifier, ZID, flags and algorithms. `hello_hash`: its a=zrtp-hash.
    `hello_hash_matched`: whether that is one that this phone's signalling announced; None where it announced none.
    """

    hello: Hello | None = None
    hello_hash: HelloHash | None = None
    hello_hash_matched: bool | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen so far.

    `suite`: the algorithms of the Commit that was answered, or of the last one. `initiator`: who sent it. `confirmed`:
    Confirm1, Confirm2 and then Conf2ACK went by, so that the phones believe to be secure. `errors`: codes of the Error
    messages, at most eight. `fragments`: how many packets carried parts of messages. `packets`: all that were read.
    `renewing`: after a whole key agreement another one has begun. `clear_asked`: who sent GoClear last. `cleared`: the
    other one acknowledged it (4.7.2), and no whole key agreement went by since.
    """

    a: SideSeen
    b: SideSeen
    suite: Suite | None
    initiator: Side | None
    confirmed: bool
    errors: tuple[int, ...]
    fragments: int
    packets: int
    renewing: bool = False
    clear_asked: Side | None = None
    cleared: bool = False

    @property
    def passed_through(self) -> bool:
        """Whether "ZRTP seen passing through" may be said: a whole key agreement went by, and was not given up."""
        return self.confirmed and not self.cleared and self.a.hello is not None and self.b.hello is not None


_MAX_ERRORS = 8


class Observer:
    """`a_hashes` and `b_hashes`: what the signalling of each phone announced as a=zrtp-hash."""

    __slots__ = (
        "_agreed_commits",
        "_bucket",
        "_clear_asked",
        "_cleared",
        "_commits",
        "_confirm1",
        "_confirm2",
        "_confirmed",
        "_errors",
        "_fragments",
        "_hashes",
        "_hellos",
        "_initiator",
        "_packets",
        "_renewing",
        "_suite",
    )

    def __init__(self, a_hashes: tuple[HelloHash, ...] = (), b_hashes: tuple[HelloHash, ...] = ()) -> None:
        self._hashes = {Side.A: a_hashes, Side.B: b_hashes}
        self._hellos: dict[Side, tuple[Hello, HelloHash]] = {}
        self._commits: dict[Side, tuple[Suite, int]] = {}
        self._agreed_commits: dict[Side, int] = {}
        self._renewing = False
        self._clear_asked: Side | None = None
        self._cleared = False
        self._suite: Suite | None = None
        self._initiator: Side | None = None
        self._confirm1: Side | None = None
        self._confirm2: Side | None = None
        self._confirmed = False
        self._errors: tuple[int, ...] = ()
        self._fragments = 0
        self._packets = 0
        self._bucket = TokenBucket(PACKETS_PER_S, PACKET_BURST)

    def announce(self, side: Side, hashes: tuple[HelloHash, ...]) -> None:
        """What later signalling announced for one phone, in place of what it announced before."""
        self._hashes[side] = hashes

    def announced(self, side: Side) -> tuple[HelloHash, ...]:
        """What signalling announced last for one phone."""
        return self._hashes[side]

    def renew(self) -> None:
        """Signalling says that the two begin anew: what was agreed on so far counts no more. Hellos still do."""
        self._agreed_commits = {side: commit for side, (_, commit) in self._commits.items()}
        self._confirmed = self._renewing = self._cleared = False
        self._confirm1 = self._confirm2 = self._clear_asked = None

    def receive(self, datagram: bytes, side: Side, now: float) -> bool:
        """A datagram that passes, and the phone it came from. Whether it changed what `seen` says. Never raises."""
        if not self._bucket.take(now):
            return False
        before = self.seen
        try:
            if datagram[:1] == b"\x11":
                self._fragment(Fragment.parse(datagram), side)
            else:
                self._message(Packet.parse(datagram).message, side)
        except MalformedPacket:
            return False
        self._packets += 1
        return self._without_counts(self.seen) != self._without_counts(before)

    @staticmethod
    def _without_counts(seen: Seen) -> tuple[object, ...]:
        of_both = seen.a, seen.b, seen.suite, seen.initiator, seen.confirmed, seen.errors
        return *of_both, seen.renewing, seen.clear_asked, seen.cleared

    def _fragment(self, fragment: Fragment, side: Side) -> None:
        self._fragments += 1
        if fragment.offset == 0 and len(fragment.part) >= MESSAGE_HEADER_OCTETS:
            self._message(fragment.part, side)

    def _message(self, message: bytes, side: Side) -> None:
        kind = KINDS.get(message[4:MESSAGE_HEADER_OCTETS])
        body = message[MESSAGE_HEADER_OCTETS:]
        if kind is Kind.HELLO:
            self._hellos[side] = (Hello.parse(message), HelloHash.of(message))
        elif kind is Kind.COMMIT and len(body) >= CHOICE_OCTETS:
            if self._agreed_commits.get(side) == hash(message):
                return  # a late repetition of one that has had its day
            self._commits[side] = suite_in(body), hash(message)
            self._suite, self._initiator = self._commits[side][0], side
            self._confirm1 = self._confirm2 = None
            self._renewing = self._confirmed
        elif kind is Kind.CONFIRM1:
            self._confirm1 = side
            self._initiator = side.other
            if side.other in self._commits:
                self._suite = self._commits[side.other][0]
        elif kind is Kind.CONFIRM2 and self._confirm1 is side.other:
            self._confirm2 = side
        elif kind is Kind.CONF2_ACK and self._confirm2 is side.other:
            self._confirmed = True
            self._renewing = self._cleared = False
            self._agreed_commits = {each: commit for each, (_, commit) in self._commits.items()}
        elif kind is Kind.GO_CLEAR:
            self._clear_asked = side
        elif kind is Kind.CLEAR_ACK and self._clear_asked is side.other:
            self._cleared = True
        elif kind is Kind.ERROR and len(self._errors) < _MAX_ERRORS:
            self._errors += (Error.parse(message).code,)

    @property
    def seen(self) -> Seen:
        """What was seen so far."""
        return Seen(
            a=self._of(Side.A),
            b=self._of(Side.B),
            suite=self._suite,
            initiator=self._initiator,
            confirmed=self._confirmed,
            errors=self._errors,
            fragments=self._fragments,
            packets=self._packets,
            renewing=self._renewing,
            clear_asked=self._clear_asked,
            cleared=self._cleared,
        )

    def _of(self, side: Side) -> SideSeen:
        if side not in self._hellos:
            return SideSeen()
        hello, hello_hash = self._hellos[side]
        announced = self._hashes[side]
        matched = hello_hash.digest in [each.digest for each in announced] if announced else None
        return SideSeen(hello, hello_hash, matched)
