"""Transfers, replacements and changes of calls whose ZRTP ends at the server; enrolment, the relayed SAS, the cache."""

import pytest

from calls.scenes import all_gone, attended, fragments, in_call, join, nobody_hangs, refer, take_over
from calls.world import PLAIN
from calls.zrtp_world import ENDED, ENDED_WISH, SEALED, ZID, ZrtpPhone, ZrtpWorld
from sealtone.model import CallState, LegPolicy, MediaPath, Protection, ZrtpFacts, ZrtpStage
from sealtone.sip import events as sip
from sealtone.zrtp import CacheState, RelayedSas
from sealtone.zrtp.message import Kind, build
from sealtone.zrtp.packet import Packet


def three(*policies: LegPolicy) -> tuple[ZrtpWorld, ZrtpPhone, ZrtpPhone, ZrtpPhone]:
    world = ZrtpWorld()
    chosen = policies or (ENDED, ENDED, ENDED)
    a, b, c = (world.phone(number, policy=each) for number, each in zip(("1000", "1001", "1002"), chosen, strict=True))
    return world, a, b, c


def facts(world: ZrtpWorld, phone: ZrtpPhone) -> ZrtpFacts:
    found = world.security(phone).zrtp
    assert found is not None
    return found


def both_hear(world: ZrtpWorld, *phones: tuple[ZrtpPhone, int]) -> None:
    before = [phone.streams[index].good for phone, index in phones]
    world.run(2)
    for (phone, index), count in zip(phones, before, strict=True):
        assert phone.streams[index].good > count + 10, phone.number
        assert phone.streams[index].clear == 0


# transfers


@pytest.mark.parametrize("c_policy", [ENDED, SEALED])
def test_a_blind_transfer_keeps_the_keys_of_who_is_transferred_and_agrees_on_new_ones(c_policy: LegPolicy) -> None:
    world, a, b, c = three(ENDED, ENDED, c_policy)
    in_call(world, a, b)
    sas = facts(world, b).sas
    refer(a, a.session, "<sip:1002@office.example>")
    world.run(4)
    assert fragments(a)[-1] == b"SIP/2.0 200 OK"
    assert facts(world, b).sas == sas
    assert facts(world, c).sas == c.stream.secured.sas
    assert world.security(c).media_path is MediaPath.SERVER
    both_hear(world, (b, 0), (c, 0))
    nobody_hangs(world)
    world.hang_up(c)
    assert [record.state for record in world.records] == [CallState.PROTECTED_TO_SERVER] * 2
    all_gone(world)


def test_an_attended_transfer_keeps_the_keys_of_both() -> None:
    world, a, b, c = three()
    first, second = attended(world, a, b, c)
    world.run(2)
    kept = b.stream.secured.sas, c.stream.secured.sas
    join(a, first, second)
    world.run(3)
    assert (facts(world, b).sas, facts(world, c).sas) == kept
    both_hear(world, (b, 0), (c, 0))
    nobody_hangs(world)
    world.hang_up(b)
    all_gone(world)


def test_who_takes_a_call_over_agrees_on_keys_of_its_own() -> None:
    world, a, b, c = three()
    in_call(world, a, b)
    take_over(a, b, c)
    world.run(3)
    assert facts(world, c).stage is ZrtpStage.SECURE
    both_hear(world, (a, 0), (c, 0))
    world.hang_up(a)
    all_gone(world)


def test_a_transfer_to_a_phone_without_required_zrtp_is_silent_and_ends() -> None:
    world, a, b, c = three()
    c.zrtp = False
    in_call(world, a, b)
    refer(a, a.session, "<sip:1002@office.example>")
    world.run(20)
    heard = len(c.stream.heard)
    assert heard == 0
    world.run(15)
    assert "did not come to keys" in world.records[-1].reason
    all_gone(world)


# changes of a running call


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
@pytest.mark.parametrize("what", ["hash dropped", "SDES"])
@pytest.mark.parametrize("who", ["caller", "callee"])
def test_a_running_call_is_not_lowered_where_zrtp_is_required(what: str, who: str, method: str) -> None:
    world = ZrtpWorld()
    a, b = world.phone("1000", transport="tls"), world.phone("1001", transport="tls")
    in_call(world, a, b)
    phone = a if who == "caller" else b
    keys = world.leg(phone).keys
    if what == "SDES":
        phone.secure, phone.profile = True, "RTP/SAVP"
    else:
        phone.announces = False
    phone.session.prefer_update = method == "UPDATE"
    phone.offer_anew(phone.session)
    world.run(2)
    (rejected,) = phone.saw(sip.OfferRejected)
    assert rejected.status == 488  # type: ignore[attr-defined]
    assert "ZRTP is required" in world.told("refused")[0]
    assert world.leg(phone).keys == keys
    both_hear(world, (a, 0), (b, 0))


def test_who_prefers_zrtp_and_stops_announcing_it_keeps_the_keys_and_a_note_is_made() -> None:
    world, a, b, _ = three(ENDED_WISH, ENDED, ENDED)
    in_call(world, a, b)
    keys = world.leg(a).keys
    a.announces = False
    a.offer_anew(a.session)
    world.run(1)
    assert not world.told("refused")
    assert world.leg(a).keys == keys
    assert a.stream.clear == 0
    assert "1000@office.example: The phone gave up the ZRTP of a running call." in world.told("warned")
    world.hang_up(a)
    assert world.recorded(a).security.note == "The phone gave up the ZRTP of a running call."


def test_who_prefers_zrtp_may_change_to_sdes_and_back_with_new_keys() -> None:
    world = ZrtpWorld()
    a = world.phone("1000", transport="tls", policy=ENDED_WISH)
    b = world.phone("1001", policy=PLAIN)
    in_call(world, a, b)
    former = world.leg(a).zrtp
    assert former is not None
    old_keys = world.leg(a).keys
    a.secure, a.profile = True, "RTP/SAVP"
    a.offer_anew(a.session)
    world.run(1)
    assert not world.told("refused")
    assert world.security(a).protection is Protection.SRTP
    assert world.security(a).note == "The phone gave up the ZRTP of a running call."
    assert former.rx is None
    a.secure, a.profile = False, "RTP/AVP"
    a.stream.zrtp = None
    a.offer_anew(a.session)
    world.run(10)
    assert world.leg(a).zrtp is not former
    assert world.leg(a).keys != old_keys
    assert facts(world, a).stage is ZrtpStage.ABSENT
    world.hang_up(a)
    assert world.record.state is CallState.OPEN
    all_gone(world)


def test_a_call_goes_on_under_its_keys_whatever_is_forged_at_its_media_port() -> None:
    world, a, b, _ = three()
    in_call(world, a, b)
    keys = world.leg(a).keys
    for kind, body in (
        (Kind.ERROR, (0x63).to_bytes(4, "big")),
        (Kind.GO_CLEAR, bytes(8)),
        (Kind.CONF2_ACK, b""),
        (Kind.CLEAR_ACK, b""),
        (Kind.RELAY_ACK, b""),
        (Kind.HELLO_ACK, b""),
        (Kind.ERROR_ACK, b""),
    ):
        for ssrc in (1, Packet.parse(b.stream.received[0]).ssrc):
            world.inject(a.stream, Packet(9000, ssrc, build(kind, body)).encode())
    for packet in list(a.stream.received + b.stream.received):
        world.inject(a.stream, packet)
        world.inject(b.stream, packet)
    assert world.leg(a).keys == keys
    both_hear(world, (a, 0), (b, 0))
    assert facts(world, a).stage is ZrtpStage.SECURE


def test_a_conf2ack_before_its_time_secures_nothing() -> None:
    world, a, _, _ = three()
    world.tap = lambda packet, to: None if packet[16:24] == b"Conf2ACK" or packet[16:24] == b"Confirm2" else packet
    a.call("1001")
    world.run(1)
    for sequence in range(5):
        world.inject(a.stream, Packet(9000 + sequence, 7, build(Kind.CONF2_ACK, b"")).encode())
    assert world.leg(a).keys == (None, None)
    assert world.from_server == []


# enrolment and relaying


def enrolled(world: ZrtpWorld, phone: ZrtpPhone) -> None:
    phone.call("*44")
    world.run(3)
    association = phone.stream.zrtp.association if phone.stream.zrtp is not None else None
    assert association is not None
    assert phone.stream.secured.enrolment_offered
    association.enrol(True)
    world.pump()
    world.hang_up(phone)
    assert world.cache[ZID, phone.zid].pbx is not None
    world.records.clear()


def relayed(phone: ZrtpPhone) -> list[tuple[str, bool]]:
    return [(event.sas, event.relayed) for event in phone.stream.saw(RelayedSas)]  # type: ignore[attr-defined]


def test_an_enrolled_phone_is_told_the_string_of_the_other_leg_once() -> None:
    world, a, b, _ = three()
    enrolled(world, a)
    sent: list[bytes] = []
    world.tap = lambda packet, to: (sent.append(packet), packet)[1] if packet[16:24] == b"SASrelay" else packet
    in_call(world, a, b)
    world.run(5)
    assert relayed(a) == [(b.stream.secured.sas, True)]
    assert len(sent) == 1
    assert relayed(b) == []
    assert facts(world, a).enrolled
    assert facts(world, a).sas_relayed
    assert not facts(world, b).enrolled
    assert not facts(world, b).sas_relayed
    world.hang_up(a)
    zrtp = world.recorded(a).security.zrtp
    assert zrtp is not None
    assert zrtp.sas_relayed


def test_a_phone_that_did_not_enrol_is_sent_no_relay() -> None:
    world, a, b, _ = three()
    in_call(world, a, b)
    world.run(5)
    assert not any(packet[16:24] == b"SASrelay" for phone in (a, b) for packet in phone.stream.received)


def test_one_whose_secret_does_not_match_in_this_call_is_sent_no_relay() -> None:
    world, a, b, _ = three()
    enrolled(world, a)
    a.cache.clear()
    in_call(world, a, b)
    world.run(3)
    assert not facts(world, a).enrolled
    assert not any(packet[16:24] == b"SASrelay" for packet in a.stream.received)


def test_a_relay_that_is_not_acknowledged_changes_nothing_and_is_not_begun_anew() -> None:
    world, a, b, _ = three()
    enrolled(world, a)
    sent: list[bytes] = []

    def drop(packet: bytes, to: str) -> bytes | None:
        if packet[16:24] == b"SASrelay":
            sent.append(packet)
        return None if packet[16:24] == b"RelayACK" else packet

    world.tap = drop
    in_call(world, a, b)
    world.run(40)
    assert len(sent) == 11
    assert not facts(world, a).sas_relayed
    both_hear(world, (a, 1), (b, 0))


@pytest.mark.parametrize("far", ["zrtp", "plain"])
def test_a_transfer_brings_the_new_string_or_takes_the_old_one_back(far: str) -> None:
    world, a, b, c = three(ENDED, ENDED, ENDED if far == "zrtp" else PLAIN)
    enrolled(world, a)
    in_call(world, a, b)
    world.run(1)
    refer(b, b.session, "<sip:1002@office.example>")
    world.run(4)
    first, *gap, last = relayed(a)
    assert gap in ([], [(a.stream.secured.sas, False)])
    assert first == (b.stream.secured.sas, True)
    if far == "zrtp":
        assert last == (c.stream.secured.sas, True)
    else:
        assert last == (a.stream.secured.sas, False)
    assert facts(world, a).sas_relayed == (far == "zrtp")


def test_a_stranger_is_not_enrolled_without_zrtp() -> None:
    world = ZrtpWorld()
    a = world.phone("1000", policy=PLAIN)
    a.call("*44")
    world.run(2)
    (rejected,) = a.saw(sip.Rejected)
    assert rejected.status == 488  # type: ignore[attr-defined]


def test_an_ordinary_call_offers_no_enrolment() -> None:
    world, a, b, _ = three()
    in_call(world, a, b)
    world.run(2)
    assert not a.stream.secured.enrolment_offered
    assert world.cache[ZID, a.zid].pbx is None


# the cache


def test_secrets_go_on_from_call_to_call() -> None:
    world, a, b, _ = three()
    for expected in ("first contact", "matched", "matched"):
        in_call(world, a, b)
        world.run(1)
        assert facts(world, a).cache == expected
        assert not facts(world, a).warnings
        assert a.stream.secured.cache is CacheState(expected)
        world.hang_up(a)


def test_a_phone_that_lost_its_secrets_is_warned_about_each_time_and_stays_unverified() -> None:
    world, a, b, _ = three()
    in_call(world, a, b)
    world.run(1)
    world.cache[ZID, a.zid] = world.cache[ZID, a.zid].with_verified(True)
    world.hang_up(a)
    kept = world.cache[ZID, a.zid]
    for _ in range(2):
        a.cache.clear()
        in_call(world, a, b)
        world.run(1)
        assert facts(world, a).cache == "mismatch"
        (warning,) = facts(world, a).warnings
        assert "does not know the secret of earlier calls" in warning
        assert any(warning in told for told in world.told("warned"))
        assert world.security(a).sas_verified is False
        world.events.clear()
        world.hang_up(a)
        recorded = world.recorded(a).security.zrtp
        assert recorded is not None
        assert warning in recorded.warnings
        assert world.records[-1].state is CallState.PROTECTED_TO_SERVER
        assert world.cache[ZID, a.zid] == kept, "a stranger does not push the secret out"


def test_a_verified_phone_makes_its_leg_checked_and_the_call_as_weak_as_the_other_one() -> None:
    world, a, b, _ = three()
    in_call(world, a, b)
    world.run(1)
    world.hang_up(a)
    world.records.clear()
    for both in (False, True):
        world.cache[ZID, a.zid] = world.cache[ZID, a.zid].with_verified(True)
        if both:
            world.cache[ZID, b.zid] = world.cache[ZID, b.zid].with_verified(True)
        in_call(world, a, b)
        world.run(1)
        assert world.security(a).sas_verified
        assert world.security(b).sas_verified is both
        world.hang_up(a)
        state = CallState.PROTECTED_CHECKED if both else CallState.PROTECTED_TO_SERVER
        assert world.records[-1].state is state


# bounds, and what is left behind


def test_no_secret_is_told_recorded_or_shown() -> None:
    world, a, b, _ = three()
    enrolled(world, a)
    in_call(world, a, b)
    world.run(2)
    leg = world.leg(a)
    agreement = leg.zrtp
    assert agreement is not None
    assert agreement.rx is not None
    assert agreement.tx is not None
    record = world.cache[ZID, a.zid]
    assert record.rs1 is not None
    assert record.pbx is not None
    secrets = [agreement.rx.key, agreement.rx.salt, agreement.tx.key, agreement.tx.salt, record.rs1.octets, record.pbx]
    shown = repr([world.plane.plans, agreement.facts, agreement.secured, world.cache, agreement.rx, leg.keys])
    world.hang_up(a)
    shown += repr([world.records, world.events])
    for secret in secrets:
        assert len(secret) >= 14
        assert secret.hex() not in shown
        assert repr(bytes(secret))[2:-1] not in shown
    assert (agreement.rx, agreement.tx, agreement.secured) == (None, None, None)


def test_what_waits_for_time_stays_small_however_many_packets_come() -> None:
    world, a, b, _ = three()
    a.hello_after_s = 1000.0
    a.call("1001")
    world.run(1)
    hello = next(packet for packet in b.stream.received if packet[16:24] == b"Hello   ")
    message = Packet.parse(hello).message
    for round_ in range(400):
        other = bytearray(message)
        other[64 + round_ % 12] ^= 1 + round_ % 255
        world.inject(a.stream, Packet(round_, round_, bytes(other)).encode())
        world.run(0.02)
        assert len(world.exchange._zrtp_due) <= 8
    assert len(world.exchange._zrtp_wakes) <= 2
    zrtp = world.leg(a).zrtp
    assert zrtp is not None
    assert zrtp.session.counters.key_pairs <= 8
    assert len(zrtp.facts.warnings) <= 8
