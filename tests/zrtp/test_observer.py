"""Watching ZRTP pass through (sealed calls): what is seen, and that it is never more than was there."""

from __future__ import annotations

from sealtone.zrtp import HelloHash, Observer, Session, Side
from sealtone.zrtp.algorithms import Suite
from sealtone.zrtp.message import Kind, build
from sealtone.zrtp.notices import Error
from sealtone.zrtp.packet import COOKIE, Packet, crc32c
from zrtp.scenes import Person, call, kind_of

SIDES = (Side.A, Side.B)


def watched(a: Session, b: Session, observer: Observer, swallow: bytes = b"", **network):
    changes = []

    def tap(sender, datagram):
        if kind_of(datagram) == swallow:
            return []
        if observer.receive(datagram, SIDES[sender], 0.0):
            changes.append(kind_of(datagram))
        return [datagram]

    return call(a, b, tap=tap, **network), changes


def test_a_whole_key_agreement_is_seen_with_clients_zids_and_algorithms():
    people = Person("alice"), Person("bob")
    observer = Observer()
    net, changes = watched(people[0].session(), people[1].session(), observer)
    seen = observer.seen
    assert seen.passed_through
    assert seen.confirmed
    assert (seen.a.hello.client_id, seen.b.hello.client_id) == ("alice", "bob")
    assert (seen.a.hello.zid, seen.b.hello.zid) == tuple(person.profile.zid for person in people)
    assert seen.suite == Suite("S256", "AES1", "HS80", "X255", "B32 ")
    initiator = 0 if net.ends[0]._exchange.we_initiate else 1
    assert seen.initiator is SIDES[initiator]
    assert seen.a.hello_hash_matched is None
    assert seen.packets == len(net.sent[0]) + len(net.sent[1])
    assert changes[-1] == b"Conf2ACK"


def test_the_announced_hello_hashes_are_compared():
    a, b = Person("a").session(), Person("b").session()
    observer = Observer((a.hello_hash,), (HelloHash("1.10", bytes(32)),))
    watched(a, b, observer)
    assert observer.seen.a.hello_hash_matched is True
    assert observer.seen.b.hello_hash_matched is False
    observer.announce(Side.B, (b.hello_hash,))
    assert observer.seen.b.hello_hash_matched is True


def test_without_the_last_message_nothing_is_claimed():
    for swallow in (b"Hello   ", b"Confirm1", b"Confirm2", b"Conf2ACK"):
        observer = Observer()
        watched(Person("a").session(), Person("b").session(), observer, swallow, until_s=5)
        assert not observer.seen.passed_through
        assert not observer.seen.confirmed


def test_confirms_of_one_side_alone_are_no_agreement():
    observer = Observer()
    net, _ = watched(Person("a").session(), Person("b").session(), Observer())
    for datagram in [*net.sent[0], *net.sent[1]]:
        observer.receive(datagram, Side.A, 0.0)
    assert not observer.seen.confirmed


def test_the_commit_that_was_answered_counts_when_two_crossed():
    for seed in range(6):
        observer = Observer()
        a, b = Person(f"a{seed}").session(), Person(f"b{seed}").session()
        net, _ = watched(a, b, observer, seed=seed, delay_s=(0.05, 0.05))
        assert observer.seen.initiator is (Side.A if a._exchange.we_initiate else Side.B)
        assert observer.seen.passed_through
        assert net.ends[0].is_secure


def test_errors_are_seen_and_bounded():
    observer = Observer()
    for code in range(20):
        observer.receive(Packet(code, 1, Error(code).encode()).encode(), Side.A, 0.0)
    assert observer.seen.errors == tuple(range(8))


def fragments(message: bytes, octets: int) -> list[bytes]:
    out = []
    for offset in range(0, len(message), octets):
        part = message[offset : offset + octets]
        body = b"\x11\0\0\1" + COOKIE + bytes(4) + b"\0\7"
        body += b"".join((each // 4).to_bytes(2, "big") for each in (len(message), offset, len(part))) + part
        out.append(body + crc32c(body))
    return out


def test_a_fragmented_post_quantum_commit_names_its_algorithms():
    names = b"S384AES3HS80X1K1B32 "
    message = build(Kind.COMMIT, bytes(44) + names + bytes(32) + bytes(800) + bytes(8))
    observer = Observer()
    assert observer.receive(fragments(message, 400)[0], Side.B, 0.0)
    for fragment in fragments(message, 400)[1:]:
        assert not observer.receive(fragment, Side.B, 0.0)
    assert observer.seen.suite == Suite("S384", "AES3", "HS80", "X1K1", "B32 ")
    assert observer.seen.initiator is Side.B
    assert observer.seen.fragments == 3


def test_fragmented_confirms_count_as_confirms():
    observer = Observer()
    net, _ = watched(Person("a").session(), Person("b").session(), Observer())
    order = [datagram for pair in zip(net.sent[0], net.sent[1], strict=False) for datagram in pair]
    assert order
    for datagram in net.sent[0][:1]:
        observer.receive(datagram, Side.A, 0.0)
    for datagram in net.sent[1][:1]:
        observer.receive(datagram, Side.B, 0.0)
    for kind, side in ((Kind.CONFIRM1, Side.A), (Kind.CONFIRM2, Side.B)):
        for fragment in fragments(build(kind, bytes(1000)), 500):
            observer.receive(fragment, side, 0.0)
    observer.receive(Packet(1, 1, build(Kind.CONF2_ACK, b"")).encode(), Side.A, 0.0)
    assert observer.seen.confirmed


def test_what_is_damaged_or_no_zrtp_is_passed_over():
    observer = Observer()
    net, _ = watched(Person("a").session(), Person("b").session(), Observer())
    for datagram in net.sent[0]:
        assert not observer.receive(datagram[:-1] + bytes([datagram[-1] ^ 1]), Side.A, 0.0)
        assert not observer.receive(datagram[:-5], Side.A, 0.0)
    assert not observer.receive(b"\x11" + bytes(30), Side.A, 0.0)
    assert not observer.receive(b"", Side.A, 0.0)
    assert observer.seen.packets == 0


def test_a_flood_is_looked_at_only_in_part():
    observer = Observer()
    packet = Packet(1, 1, Error(1).encode()).encode()
    for number in range(5000):
        observer.receive(packet, Side.A, number / 5000)
    assert observer.seen.packets < 400
