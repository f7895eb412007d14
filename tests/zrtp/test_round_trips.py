"""Whatever can be written is read the same, and whatever is read was well-formed."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from sealtone.zrtp.algorithms import KEY_AGREEMENTS, NON_DH, PUBLIC_VALUE_OCTETS, Algorithms, Suite
from sealtone.zrtp.cache import CacheRecord, RetainedSecret
from sealtone.zrtp.commit import Commit
from sealtone.zrtp.confirm import Confirm, SasRelay, Sealed
from sealtone.zrtp.dhpart import DHPart, SecretIds
from sealtone.zrtp.errors import MalformedPacket, UnreadableRecord
from sealtone.zrtp.hello import Hello
from sealtone.zrtp.message import Kind
from sealtone.zrtp.notices import Error, GoClear, Ping, PingAck
from sealtone.zrtp.packet import Packet


def octets(length: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=length, max_size=length)


names = st.text(st.characters(max_codepoint=255), min_size=4, max_size=4)
lists = st.lists(names, max_size=7).map(tuple)
algorithms = st.builds(Algorithms, lists, lists, lists, lists, lists)
client_ids = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=16)
hellos = st.builds(
    Hello, names, client_ids, octets(32), octets(12), algorithms, st.booleans(), st.booleans(), st.booleans(), octets(8)
)


@st.composite
def commits(draw):
    agreement = draw(st.sampled_from([*KEY_AGREEMENTS, *NON_DH]))
    suite = Suite(draw(names), draw(names), draw(names), agreement, draw(names))
    commitment = draw(octets(32 if suite.is_dh else 16))
    key_id = draw(octets(8)) if agreement == "Prsh" else b""
    return Commit(draw(octets(32)), draw(octets(12)), suite, commitment, key_id, draw(octets(8)))


ids = st.builds(SecretIds, octets(8), octets(8), octets(8), octets(8))
values = st.sampled_from(sorted(PUBLIC_VALUE_OCTETS)).flatmap(octets)
signatures = st.integers(0, 511).map(lambda words: b"sign"[:4] * words)
confirms = st.builds(
    Confirm,
    octets(32),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**32 - 1),
    signatures,
)
relays = st.builds(SasRelay, st.booleans(), names, octets(32), signatures)


@given(hellos)
def test_hello(hello):
    assert Hello.parse(hello.encode()) == hello


@given(commits())
def test_commit(commit):
    assert Commit.parse(commit.encode()) == commit


@given(st.sampled_from([Kind.DHPART1, Kind.DHPART2]), octets(32), ids, values, octets(8))
def test_dhpart(kind, h1, secret_ids, value, mac):
    dhpart = DHPart(kind, h1, secret_ids, value, mac)
    assert DHPart.parse(dhpart.encode(), kind) == dhpart


@given(confirms)
def test_confirm(confirm):
    assert Confirm.parse(confirm.encode()) == confirm


@given(relays)
def test_sasrelay(relay):
    assert SasRelay.parse(relay.encode()) == relay


@given(st.integers(0, 2**32 - 1), octets(8), names, octets(8), octets(8))
def test_notices(number, mac, version, one, other):
    assert Error.parse(Error(number).encode()) == Error(number)
    assert GoClear.parse(GoClear(mac).encode()) == GoClear(mac)
    assert Ping.parse(Ping(version, one).encode()) == Ping(version, one)
    answer = PingAck(version, one, other, number)
    assert PingAck.parse(answer.encode()) == answer


@given(st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1), hellos)
def test_packet(sequence, ssrc, hello):
    packet = Packet(sequence, ssrc, hello.encode())
    assert Packet.parse(packet.encode()) == packet


secrets = st.none() | st.builds(RetainedSecret, octets(32), st.none() | st.integers(0, 2**63))
records = st.builds(CacheRecord, octets(12), secrets, secrets, st.none() | octets(32), st.booleans())


@given(records)
def test_cache_record(record):
    assert CacheRecord.parse(record.encode()) == record


@given(st.binary(max_size=200))
def test_other_octets_are_no_cache_record_or_read_the_same(stored):
    with contextlib.suppress(UnreadableRecord):
        assert CacheRecord.parse(stored).encode() == stored


@given(records, st.integers(0, 200))
def test_a_record_that_was_cut_short_is_refused(record, length):
    whole = record.encode()
    if length < len(whole):
        try:
            CacheRecord.parse(whole[:length])
        except UnreadableRecord:
            return
        raise AssertionError("read a part of a record")


PARSERS = {
    Kind.HELLO: Hello.parse,
    Kind.COMMIT: Commit.parse,
    Kind.DHPART1: lambda message: DHPart.parse(message, Kind.DHPART1),
    Kind.CONFIRM1: lambda message: Sealed.parse(message, Kind.CONFIRM1),
    Kind.SAS_RELAY: lambda message: Sealed.parse(message, Kind.SAS_RELAY),
    Kind.ERROR: Error.parse,
    Kind.GO_CLEAR: GoClear.parse,
    Kind.PING: Ping.parse,
    Kind.PING_ACK: PingAck.parse,
}


@given(st.sampled_from(sorted(PARSERS, key=lambda kind: kind.value)), st.binary(max_size=600))
def test_any_body_is_read_or_refused(kind, body):
    message = b"\x50\x5a" + ((12 + len(body)) // 4).to_bytes(2, "big") + kind.value + body
    with contextlib.suppress(MalformedPacket):
        read = PARSERS[kind](message)
        assert PARSERS[kind](read.encode()) == read
