"""Multistream and Preshared modes (RFC 6189 4.4.2 and 4.4.3), passive endpoints, waiting for the owner."""

from __future__ import annotations

import pytest

from sealtone.zrtp import (
    CacheState,
    CacheUpdate,
    ErrorCode,
    Failed,
    Initiative,
    Mode,
    Multistream,
    Role,
    Session,
    State,
    UsageError,
)
from sealtone.zrtp.multistream import MAX_STREAMS
from zrtp.network import Network
from zrtp.scenes import CRYPTO, Entropy, Person, call, kinds, secured, with_algorithms

WITH_PRESHARED = with_algorithms(key_agreements=("X255", "Mult", "Prsh"))


def first_stream(**algorithms):
    chosen = with_algorithms(**algorithms)
    a, b = Person("a", algorithms=chosen), Person("b", algorithms=chosen)
    sessions = a.session(), b.session()
    secured(call(*sessions))
    return a, b, *(session.association.multistream() for session in sessions)


@pytest.mark.parametrize("hash_name", ["S256", "S384", "SKN2"])
def test_further_streams_have_keys_of_their_own_and_leave_the_cache_alone(hash_name):
    a, b, at_a, at_b = first_stream(hashes=hash_name)
    keys, roles = set(), set()
    for _ in range(8):
        net = call(a.session(multistream=at_a), b.session(multistream=at_b), delay_s=(0.01, 0.03))
        one, other = secured(net)
        assert one.mode is other.mode is Mode.MULTISTREAM
        assert one.suite.key_agreement == "Mult"
        assert one.sas == one.sas_hash.decode() == ""
        assert one.cache is CacheState.UNUSED
        assert not net.all(0, CacheUpdate)
        assert not net.all(1, CacheUpdate)
        assert not any(kind.startswith("DHPart") for kind in [*kinds(net.sent[0]), *kinds(net.sent[1])])
        keys.add(bytes(one.keys.send_key))
        roles.add(one.role)
    assert len(keys) == 8
    assert roles == set(Role)


def test_a_further_stream_survives_loss():
    a, b, at_a, at_b = first_stream()
    for seed in range(20):
        secured(call(a.session(multistream=at_a), b.session(multistream=at_b), seed=seed, loss=0.15, delay_s=(0, 0.05)))


def test_a_further_stream_of_another_zid_is_refused():
    a, _, at_a, _ = first_stream()
    net = call(a.session(multistream=at_a), Person("stranger").session(), 30)
    assert [failed.code for failed in net.all(0, Failed)] == [ErrorCode.HELLO_MISMATCH]


def test_multistream_without_a_first_stream_is_refused():
    a, b, at_a, _ = first_stream()
    net = call(a.session(multistream=at_a), b.session(profile={"initiative": Initiative.NEVER}), 30)
    assert [failed.code for failed in net.all(1, Failed)] == [ErrorCode.NO_SHARED_SECRET]
    assert not net.ends[0].is_secure


def test_a_dh_commit_on_a_further_stream_is_refused():
    a, b, at_a, _ = first_stream()
    net = call(a.session(multistream=at_a, profile={"initiative": Initiative.NEVER}), b.session(), 30)
    assert [failed.code for failed in net.all(0, Failed)] == [ErrorCode.UNSUPPORTED_KEY_AGREEMENT]


def test_a_nonce_that_comes_again_is_refused_with_0x80():
    a, b, at_a, at_b = first_stream()
    for number in range(2):
        entropy = Entropy(number)
        evil = Session(
            a.profile,
            CRYPTO,
            lambda octets, entropy=entropy: bytes(16) if octets == 16 else entropy(octets),
            ssrc=1,
            unix_time=0,
            multistream=Multistream(at_a.zrtp_session, at_a.hash_name, at_a.peer_zid),  # it does not remember
        )
        net = call(evil, b.session(multistream=at_b, profile={"initiative": Initiative.NEVER}), 30)
        codes = [failed.code for failed in net.all(1, Failed)]
        assert codes == ([ErrorCode.NONCE_REUSED] if number else [])
        assert evil.is_secure is (number == 0)


def test_the_number_of_streams_in_a_call_is_bounded():
    a, b, at_a, at_b = first_stream()
    for _ in range(MAX_STREAMS):
        secured(call(a.session(multistream=at_a), b.session(multistream=at_b)))
    net = call(a.session(multistream=at_a), b.session(multistream=at_b), 30)
    assert ErrorCode.NONCE_REUSED in [failed.code for failed in [*net.all(0, Failed), *net.all(1, Failed)]]
    assert "zrtp_session" not in repr(at_a)


def test_a_further_stream_outlives_the_first_but_none_starts_from_a_wiped_key():
    a, b = Person("a"), Person("b")
    sessions = a.session(), b.session()
    call(*sessions)
    keys = [session.association.multistream() for session in sessions]
    for session in sessions:
        session.close()
    further = a.session(multistream=keys[0]), b.session(multistream=keys[1])
    secured(call(*further))
    for key in keys:
        key.wipe()
    assert any(further[0]._exchange.keys.media.send_key)
    net = call(a.session(multistream=keys[0]), b.session(multistream=keys[1]), 30)
    assert ErrorCode.NO_SHARED_SECRET in [failed.code for failed in [*net.all(0, Failed), *net.all(1, Failed)]]
    assert not any(end.is_secure for end in net.ends)


def test_what_belongs_to_the_first_stream_is_refused_on_a_further_one():
    a, b, at_a, at_b = first_stream()
    session = a.session(multistream=at_a)
    call(session, b.session(multistream=at_b))
    association = session.association
    for act in (
        lambda: association.set_verified(True),
        lambda: association.enrol(True),
        lambda: association.relay_sas(None, "B32 ", False, 0.0),
        lambda: association.export_key(b"label", 128),
        association.multistream,
    ):
        with pytest.raises(UsageError, match="first stream"):
            act()


def test_both_sides_export_the_same_keys_by_label():
    a, b = Person("a").session(), Person("b").session()
    call(a, b)
    one = a.association.export_key(b"label", 256)
    assert one == b.association.export_key(b"label", 256)
    assert len(one) == 32
    assert one != a.association.export_key(b"other", 256)
    for bits in (0, 7, 264):
        with pytest.raises(UsageError):
            a.association.export_key(b"label", bits)


def preshared_people(**more):
    settings = {"algorithms": WITH_PRESHARED, "prefer_preshared": True} | more
    return Person("a", **settings), Person("b", **settings)


def one_call(a: Person, b: Person, **network) -> Network:
    net = call(a.session(), b.session(), **network)
    a.store.keep(net.told[0])
    b.store.keep(net.told[1])
    return net


def test_preshared_mode_spares_the_dh_and_renews_the_secret_without_keeping_the_old_one():
    a, b = preshared_people()
    assert secured(one_call(a, b))[0].mode is Mode.DH
    for _ in range(3):
        before = a.store(b.profile.zid)
        net = one_call(a, b)
        one, other = secured(net)
        assert one.mode is other.mode is Mode.PRESHARED
        assert one.cache is other.cache is CacheState.MATCHED
        assert one.sas
        assert a.store(b.profile.zid).rs1 != before.rs1
        assert a.store(b.profile.zid).rs2 == before.rs2
        assert not any(kind.startswith("DHPart") for kind in kinds(net.sent[0]) + kinds(net.sent[1]))
        assert net.ends[0].counters.key_pairs == 0


def test_preshared_mode_survives_crossing_commits_and_loss():
    for seed in range(20):
        a, b = preshared_people()
        one_call(a, b)
        one, _ = secured(one_call(a, b, seed=seed, loss=0.15, delay_s=(0.02, 0.04)))
        assert one.mode is Mode.PRESHARED


def test_of_a_phone_and_a_pbx_the_phone_is_the_initiator_in_preshared_mode():
    settings = {"algorithms": WITH_PRESHARED, "prefer_preshared": True}
    pbx, phone = Person("pbx", trusted_mitm=True, **settings), Person("phone", **settings)
    one_call(pbx, phone)
    for _ in range(5):
        server, _ = secured(one_call(pbx, phone, delay_s=(0.05, 0.05)))
        assert (server.mode, server.role) == (Mode.PRESHARED, Role.RESPONDER)


@pytest.mark.parametrize("waits", ["a", "b"])
def test_a_secret_that_the_other_side_lacks_leads_to_dh_mode(waits):
    a, b = preshared_people()
    one_call(a, b)
    b.store.records.clear()
    net = one_call(a, b, delay_s=(0.05, 0.05) if waits == "a" else (0, 0))
    one, other = secured(net)
    assert one.mode is other.mode is Mode.DH
    assert (one.cache, other.cache) == (CacheState.MISMATCH, CacheState.FIRST_CONTACT)


def test_a_passive_endpoint_that_lacks_the_secret_says_so():
    a, b = preshared_people()
    one_call(a, b)
    b.store.records.clear()
    net = call(a.session(), b.session(profile={"initiative": Initiative.NEVER}), 30)
    assert [failed.code for failed in net.all(1, Failed)] == [ErrorCode.NO_SHARED_SECRET]
    assert [failed.code for failed in net.all(0, Failed)] == [ErrorCode.NO_SHARED_SECRET]


def test_the_initiators_newest_secret_may_be_the_responders_second():
    a, b = preshared_people()
    one_call(a, b)
    record = b.store(a.profile.zid)
    newer = record.renewed(bytes(32), 0xFFFFFFFF, 0, keep_old=True)
    b.store.records[a.profile.zid] = newer.encode()
    net = call(a.session(), b.session(profile={"initiative": Initiative.NEVER}))
    one, _ = secured(net)
    assert one.mode is Mode.PRESHARED


def test_two_passive_endpoints_are_told_that_nobody_will_begin():
    passive = {"initiative": Initiative.NEVER}
    net = call(Person("a").session(profile=passive), Person("b").session(profile=passive), 30)
    assert ErrorCode.HELLO_MISMATCH in [failed.code for failed in [*net.all(0, Failed), *net.all(1, Failed)]]


def test_who_waits_for_the_owner_commits_when_told_to():
    waiting = {"initiative": Initiative.ON_REQUEST}
    a, b = Person("a").session(profile=waiting), Person("b").session(profile=waiting)
    net = call(a, b, 20)
    assert a.state is b.state is State.READY
    b.go_secure(net.now)
    net.run(net.now + 5, lambda: a.is_secure and b.is_secure)
    assert [each.role for each in secured(net)] == [Role.RESPONDER, Role.INITIATOR]


def test_the_owner_may_ask_before_both_know_each_other():
    waiting = {"initiative": Initiative.ON_REQUEST}
    a, b = Person("a").session(profile=waiting), Person("b").session(profile=waiting)
    a.go_secure(0.0)
    assert secured(call(a, b))[0].role is Role.INITIATOR


def test_nothing_is_sent_and_nothing_is_heard_before_the_start_but_the_hello_hash_is_known():
    a, b = Person("a").session(), Person("b").session()
    before = a.hello_hash
    b.start(0.0)
    for datagram in b.transmits():
        a.receive(datagram, 0.0)
    assert a.transmits() == a.events() == []
    assert a.next_timeout() is None
    secured(call(a, b))
    assert a.hello_hash == before
