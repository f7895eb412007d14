"""Our ZRTP against libbzrtp, the one in Linphone: every algorithm it has, both roles, loss, caches, streams."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator

import pytest

from interop import bzrtp
from interop.bzrtp import BzrtpPeer, bzrtp_peer
from sealtone.zrtp import (
    Algorithms,
    CacheRecord,
    CacheState,
    CacheUpdate,
    Failed,
    HelloHash,
    Initiative,
    Mode,
    Profile,
    Role,
    SecretsReady,
    Secured,
    Session,
    StandardCrypto,
    Warned,
    WarningKind,
)
from zrtp.network import Network

pytestmark = pytest.mark.skipif(not bzrtp.is_installed(), reason="libbzrtp is not installed (Debian package libbzrtp0)")

USUAL = {
    "hashes": ("S256",),
    "ciphers": ("AES1",),
    "auth_tags": ("HS80",),
    "key_agreements": ("X255", "Mult"),
    "sas_types": ("B32 ",),
}
CRYPTO = StandardCrypto()


def algorithms(**changed: str) -> dict[str, tuple[str, ...]]:
    named = {kind: (name,) for kind, name in changed.items()}
    if "key_agreements" in changed:
        named["key_agreements"] = (changed["key_agreements"], "Mult")
    return USUAL | named


def our_session(settings=USUAL, initiative=Initiative.AT_ONCE, zid=None, **more) -> Session:
    profile = Profile(zid or os.urandom(12), algorithms=Algorithms(**settings), initiative=initiative)
    return Session(profile, CRYPTO, os.urandom, **({"ssrc": 0xA11CE, "unix_time": 1_700_000_000} | more))


def talk(ours: Session, channel: bzrtp.Channel, until_s: float = 30, start_s=(0.0, 0.0), **network) -> Network:
    net = Network(ours, channel, **network)
    for index in sorted((0, 1), key=lambda index: start_s[index]):
        net.run(start_s[index], lambda: False)
        (ours, channel)[index].start(start_s[index])
        net.drain()
    net.run(until_s, lambda: ours.is_secure and channel.is_secure)
    return net


def prove_same(net: Network, ours: Session, channel: bzrtp.Channel) -> Secured:
    assert ours.is_secure, (ours.state, net.told[0], channel.codes)
    assert channel.is_secure
    (secured,) = net.all(0, Secured)
    theirs = channel.result
    assert theirs is not None
    keys = secured.keys
    assert (bytes(keys.send_key), bytes(keys.send_salt)) == theirs.receive
    assert (bytes(keys.receive_key), bytes(keys.receive_salt)) == theirs.send
    assert (keys.cipher, keys.auth_tag) == (theirs.cipher, theirs.auth_tag)
    if secured.mode is Mode.DH:
        assert secured.sas == theirs.sas
        assert (secured.suite.hash, secured.suite.key_agreement) == (theirs.hash, theirs.key_agreement)
    return secured


@pytest.fixture
def databases() -> Iterator[list[bzrtp.Cache]]:
    made: list[bzrtp.Cache] = [bzrtp.Cache(), bzrtp.Cache()]
    yield made
    for each in made:
        each.close()


AGREEMENTS = ("X255", "X448", "DH3k", "DH2k")
REST = list(itertools.product(("S256", "S384"), ("AES1", "AES3"), ("HS80", "HS32"), ("B32 ", "B256")))


@pytest.mark.parametrize("initiative", [Initiative.AT_ONCE, Initiative.NEVER], ids=["either", "responder"])
@pytest.mark.parametrize("agreement", AGREEMENTS)
def test_each_suite_gives_both_sides_the_same_keys_and_sas(agreement, initiative):
    for hash_name, cipher, auth_tag, sas_type in REST:
        settings = algorithms(
            hashes=hash_name, ciphers=cipher, auth_tags=auth_tag, sas_types=sas_type, key_agreements=agreement
        )
        with bzrtp_peer(algorithms=settings) as peer:
            ours = our_session(settings, initiative)
            net = talk(ours, peer.channel)
            secured = prove_same(net, ours, peer.channel)
        assert secured.suite.key_agreement == agreement
        assert (secured.suite.hash, secured.suite.cipher) == (hash_name, cipher)
        assert (secured.suite.auth_tag, secured.suite.sas_type) == (auth_tag, sas_type)
        assert secured.role is Role.RESPONDER or initiative is Initiative.AT_ONCE


def test_we_are_the_initiator_when_bzrtp_hears_us_first_and_the_responder_when_we_wait():
    roles = set()
    for initiative in (Initiative.AT_ONCE, Initiative.NEVER):
        for first in (0.0, 0.04):
            with bzrtp_peer(algorithms=USUAL) as peer:
                ours = our_session(initiative=initiative)
                net = talk(ours, peer.channel, start_s=(first, 0.04 - first))
                roles.add((initiative, prove_same(net, ours, peer.channel).role))
    assert {(Initiative.AT_ONCE, Role.INITIATOR), (Initiative.NEVER, Role.RESPONDER)} <= roles


def test_commits_that_cross_are_settled_the_same_way_by_both():
    roles = []
    for seed in range(30):
        with bzrtp_peer(algorithms=USUAL) as peer:
            ours = our_session()
            net = talk(ours, peer.channel, seed=seed, delay_s=(0.02, 0.03))
            roles.append(prove_same(net, ours, peer.channel).role)
            commits = sum(b"Commit  " in datagram for datagram in [*net.sent[0], *net.sent[1]])
            assert commits >= 1
    assert set(roles) == {Role.INITIATOR, Role.RESPONDER}


@pytest.mark.parametrize("agreement", ["X255", "DH3k"])
def test_calls_become_secure_over_a_network_that_loses_30_percent_each_way(agreement):
    settings = algorithms(key_agreements=agreement)
    secure = 0
    for seed in range(40):
        with bzrtp_peer(algorithms=settings) as peer:
            ours = our_session(settings)
            net = talk(ours, peer.channel, seed=seed, loss=0.3, delay_s=(0.01, 0.012))
            if ours.is_secure and not peer.channel.is_secure:
                # Our Conf2ACK is lost and bzrtp repeats Confirm2 until it comes.
                net.run(60, lambda peer=peer: peer.channel.is_secure)
            if not ours.is_secure and peer.channel.is_secure:
                ours.media_authenticated()
                net.drain()
            if ours.is_secure:
                prove_same(net, ours, peer.channel)
                secure += 1
            else:
                assert not net.all(0, Secured)
    assert secure >= 38


def test_reordered_repeated_and_lost_packets_do_no_harm():
    for seed in range(20):
        with bzrtp_peer(algorithms=USUAL) as peer:
            ours = our_session()
            net = talk(ours, peer.channel, seed=seed, loss=0.1, repeat=0.2, delay_s=(0.0, 0.02))
            prove_same(net, ours, peer.channel)


@pytest.mark.parametrize("start_s", [(0.0, 8.0), (8.0, 0.0)], ids=["they", "we"])
def test_a_side_that_starts_8_seconds_late_still_becomes_secure(start_s):
    with bzrtp_peer(algorithms=USUAL) as peer:
        ours = our_session()
        net = talk(ours, peer.channel, start_s=start_s)
        prove_same(net, ours, peer.channel)


def test_the_hello_hash_that_each_side_announces_is_the_one_the_other_computes():
    with bzrtp_peer(algorithms=USUAL) as peer:
        ours = our_session()
        announced = HelloHash.parse(peer.channel.hello_hash)
        assert announced is not None
        ours.hello_hashes = (announced,)
        peer.channel.expect_hello_hash(str(ours.hello_hash))
        net = talk(ours, peer.channel)
        prove_same(net, ours, peer.channel)
        assert not net.all(0, Warned)


def test_a_hello_other_than_the_one_announced_is_not_answered():
    with bzrtp_peer(algorithms=USUAL) as peer:
        ours = our_session(hello_hashes=(HelloHash("1.10", bytes(32)),))
        net = talk(ours, peer.channel, until_s=6)
        assert not ours.is_secure
        assert [warned.kind for warned in net.all(0, Warned)] == [WarningKind.HELLO_HASH_MISMATCH]


class OurCache:
    """What our side stores from call to call."""

    def __init__(self) -> None:
        self.records: dict[bytes, bytes] = {}

    def get(self, zid: bytes) -> CacheRecord | None:
        stored = self.records.get(zid)
        return None if stored is None else CacheRecord.parse(stored)

    def keep(self, net: Network) -> None:
        for update in net.all(0, CacheUpdate):
            self.records[update.record.peer_zid] = update.record.encode()


def one_call(cache: OurCache, database: bzrtp.Cache, zid: bytes, initiative=Initiative.AT_ONCE, verify=()):
    with bzrtp_peer(algorithms=USUAL, cache=database) as peer:
        ours = our_session(zid=zid, initiative=initiative, cache=cache.get)
        net = talk(ours, peer.channel)
        secured = prove_same(net, ours, peer.channel)
        if "ours" in verify:
            assert ours.association is not None
            ours.association.set_verified(True)
        if "theirs" in verify:
            peer.sas_verified()
        net.drain()
        cache.keep(net)
        return secured, peer.saw_cache_mismatch, peer.channel.result, net


def test_retained_secrets_match_from_call_to_call_in_both_roles(databases):
    cache, zid = OurCache(), os.urandom(12)
    for number in range(8):
        initiative = Initiative.AT_ONCE if number % 2 else Initiative.NEVER
        secured, mismatch, _, _ = one_call(cache, databases[0], zid, initiative)
        assert secured.cache is (CacheState.MATCHED if number else CacheState.FIRST_CONTACT)
        assert not mismatch


def test_a_comparison_of_the_sas_is_remembered_by_both_sides(databases):
    cache, zid = OurCache(), os.urandom(12)
    one_call(cache, databases[0], zid, verify=("ours", "theirs"))
    secured, _, result, _ = one_call(cache, databases[0], zid)
    assert secured.verified_here
    assert secured.verified_there
    assert result.verified


def test_a_lost_cache_is_warned_about_every_time_and_nothing_is_forgotten(databases):
    cache, zid = OurCache(), os.urandom(12)
    one_call(cache, databases[0], zid, verify=("ours", "theirs"))
    (peer_zid,) = cache.records
    # Its secret is good, ours is another: to both it is a mismatch.
    cache.records[peer_zid] = before = CacheRecord(peer_zid, kept_secret(), verified=True).encode()
    for _ in range(3):
        secured, mismatch, _, net = one_call(cache, databases[0], zid)
        assert mismatch
        assert secured.cache is CacheState.MISMATCH
        assert not secured.verified_here
        assert WarningKind.CACHE_MISMATCH in [warned.kind for warned in net.all(0, Warned)]
        assert not net.all(0, CacheUpdate)
        assert cache.records[peer_zid] == before


def kept_secret():
    return CacheRecord(bytes(12)).renewed(os.urandom(32), 0xFFFFFFFF, 0, False).rs1


def test_a_mismatch_is_healed_by_comparing_the_sas_on_both_sides(databases):
    cache, zid = OurCache(), os.urandom(12)
    one_call(cache, databases[0], zid)
    (peer_zid,) = cache.records
    cache.records[peer_zid] = CacheRecord(peer_zid, kept_secret()).encode()
    secured, mismatch, _, _ = one_call(cache, databases[0], zid, verify=("ours", "theirs"))
    assert secured.cache is CacheState.MISMATCH
    assert mismatch
    secured, mismatch, _, _ = one_call(cache, databases[0], zid)
    assert secured.cache is CacheState.MATCHED
    assert secured.verified_here
    assert not mismatch


def test_a_call_that_broke_off_before_we_stored_is_made_good_by_the_older_secret(databases):
    cache, zid = OurCache(), os.urandom(12)
    one_call(cache, databases[0], zid)
    before = dict(cache.records)
    one_call(cache, databases[0], zid)
    cache.records = before
    secured, mismatch, _, _ = one_call(cache, databases[0], zid)
    assert secured.cache is CacheState.MATCHED
    assert not mismatch


@pytest.mark.parametrize("same", [True, False], ids=["same", "different"])
def test_an_auxiliary_secret_is_compared(same):
    ours_aux = os.urandom(24)
    with bzrtp_peer(algorithms=USUAL, aux_secret=ours_aux if same else os.urandom(24)) as peer:
        ours = our_session(aux_secret=ours_aux)
        net = talk(ours, peer.channel)
        secured = prove_same(net, ours, peer.channel)
        assert secured.aux_matched is same
        assert peer.aux_matched is same
        assert (WarningKind.AUX_MISMATCH in [warned.kind for warned in net.all(0, Warned)]) is not same


def add_stream(
    peer: BzrtpPeer, first: Session, zid: bytes, ssrc: int, seed: int, initiative, settings=USUAL, **network
):
    assert first.association is not None
    channel = peer.add_channel(0xB0B0 + ssrc)
    ours = our_session(settings, zid=zid, ssrc=ssrc, multistream=first.association.multistream(), initiative=initiative)
    net = talk(ours, channel, seed=seed, delay_s=(0.01, 0.02), **network)
    return prove_same(net, ours, channel), net


@pytest.mark.parametrize("hash_name", ["S256", "S384"])
def test_a_further_stream_is_keyed_from_the_first_in_both_roles(hash_name):
    settings = algorithms(hashes=hash_name)
    roles, keys = set(), set()
    for number in range(12):  # bzrtp has two streams at most in a call
        zid = os.urandom(12)
        with bzrtp_peer(algorithms=settings) as peer:
            first = our_session(settings, zid=zid)
            net = talk(first, peer.channel)
            keys.add(bytes(prove_same(net, first, peer.channel).keys.send_key))
            initiative = random.Random(number).choice([Initiative.AT_ONCE, Initiative.NEVER])
            secured, net = add_stream(peer, first, zid, 1, number, initiative, settings)
        assert secured.mode is Mode.MULTISTREAM
        assert secured.sas == ""
        assert secured.cache is CacheState.UNUSED
        assert not net.all(0, CacheUpdate)
        roles.add(secured.role)
        keys.add(bytes(secured.keys.send_key))
    assert roles == {Role.INITIATOR, Role.RESPONDER}
    assert len(keys) == 24


def test_secrets_are_ready_before_the_first_media_and_never_twice():
    with bzrtp_peer(algorithms=USUAL) as peer:
        ours = our_session()
        net = talk(ours, peer.channel)
        kinds = [type(event) for event in net.told[0]]
        assert kinds.count(SecretsReady) == kinds.count(Secured) == 1
        assert kinds.index(SecretsReady) < kinds.index(Secured)
        assert Failed not in kinds
