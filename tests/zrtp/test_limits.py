"""What the wire can make grow or cost, and what it cannot (mark 16 of the hostile tests)."""

from __future__ import annotations

import tracemalloc

from sealtone.zrtp import Failed, Initiative, PeerError, PeerSeen, Session, State
from sealtone.zrtp.limits import ANSWER_BURST, MAX_EXCHANGES, MAX_MEETINGS, PACKET_BURST, TokenBucket
from sealtone.zrtp.message import Kind, build
from sealtone.zrtp.notices import Error, Ping
from sealtone.zrtp.packet import Packet
from zrtp.network import Network
from zrtp.scenes import Person, call, kind_of, kinds, secured

WAITING = {"initiative": Initiative.NEVER}


def hello_of(name: str, **settings) -> tuple[Session, bytes]:
    session = Person(name).session(**settings)
    session.start(0.0)
    (hello,) = session.transmits()
    return session, hello


def test_a_token_bucket_lets_a_burst_pass_and_then_its_rate():
    bucket = TokenBucket(8.0, 5.0)
    assert sum(bucket.take(100.0) for _ in range(50)) == 5
    assert sum(bucket.take(101.0) for _ in range(50)) == 5
    assert sum(bucket.take(101.0 + at * 0.125) for at in range(1, 21)) == 20
    assert not bucket.take(0.0), "a clock that goes back gives nothing"


def flood(session: Session, datagrams, per_s: float = 5000.0, start_s: float = 1.0) -> list[bytes]:
    """So many a second; gives what was sent back."""
    answers = []
    for number, datagram in enumerate(datagrams):
        session.receive(datagram, start_s + number / per_s)
        answers += session.transmits()
    return answers


def test_5000_different_hellos_a_second_cost_little_and_no_dh():
    session = Person("good").session()
    session.start(0.0)
    session.transmits()
    hellos = [hello_of(f"evil{number}")[1] for number in range(5000)]
    answers = flood(session, hellos)
    events = session.events()
    assert session.counters.received == 5000
    assert session.counters.flooded > 4500
    assert len(answers) == sum(isinstance(event, PeerSeen) for event in events) <= 2
    assert session.counters.key_pairs == session.counters.agreements == 0


def test_a_later_source_takes_the_place_of_one_that_does_not_go_on_but_not_without_end():
    session = Person("good").session(profile=WAITING)
    session.start(0.0)
    seen = []
    for number in range(100):
        session.receive(hello_of(f"branch{number}")[1], number * 0.5)
        seen += [event.hello.client_id for event in session.events() if isinstance(event, PeerSeen)]
    assert seen == [f"branch{number}" for number in range(0, 2 * MAX_MEETINGS, 2)]


def test_5000_equal_hellos_a_second_are_acknowledged_at_a_bounded_rate():
    session = Person("good").session(profile=WAITING)
    session.start(0.0)
    session.transmits()
    _, hello = hello_of("peer")
    answers = flood(session, [hello] * 5000)
    assert 0 < len(answers) <= ANSWER_BURST + 40
    assert session.counters.meetings == 1


def test_a_session_under_a_flood_keeps_less_than_4_kib_of_what_it_was_sent():
    session = Person("good").session()
    session.start(0.0)
    session.transmits()
    hellos = [hello_of(f"evil{number}")[1] for number in range(2000)]
    flood(session, hellos[:1])
    session.events()
    tracemalloc.start()
    before = tracemalloc.take_snapshot()
    for number, datagram in enumerate(hellos[1:]):
        session.receive(datagram, 2.0 + number / 5000)
        session.transmits()
        session.events()
    after = tracemalloc.take_snapshot()
    tracemalloc.stop()
    grown = sum(each.size_diff for each in after.compare_to(before, "filename") if "sealtone" in str(each.traceback))
    assert grown < 4096, grown


def test_a_flood_beside_it_does_not_keep_a_call_from_becoming_secure():
    a, b = Person("a").session(), Person("b").session()
    _, stranger = hello_of("stranger")
    net = Network(a, b)
    a.start(0.0)
    b.start(0.0)
    net.run(60.0, lambda: a.is_secure and b.is_secure)
    secured(net)
    for number in range(5000):
        a.receive(stranger, net.now + number / 5000)
    assert a.is_secure
    assert a.counters.key_pairs == 1


def test_a_flood_during_the_exchange_does_not_drown_the_peers_packets():
    a, b = Person("a").session(), Person("b").session(profile=WAITING)
    noise = [hello_of(f"evil{number}")[1] for number in range(50)]
    net = Network(a, b, delay_s=(0.02, 0.02))
    net.tap = lambda sender, datagram: [*noise, datagram, *noise] if kind_of(datagram) != b"Hello   " else [datagram]
    a.start(0.0)
    b.start(0.0)
    net.run(5.0, lambda: a.is_secure and b.is_secure)
    secured(net)
    assert net.now < 1.0
    for number in range(1000):
        a.receive(noise[0], net.now + number / 5000)
    assert a.counters.flooded > 0
    a.receive(Packet(1, b._wire.ssrc, Error(0x10).encode()).encode(), net.now + 0.2)
    assert any(isinstance(event, PeerError) for event in a.events())


def test_with_an_announced_hello_hash_a_flood_of_others_cannot_take_the_peers_place():
    a, b = Person("a").session(), Person("b").session(profile=WAITING)
    a.hello_hashes = (b.hello_hash,)
    net = Network(a, b)
    a.start(0.0)
    for number in range(int(PACKET_BURST) - 50):
        a.receive(hello_of(f"evil{number}")[1], number / 5000)
    b.start(0.0)
    net.run(10.0, lambda: a.is_secure and b.is_secure)
    secured(net)
    assert a.counters.meetings == 1


def test_forged_commits_cost_no_dh_and_do_not_use_up_the_exchanges():
    a, b = Person("a").session(profile={"initiative": Initiative.ON_REQUEST}), Person("b").session(profile=WAITING)
    net = call(a, b, 5)
    assert b.state is State.READY
    commit = build(Kind.COMMIT, bytes(64) + b"X255" + bytes(36))
    for number in range(150):
        b.receive(Packet(number, a._wire.ssrc, commit).encode(), net.now + 1 + number / 50)
    assert b.counters.key_pairs == b.counters.exchanges == 0
    net.now += 10
    a.go_secure(net.now)
    net.run(net.now + 5, lambda: a.is_secure and b.is_secure)
    secured(net)


def test_one_session_begins_only_so_many_exchanges():
    session = Person("good").session()
    session.start(0.0)
    now, failures = 0.0, 0
    for number in range(3 * MAX_EXCHANGES):
        peer = Person(f"evil{number}").session(profile=WAITING)
        net = Network(
            session, peer, tap=lambda sender, datagram: [] if kind_of(datagram) == b"DHPart1 " else [datagram]
        )
        net.now = now
        peer.start(now)
        net.run(now + 30)
        failures += len(net.all(0, Failed))
        now = net.now + 1
    assert session.counters.exchanges == failures == MAX_EXCHANGES
    assert session.counters.key_pairs == MAX_EXCHANGES


def test_a_repeated_commit_costs_no_second_dh():
    a, b = Person("a").session(), Person("b").session(profile=WAITING)
    net = call(a, b, 0.5, tap=lambda sender, datagram: [] if kind_of(datagram) == b"DHPart1 " else [datagram])
    commit = next(each for each in net.sent[0] if kind_of(each) == b"Commit  ")
    for number in range(100):
        b.receive(commit, net.now + number / 100)
    assert b.counters.key_pairs == 1
    assert 1 < len(b.transmits()) <= ANSWER_BURST + 20


def test_pings_and_errors_are_answered_at_a_bounded_rate_and_with_few_octets():
    for message, answer in (
        (Ping("1.10", bytes(8)).encode(), b"PingACK "),
        (Error(0x10).encode(), b"ErrorACK"),
    ):
        session = Person("good").session()
        session.start(0.0)
        session.transmits()
        datagram = Packet(1, 7, message).encode()
        answers = flood(session, [datagram] * 5000)
        assert {kind_of(each) for each in answers} == {answer}
        assert len(answers) <= ANSWER_BURST + 20
        assert len(answers[0]) <= 1.5 * len(datagram)


def test_a_ping_is_answered_with_both_hashes_and_the_source_of_the_ping():
    session = Person("good").session()
    session.start(0.0)
    session.transmits()
    session.receive(Packet(1, 0xCAFEBABE, Ping("1.10", b"12345678").encode()).encode(), 0.0)
    (answer,) = session.transmits()
    zid = session._profile.zid
    assert answer[12:-4] == build(Kind.PING_ACK, b"1.10" + zid[:8] + b"12345678" + bytes.fromhex("cafebabe"))


def test_what_is_not_awaited_is_counted():
    a, b = Person("a").session(), Person("b").session()
    net = call(a, b)
    before = a.counters.unexpected
    for kind in ("HelloACK", "DHPart1", "DHPart2", "Confirm1"):
        for sent in net.sent:
            for datagram in sent:
                if kinds([datagram]) == [kind]:
                    a.receive(datagram, net.now)
    assert a.counters.unexpected > before
    assert a.is_secure
