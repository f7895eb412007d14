"""A peer that breaks the rules, and somebody in the middle who changes what passes (mark 12 of the hostile tests).

Whatever comes, a session ends the exchange with the code that RFC 6189 names, or ignores the packet; it never raises,
and it never calls itself secure with keys that the other side does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sealtone.zrtp import (
    ErrorCode,
    Failed,
    GoClearRefused,
    Initiative,
    PeerError,
    SecretsReady,
    Secured,
    Session,
    State,
)
from sealtone.zrtp.algorithms import KEY_AGREEMENTS
from sealtone.zrtp.commit import Commit
from sealtone.zrtp.crypto import KeyPair
from sealtone.zrtp.hashchain import authenticate
from sealtone.zrtp.hello import Hello
from sealtone.zrtp.message import Kind, build
from sealtone.zrtp.notices import CONF2_ACK, Error, GoClear
from sealtone.zrtp.packet import Packet, crc32c
from zrtp.network import Network
from zrtp.reference.native import PRIMES
from zrtp.scenes import CRYPTO, Person, call, kind_of, kinds, remade, secured, with_algorithms

Change = Callable[[bytes], bytes]
WAITING = {"initiative": Initiative.NEVER}


def tampered(kind: Kind, change: Change, sender: int = 0, **sessions):
    """A call in which each message of that kind from one side is changed on the way; the CRC is made to fit."""
    a, b = sessions.get("a") or Person("a").session(), sessions.get("b") or Person("b").session(profile=WAITING)

    def tap(index: int, datagram: bytes) -> list[bytes]:
        if index != sender or kind_of(datagram) != kind.value:
            return [datagram]
        return [remade(datagram, change(Packet.parse(datagram).message))]

    return call(a, b, 40, tap=tap)


def prove_no_false_security(net: Network) -> None:
    """Who says secure has keys that the other side has too."""
    a, b = net.ends
    for index, other in ((0, b), (1, a)):
        for said in net.all(index, Secured):
            if other.state is State.FAILED:
                # It had proven the keys, and gave up for want of the last acknowledgement.
                assert net.all(1 - index, SecretsReady)
                continue
            theirs = other._exchange.keys.media
            assert said.keys.send_key == theirs.receive_key
            assert said.keys.receive_key == theirs.send_key


MESSAGES = [
    (Kind.HELLO, 0),
    (Kind.HELLO, 1),
    (Kind.COMMIT, 0),
    (Kind.DHPART1, 1),
    (Kind.DHPART2, 0),
    (Kind.CONFIRM1, 1),
    (Kind.CONFIRM2, 0),
    (Kind.CONF2_ACK, 1),
]


@pytest.mark.parametrize(("kind", "sender"), MESSAGES, ids=lambda each: getattr(each, "name", each))
def test_a_change_of_any_octet_of_any_message_never_leads_to_false_security(kind, sender):
    sizes = {Kind.HELLO: 112, Kind.COMMIT: 116, Kind.DHPART1: 116, Kind.DHPART2: 116, Kind.CONF2_ACK: 12}
    for at in range(4, sizes.get(kind, 76)):

        def change(message: bytes, at: int = at) -> bytes:
            changed = bytearray(message)
            changed[min(at, len(changed) - 1)] ^= 0x55
            return bytes(changed)

        net = tampered(kind, change, sender)
        prove_no_false_security(net)
        if kind not in (Kind.HELLO, Kind.CONF2_ACK):
            assert not net.all(0, Secured), at
            assert not net.all(1, Secured), at


@pytest.mark.parametrize(("kind", "sender"), MESSAGES, ids=lambda each: getattr(each, "name", each))
@pytest.mark.parametrize("by", [-68, -12, -4, 4, 8, 2000], ids=lambda by: f"{by:+d}")
def test_messages_that_are_too_short_or_too_long_get_nowhere(kind, sender, by):
    net = tampered(kind, lambda message: (message + bytes(2000))[: max(12, len(message) + by)], sender)
    prove_no_false_security(net)
    victim = net.ends[1 - sender]
    if kind in (Kind.CONFIRM1, Kind.CONFIRM2) and by > 0:
        # A longer one is well-formed, as if with a signature, but for its MAC.
        assert [failed.code for failed in net.all(1 - sender, Failed)] == [ErrorCode.BAD_CONFIRM_MAC]
    elif kind is not Kind.CONF2_ACK or by > 0:
        assert victim.counters.malformed + victim.counters.discarded > 0
        assert not victim.is_secure or kind is Kind.CONF2_ACK


@pytest.mark.parametrize("sender", [0, 1])
def test_damaged_packets_are_counted_and_ignored(sender):
    damaged = {"left": 1}

    def tap(index, datagram):
        if index == sender and damaged["left"]:
            damaged["left"] -= 1
            return [datagram[:-1] + bytes([datagram[-1] ^ 1])]
        return [datagram]

    net = call(Person("a").session(), Person("b").session(), tap=tap)
    secured(net)
    assert net.ends[1 - sender].counters.damaged == 1


# A peer that has its own keys and breaks the rules with them.


class BadValues:
    """The real provider, except that one public value comes out bad."""

    def __init__(self, value: Callable[[str], bytes]) -> None:
        self._value = value

    def __getattr__(self, name):
        return getattr(CRYPTO, name)

    def key_pair(self, agreement: str, private: bytes) -> KeyPair:
        pair = CRYPTO.key_pair(agreement, private)
        bad = self._value(agreement)

        class Bad:
            public = bad

            def agree(self, peer_public: bytes) -> bytes:
                return pair.agree(peer_public)

        return Bad()


def number(value: int) -> Callable[[str], bytes]:
    return lambda agreement: value.to_bytes(KEY_AGREEMENTS[agreement].public_octets, "big")


BAD_VALUES = [
    *[("DH3k", number(value)) for value in (0, 1, PRIMES["DH3k"] - 1, PRIMES["DH3k"], 2**3072 - 1)],
    *[("DH2k", number(value)) for value in (0, 1, PRIMES["DH2k"] - 1, PRIMES["DH2k"])],
    *[(curve, number(value)) for curve in ("EC25", "EC38", "EC52", "E414") for value in (0, 1, 2**64)],
    *[(curve, number(0)) for curve in ("X255", "E255", "X448")],
]


@pytest.mark.parametrize("evil_initiates", [True, False], ids=["pvi", "pvr"])
@pytest.mark.parametrize(("agreement", "value"), BAD_VALUES)
def test_a_bad_public_value_ends_the_exchange_with_0x61(agreement, value, evil_initiates):
    algorithms = with_algorithms(key_agreements=(agreement,), hashes="S384")
    evil = Person("evil", algorithms=algorithms)
    good = Person("good", algorithms=algorithms)
    settings = {"crypto": BadValues(value)}
    if evil_initiates:
        net = call(evil.session(**settings), good.session(profile=WAITING), 30)
    else:
        net = call(evil.session(**settings, profile=WAITING), good.session(), 30)
    assert [failed.code for failed in net.all(1, Failed)] == [ErrorCode.BAD_PUBLIC_VALUE]
    assert not net.all(0, Secured)
    assert not net.all(1, Secured)
    assert Error(0x61).encode() in [each[12:-4] for each in net.sent[1]]


def test_a_public_value_other_than_the_one_committed_to_ends_it_with_0x62():
    """CVE-2016-6271: without this check one in the middle may look for a SAS that matches."""
    evil, good = Person("evil").session(), Person("good").session(profile=WAITING)

    def tap(sender, datagram):
        if sender == 0 and kind_of(datagram) == b"DHPart2 ":
            exchange = evil._exchange
            exchange._pair = None
            return [remade(datagram, exchange._make_dhpart(exchange.commit.suite, Kind.DHPART2))]
        return [datagram]

    net = call(evil, good, 30, tap=tap)
    assert [failed.code for failed in net.all(1, Failed)] == [ErrorCode.BAD_HASH_COMMITMENT]
    assert good.counters.agreements == 0, "hvi is checked before DH"
    assert not net.all(1, Secured)


def forged_by(session: Session, message: bytes) -> bytes:
    return Packet(0x7000, session._wire.ssrc, message).encode()


def after_hello(change: Callable[[Session], bytes]) -> tuple[Network, Session]:
    """The good side waits for a Commit; the evil one sends something else, made from its own chain."""
    evil, good = (
        Person("evil").session(profile={"initiative": Initiative.ON_REQUEST}),
        Person("good").session(profile=WAITING),
    )
    net = call(evil, good, 5)
    assert good.state is State.READY
    evil._prepare()
    net.put(forged_by(evil, change(evil)), to=1)
    net.run(net.now + 60)
    return net, good


def own_commit(session: Session, **changed) -> bytes:
    session._exchange.begin()
    commit = session._exchange.commit
    fields = {"h2": commit.h2, "zid": commit.zid, "suite": commit.suite, "commitment": commit.commitment}
    return authenticate(CRYPTO, session._chain.h1, Commit(**(fields | changed)).encode())


def test_a_commit_with_another_zid_than_the_hello_ends_it():
    net, good = after_hello(lambda evil: own_commit(evil, zid=bytes(12)))
    assert net.all(1, Failed)[0].code is ErrorCode.HELLO_MISMATCH
    assert good.counters.key_pairs == 0


@pytest.mark.parametrize(
    ("field", "name", "code"),
    [
        ("hash", "S999", 0x51),
        ("cipher", "NULL", 0x52),
        ("key_agreement", "XXXX", 0x53),
        ("auth_tag", "NONE", 0x54),
        ("sas_type", "B10D", 0x55),
        ("hash", "S384", 0x51),
        ("key_agreement", "DH2k", 0x53),
    ],
)
def test_a_commit_to_what_was_not_offered_ends_it_with_its_code(field, name, code):
    net, good = after_hello(lambda evil: own_commit(evil, suite=replace(started(evil), **{field: name})))
    assert [int(failed.code) for failed in net.all(1, Failed)] == [code]
    assert good.counters.key_pairs == 0


def started(session: Session):
    session._exchange.begin()
    return session._exchange.commit.suite


def test_a_commit_outside_the_hash_chain_is_ignored_and_costs_no_dh():
    net, good = after_hello(lambda evil: own_commit(evil, h2=bytes(32)))
    assert not net.all(1, Failed)
    assert good.state is State.READY
    assert good.counters.discarded == 1
    assert good.counters.key_pairs == good.counters.exchanges == 0


def test_a_hello_that_was_changed_is_found_out_by_the_commit():
    def change(message: bytes) -> bytes:
        return message.replace(b"HS80", b"HS32")

    net = tampered(Kind.HELLO, change)
    assert net.all(1, Failed)[0].code is ErrorCode.SOFTWARE
    assert "in the middle" in net.all(1, Failed)[0].reason
    prove_no_false_security(net)


@pytest.mark.parametrize("kind", [Kind.CONFIRM1, Kind.CONFIRM2])
def test_a_wrong_confirm_ends_it_with_0x70(kind):
    net = tampered(kind, lambda message: message[:-1] + bytes([message[-1] ^ 1]), 1 if kind is Kind.CONFIRM1 else 0)
    victim = 0 if kind is Kind.CONFIRM1 else 1
    assert net.all(victim, Failed)[0].code is ErrorCode.BAD_CONFIRM_MAC
    assert not net.all(victim, Secured)


def hello_of(session: Session, **changed) -> bytes:
    hello = session._ours.hello
    fields = {name: getattr(hello, name) for name in ("version", "client_id", "h3", "zid", "algorithms")} | changed
    return authenticate(CRYPTO, session._chain.h2, Hello(**fields).encode())


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"version": "1.00"}, ErrorCode.UNSUPPORTED_VERSION), ({"version": "0.95"}, ErrorCode.UNSUPPORTED_VERSION)],
)
def test_an_older_version_is_told_so(changed, code):
    good, evil = Person("good").session(), Person("evil").session()
    good.start(0.0)
    good.receive(forged_by(evil, hello_of(evil, **changed)), 0.0)
    assert [failed.code for failed in good.events() if isinstance(failed, Failed)] == [code]


@pytest.mark.parametrize("version", ["1.20", "2.00", "9.99"])
def test_a_newer_version_is_waited_out(version):
    good, evil = Person("good").session(), Person("evil").session()
    good.start(0.0)
    good.receive(forged_by(evil, hello_of(evil, version=version)), 0.0)
    assert good.state is State.DISCOVERY
    assert [kind_of(each) for each in good.transmits()] == [b"Hello   "]
    good.receive(forged_by(evil, hello_of(evil, version="1.11")), 0.0)
    assert good.state is State.HEARD


def test_an_equal_zid_is_refused_with_0x90_and_our_own_hello_is_no_such_thing():
    good, evil = Person("good").session(), Person("evil").session()
    good.start(0.0)
    (hello,) = good.transmits()
    good.receive(hello, 0.0)
    assert good.state is State.DISCOVERY
    good.receive(forged_by(evil, hello_of(evil, zid=good._profile.zid)), 0.0)
    assert [event.code for event in good.events() if isinstance(event, Failed)] == [ErrorCode.EQUAL_ZIDS]


def test_an_equal_ssrc_is_refused_with_0x91():
    good, evil = Person("good").session(ssrc=5), Person("evil").session(ssrc=5)
    net = call(good, evil, 20)
    assert ErrorCode.SSRC_COLLISION in [failed.code for failed in [*net.all(0, Failed), *net.all(1, Failed)]]


# Once secure.


def secure_pair() -> tuple[Session, Session, Network]:
    a, b = Person("a").session(), Person("b").session()
    return a, b, call(a, b)


def test_an_error_while_secure_changes_nothing():
    a, b, net = secure_pair()
    for code in (0x10, 0x61, 0x100, 0xDEAD):
        net.put(forged_by(b, Error(code).encode()), to=0)
    net.run(net.now + 1)
    assert a.is_secure
    assert [event.code for event in net.all(0, PeerError)] == [0x10, 0x61, 0x100, 0xDEAD]
    assert kinds(net.sent[0]).count("ErrorACK") == 4
    assert any(net.all(0, Secured)[0].keys.send_key)


def test_goclear_is_refused_with_0x100_and_the_keys_stay():
    a, b, net = secure_pair()
    keys = b._exchange.keys
    mac = CRYPTO.mac("S256", keys.our_mac_key, b"GoClear ")[:8]
    net.put(forged_by(b, GoClear(mac).encode()), to=0)
    net.run(net.now + 1)
    assert net.all(0, GoClearRefused) == [GoClearRefused()]
    assert a.is_secure
    assert Error(0x100).encode() in [each[12:-4] for each in net.sent[0]]
    assert "ClearACK" not in kinds(net.sent[0])


def test_a_goclear_of_somebody_else_is_ignored():
    a, b, net = secure_pair()
    net.put(forged_by(b, GoClear(bytes(8)).encode()), to=0)
    net.run(net.now + 1)
    assert not net.all(0, GoClearRefused)
    assert "Error" not in kinds(net.sent[0])
    assert a.is_secure


def test_another_hello_commit_or_confirm_while_secure_changes_nothing():
    a, b, net = secure_pair()
    stranger = Person("stranger").session()
    stranger.start(0.0)
    (hello,) = stranger.transmits()
    before = bytes(net.all(0, Secured)[0].keys.send_key)
    for datagram in [hello, *net.sent[1]]:
        net.put(datagram, to=0)
    net.put(forged_by(b, CONF2_ACK), to=0)
    net.run(net.now + 1)
    assert a.is_secure
    assert bytes(net.all(0, Secured)[0].keys.send_key) == before
    assert len(net.all(0, Secured)) == 1


def test_packets_of_another_source_are_ignored():
    a, b, net = secure_pair()
    for datagram in net.sent[1]:
        packet = Packet.parse(datagram)
        net.put(Packet(packet.sequence, packet.ssrc ^ 1, packet.message).encode(), to=0)
    net.put(Packet(1, b._wire.ssrc ^ 1, Error(0x10).encode()).encode(), to=0)
    net.run(net.now + 1)
    assert not net.all(0, PeerError)
    assert a.is_secure


def test_an_error_during_the_exchange_ends_it_and_is_told():
    a, b = Person("a").session(), Person("b").session()
    net = Network(a, b, tap=lambda sender, datagram: [] if kind_of(datagram) == b"Commit  " else [datagram])
    a.start(0.0)
    b.start(0.0)
    net.run(0.1)
    net.put(forged_by(b, Error(0xA0).encode()), to=0)
    net.run(1.0)
    (failed,) = net.all(0, Failed)
    assert failed.by_peer
    assert failed.code is ErrorCode.SERVICE_UNAVAILABLE
    net.put(forged_by(b, Error(0x4242).encode()), to=1)


@pytest.mark.parametrize("first", [0x11, 0x12, 0x13, 0x1F, 0x00])
def test_fragments_and_other_packet_forms_are_counted_and_ignored(first):
    a, _, net = secure_pair()
    datagram = bytearray(net.sent[1][0])
    datagram[0] = first
    body = bytes(datagram[:-4])
    a.receive(body + crc32c(body), net.now)
    assert a.counters.malformed == 1
    assert a.is_secure


@pytest.mark.parametrize("kind", [*(kind for kind in Kind), None])
def test_no_message_of_any_kind_with_an_arbitrary_body_raises_in_any_state(kind):
    for until in range(7):
        a, b = Person("a").session(), Person("b").session(profile=WAITING)
        seen = {"count": 0}

        def tap(sender, datagram, seen=seen, until=until):
            seen["count"] += 1
            return [datagram] if seen["count"] <= 2 * until else []

        net = Network(a, b, tap=tap)
        a.start(0.0)
        b.start(0.0)
        net.run(0.2)
        for octets in (0, 4, 8, 24, 64, 100, 104, 204, 2044, 2900):
            name = kind.value if kind else b"Nonsense"
            message = build(kind or Kind.HELLO, bytes(range(256)) * (octets // 256) + bytes(range(octets % 256)))
            message = message[:4] + name + message[12:]
            for session, other in ((a, b), (b, a)):
                session.receive(Packet(9, other._wire.ssrc, message).encode(), net.now)
                session.transmits()
        assert not a.is_secure or until > 3
