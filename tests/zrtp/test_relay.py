"""The trusted man in the middle: the M flag, enrolment and SAS relay (RFC 6189 7.3)."""

from __future__ import annotations

import pytest

from sealtone.zrtp import (
    CacheUpdate,
    EnrolmentOffered,
    Failed,
    PeerError,
    PeerSeen,
    RelayedSas,
    SasRelayed,
    UsageError,
    Warned,
    WarningKind,
    render,
)
from sealtone.zrtp.confirm import SasRelay
from sealtone.zrtp.exchange import seal
from sealtone.zrtp.message import Kind
from sealtone.zrtp.packet import Packet
from zrtp.network import Network
from zrtp.scenes import Entropy, Person, call, kind_of, kinds, remade, secured, with_algorithms

OTHER_LEG = bytes(range(32))


def pbx_and_phone(hash_name="S256"):
    algorithms = with_algorithms(hashes=hash_name)
    return Person("pbx", trusted_mitm=True, algorithms=algorithms), Person("phone", algorithms=algorithms)


def talk(pbx: Person, phone: Person, accept: bool | None = None, **at_pbx) -> tuple:
    sessions = pbx.session(**at_pbx), phone.session()
    net = call(*sessions)
    if accept is not None:
        sessions[1].association.enrol(accept)
    net.drain()
    pbx.store.keep(net.told[0])
    phone.store.keep(net.told[1])
    return (*sessions, net)


def enrolled(**settings):
    pbx, phone = pbx_and_phone(**settings)
    talk(pbx, phone, accept=True, offers_enrolment=True)
    return pbx, phone


def test_the_m_flag_stands_in_every_hello_of_the_pbx_and_the_phone_is_told():
    pbx, phone = pbx_and_phone()
    _, _, net = talk(pbx, phone)
    assert all(each[12 + 12 + 64] & 0x20 for each in net.sent[0] if kind_of(each) == b"Hello   ")
    assert net.all(1, PeerSeen)[0].hello.trusted_mitm
    server, client = secured(net)
    assert client.trusted_mitm
    assert not server.trusted_mitm


def test_without_an_explicit_act_nothing_is_offered_and_nothing_is_enrolled():
    pbx, phone = pbx_and_phone()
    for _ in range(2):
        _, client_session, net = talk(pbx, phone)
        assert not net.all(1, EnrolmentOffered)
        assert [each.enrolled for each in secured(net)] == [False, False]
        with pytest.raises(UsageError, match="offers no enrolment"):
            client_session.association.enrol(True)
    assert pbx.store(phone.profile.zid).pbx is None


@pytest.mark.parametrize("hash_name", ["S256", "S384", "SKN3"])
def test_enrolment_leaves_the_same_secret_on_both_sides_and_it_matches_in_the_next_call(hash_name):
    pbx, phone = enrolled(hash_name=hash_name)
    secret = pbx.store(phone.profile.zid).pbx
    assert secret is not None
    assert len(secret) == 32
    assert phone.store(pbx.profile.zid).pbx == secret
    _, _, net = talk(pbx, phone)
    assert [each.enrolled for each in secured(net)] == [True, True]
    assert pbx.store(phone.profile.zid).pbx == secret, "an ordinary call changes nothing"


def test_the_phone_is_asked_and_may_decline():
    pbx, phone = pbx_and_phone()
    _, _, net = talk(pbx, phone, accept=False, offers_enrolment=True)
    assert net.all(1, EnrolmentOffered) == [EnrolmentOffered(again=False)]
    assert secured(net)[1].enrolment_offered
    _, _, net = talk(pbx, phone)
    assert [each.enrolled for each in secured(net)] == [False, False]


def test_a_second_enrolment_is_offered_as_such_and_keeps_the_secret_of_the_first():
    pbx, phone = enrolled()
    secret = pbx.store(phone.profile.zid).pbx
    _, _, net = talk(pbx, phone, offers_enrolment=True)
    assert net.all(1, EnrolmentOffered) == [EnrolmentOffered(again=True)]
    assert pbx.store(phone.profile.zid).pbx == secret


def test_only_a_trusted_man_in_the_middle_offers_enrolment_or_relays():
    a, b = Person("a"), Person("b")
    with pytest.raises(UsageError):
        a.session(offers_enrolment=True)
    session = a.session()
    call(session, b.session())
    with pytest.raises(UsageError, match="trusted man in the middle"):
        session.association.relay_sas(None, "B32 ", False, 0.0)


@pytest.mark.parametrize("sas_type", ["B32 ", "B256"])
@pytest.mark.parametrize("verified", [True, False])
def test_an_enrolled_phone_shows_the_sas_of_the_other_leg(sas_type, verified):
    pbx, phone = enrolled()
    server, _, net = talk(pbx, phone)
    server.association.relay_sas(OTHER_LEG, sas_type, verified, net.now)
    net.run(net.now + 5)
    assert net.all(1, RelayedSas) == [RelayedSas(render(OTHER_LEG, sas_type), relayed=True, verified=verified)]
    assert net.all(0, SasRelayed) == [SasRelayed(acknowledged=True)]
    assert kinds(net.sent[0]).count("SASrelay") == 1


def test_a_hash_is_never_sent_to_a_phone_whose_pbx_secret_did_not_match():
    pbx, phone = pbx_and_phone()
    server, _, net = talk(pbx, phone)
    with pytest.raises(UsageError, match="must be sent no SAS"):
        server.association.relay_sas(OTHER_LEG, "B32 ", False, net.now)
    assert server.transmits() == []
    pbx, phone = enrolled()
    phone.store.records.clear()  # enrolled once, but it does not show the secret in this call
    server, _, net = talk(pbx, phone)
    with pytest.raises(UsageError, match="must be sent no SAS"):
        server.association.relay_sas(OTHER_LEG, "B32 ", False, net.now)


def test_the_null_hash_leaves_the_phone_with_its_own_sas():
    pbx, phone = pbx_and_phone()
    server, _, net = talk(pbx, phone)
    server.association.relay_sas(None, "B256", False, net.now)
    net.run(net.now + 5)
    own = secured(net)[1]
    assert net.all(1, RelayedSas) == [RelayedSas(render(own.sas_hash, "B256"), relayed=False, verified=False)]
    assert net.all(0, SasRelayed) == [SasRelayed(acknowledged=True)]


def test_a_relayack_that_never_comes_ends_nothing():
    pbx, phone = enrolled()
    server, _, net = talk(pbx, phone)
    net.tap = lambda sender, datagram: [] if kind_of(datagram) == b"RelayACK" else [datagram]
    server.association.relay_sas(OTHER_LEG, "B32 ", False, net.now)
    net.run(net.now + 30)
    assert net.all(0, SasRelayed) == [SasRelayed(acknowledged=False)]
    assert server.is_secure
    assert kinds(net.sent[0]).count("SASrelay") == 11
    assert len(net.all(1, RelayedSas)) == 1
    assert not net.all(0, Failed)
    assert server.next_timeout() is None


def test_a_relay_survives_loss_and_a_new_one_replaces_the_old():
    pbx, phone = enrolled()
    server, _, net = talk(pbx, phone)
    net.loss = 0.5
    server.association.relay_sas(OTHER_LEG, "B32 ", False, net.now)
    net.run(net.now + 30)
    server.association.relay_sas(OTHER_LEG[::-1], "B32 ", False, net.now)
    net.run(net.now + 30)
    assert [each.sas for each in net.all(1, RelayedSas)] == [render(h, "B32 ") for h in (OTHER_LEG, OTHER_LEG[::-1])]
    assert net.all(0, SasRelayed) == [SasRelayed(True)] * 2


def forged_relay(server, net: Network, sas_hash=OTHER_LEG) -> bytes:
    """A SASrelay as only the holder of the PBX's keys can make it, though the session refuses to."""
    keys = server._exchange.keys
    message = seal(server._crypto, Entropy("iv"), keys, Kind.SAS_RELAY, SasRelay(False, "B32 ", sas_hash).encode())
    return Packet(0x4000, server._wire.ssrc, message).encode()


def test_a_phone_that_is_not_enrolled_warns_of_a_relayed_sas_and_keeps_its_keys():
    pbx, phone = pbx_and_phone()
    server, client, net = talk(pbx, phone)
    net.put(forged_relay(server, net), to=1)
    net.run(net.now + 1)
    assert not net.all(1, RelayedSas)
    assert [each.kind for each in net.all(1, Warned)] == [WarningKind.UNTRUSTED_RELAY]
    assert client.is_secure
    assert net.all(0, PeerError) == [PeerError(0x63)]
    assert server.is_secure


def test_a_relay_of_one_without_the_m_flag_is_ignored():
    a, b = Person("a"), Person("b")
    sessions = a.session(), b.session()
    net = call(*sessions)
    net.put(forged_relay(sessions[0], net), to=1)
    net.run(net.now + 1)
    assert not net.all(1, RelayedSas)
    assert "RelayACK" not in kinds(net.sent[1])
    assert sessions[1].is_secure


@pytest.mark.parametrize("at", [12, 19, 36, 75], ids=["MAC", "MAC's end", "flags", "hash's end"])
def test_a_relay_that_was_changed_on_the_way_is_ignored(at):
    pbx, phone = enrolled()
    server, client, net = talk(pbx, phone)

    def tap(sender, datagram):
        if kind_of(datagram) != b"SASrelay":
            return [datagram]
        message = bytearray(Packet.parse(datagram).message)
        message[at] ^= 1
        return [remade(datagram, bytes(message))]

    net.tap = tap
    server.association.relay_sas(OTHER_LEG, "B32 ", False, net.now)
    net.run(net.now + 20)
    assert not net.all(1, RelayedSas)
    assert net.all(0, SasRelayed) == [SasRelayed(acknowledged=False)]
    assert client.is_secure


def test_enrolment_in_a_call_with_a_cache_mismatch_waits_for_the_comparison():
    pbx, phone = enrolled()
    secret = pbx.store(phone.profile.zid).pbx
    phone.store.records.clear()
    sessions = pbx.session(offers_enrolment=True), phone.session()
    net = call(*sessions)
    assert not net.all(0, CacheUpdate)
    assert pbx.store(phone.profile.zid).pbx == secret
    sessions[0].association.set_verified(True)
    net.drain()
    (update,) = net.all(0, CacheUpdate)
    assert update.record.verified
    assert update.record.pbx not in (None, secret)
