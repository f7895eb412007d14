"""ZRTP that passes through the server sealed: what the phones tell each other, what is seen, what is warned about."""

import gc

import pytest

from calls.scenes import all_gone
from calls.world import OPUS, PCMU, PLAIN
from calls.zrtp_world import ENDED, SEALED, SEALED_WISH, ZrtpPhone, ZrtpWorld
from sealtone.b2bua.leg import Leg
from sealtone.b2bua.sealed_path import SealedPath
from sealtone.b2bua.zrtp_agreement import ZrtpAgreement
from sealtone.model import CallState, LegPolicy, MediaPath, Protection, ZrtpStage
from sealtone.sdp import read_audio
from sealtone.sip import events as sip
from sealtone.zrtp.message import Kind, build
from sealtone.zrtp.packet import Packet


def sealed(policy: LegPolicy = SEALED, **world: object) -> tuple[ZrtpWorld, ZrtpPhone, ZrtpPhone]:
    found = ZrtpWorld(**world)  # type: ignore[arg-type]
    return found, found.phone("1000", policy=policy), found.phone("1001", policy=policy)


def stage(world: ZrtpWorld, phone: ZrtpPhone) -> ZrtpStage:
    zrtp = world.security(phone).zrtp
    assert zrtp is not None
    return zrtp.stage


def notice(kind: Kind, body: bytes = b"", sequence: int = 9000) -> bytes:
    return Packet(sequence, 1, build(kind, body)).encode()


def test_the_phones_agree_with_each_other_and_the_server_has_no_keys() -> None:
    world, a, b = sealed()
    a.call("1001")
    world.run(3)
    assert a.stream.secured.sas == b.stream.secured.sas
    assert not a.stream.secured.trusted_mitm
    for phone in (a, b):
        security = world.security(phone)
        assert security.media_path is MediaPath.SEALED
        assert security.protection is Protection.ZRTP
        assert world.leg(phone).keys == (None, None)
        assert world.leg(phone).zrtp is None
        zrtp = security.zrtp
        assert zrtp is not None
        assert zrtp.stage is ZrtpStage.SEEN
        assert (zrtp.sas, zrtp.cache, zrtp.key_agreement, zrtp.cipher) == ("", "", "X255", "AES1")
        assert zrtp.hello_hash_matched is True
        assert phone.stream.good > 10
        assert phone.stream.clear == 0
    assert world.cache == {}
    assert all(plan.rx is None and plan.tx is None for plan in world.plane.plans.values())
    world.hang_up(a)
    assert world.record.state is CallState.END_TO_END
    all_gone(world)


def test_every_octet_of_zrtp_arrives_as_it_was_sent() -> None:
    world, a, b = sealed()
    sent: list[bytes] = []

    def note(packet: bytes, to: str) -> bytes:
        if to == "server":
            sent.append(packet)
        return packet

    world.tap = note
    a.call("1001")
    world.run(3)
    arrived = a.stream.received + b.stream.received
    assert len(arrived) >= 10
    assert set(arrived) <= set(sent)


@pytest.mark.parametrize("loss", [0.0, 0.05])
@pytest.mark.parametrize("latency_s", [0.005, 0.05, 0.1])
def test_what_the_phones_say_before_both_have_keys_does_not_pass(latency_s: float, loss: float) -> None:
    for seed in range(1, 11):
        world, a, b = sealed(latency_s=latency_s, voice_s=0.02, loss=loss, seed=seed)
        a.call("1001")
        world.run(5)
        assert a.stream.good > 50
        assert b.stream.good > 50
        assert a.stream.clear == b.stream.clear == 0, f"seed {seed}"


@pytest.mark.parametrize("late_offer", [False, True])
def test_the_hash_passes_unchanged_and_the_other_ones_address_does_not(late_offer: bool) -> None:
    world, a, b = sealed()
    if late_offer:
        a.call("1001", body=None)
    else:
        a.call("1001")
    world.run(3)
    for phone, other in ((a, b), (b, a)):
        assert other.stream.zrtp is not None
        hash_line = f"a=zrtp-hash:{other.stream.zrtp.hello_hash}\r\n".encode()
        said = [message for message in world.wire if hash_line in message]
        assert said, "the other phone's hash reached this one"
        for message in said:
            assert other.address[0].encode() not in message.partition(b"\r\n\r\n")[2]
        assert phone.stream.good > 10
        zrtp = phone.stream.secured
        assert zrtp.sas == other.stream.secured.sas


@pytest.mark.parametrize("late_offer", [False, True])
def test_a_callee_that_answers_with_other_numbers_is_taken_at_its_word_on_both_sides(late_offer: bool) -> None:
    world, a, b = sealed()
    a.codecs = (OPUS, PCMU)
    b.codecs = (OPUS._replace(payload_type=111), PCMU)
    b.renumbers = True
    session = a.call("1001", body=None if late_offer else b"")
    world.run(3)
    assert b.stream.good > 10, "what a sends under b's number reaches b"
    assert a.stream.good > 10
    assert {packet.payload_type for packet in b.stream.heard} <= set(
        world.plane.plans[world.leg(b).port.id].payload_types
    )
    for _ in range(2):
        a.hold(session)
        world.run(1)
        a.resume(session)
        world.run(1)
    heard = a.stream.good, b.stream.good
    world.run(2)
    assert a.stream.good > heard[0] + 10
    assert b.stream.good > heard[1] + 10


def test_a_new_codec_of_a_sealed_call_has_the_same_number_on_both_sides() -> None:
    world, a, b = sealed()
    session = a.call("1001")
    world.run(3)
    a.codecs = (OPUS._replace(payload_type=108), PCMU)
    b.codecs = (OPUS._replace(payload_type=96), PCMU)
    heard: list[bytes] = []

    def note(event: sip.Event) -> bool:
        if isinstance(event, sip.OfferReceived):
            heard.append(event.body)
        return False

    b.on_event = note
    a.offer_anew(session)
    world.run(3)
    (body,) = heard
    assert [codec.payload_type for codec in read_audio(body).codecs] == [108, 0]
    assert a.stream.types == b.stream.types == (108,)


@pytest.mark.parametrize("seed", range(1, 26))
def test_with_a_third_of_all_packets_lost_the_call_is_sealed_all_the_same(seed: int) -> None:
    world, a, b = sealed(seed=seed, loss=0.163)  # on each of the two hops, so 0.3 from phone to phone
    a.call("1001")
    world.run(20)
    assert a.stream.secured.sas == b.stream.secured.sas
    assert stage(world, a) is ZrtpStage.SEEN
    assert a.stream.good > 10
    assert b.stream.good > 10


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("policy", [SEALED, SEALED_WISH])
def test_a_hello_eight_seconds_late_is_in_time(late: int, policy: LegPolicy) -> None:
    world, *phones = sealed(policy)
    phones[late].hello_after_s = 8.0
    phones[0].call("1001")
    world.run(12)
    for phone in phones:
        assert stage(world, phone) is ZrtpStage.SEEN
        assert phone.stream.good > 5
    assert all(packet.key is not None for _, packet in world.from_server)


@pytest.mark.parametrize("required", ["caller", "callee"])
def test_where_either_user_requires_it_nothing_is_heard_without_it_and_the_call_ends(required: str) -> None:
    world = ZrtpWorld()
    a = world.phone("1000", policy=SEALED if required == "caller" else SEALED_WISH)
    b = world.phone("1001", policy=SEALED if required == "callee" else SEALED_WISH)
    b.zrtp = False
    a.call("1001")
    world.run(29)
    assert b.session.state == "confirmed"
    world.run(2)
    assert world.from_server == []
    assert "did not come to keys in time" in world.record.reason
    assert world.record.state is CallState.OPEN
    all_gone(world)


@pytest.mark.parametrize("announces", [True, False])
def test_a_wish_that_the_other_phone_does_not_fulfil_is_open_and_said_so(announces: bool) -> None:
    world, a, b = sealed(SEALED_WISH)
    if announces:
        b.hello_after_s = 1000.0
    else:
        b.zrtp = False
    a.call("1001")
    world.run(20)
    assert stage(world, a) is ZrtpStage.ABSENT
    assert b.stream.clear > 10
    assert world.security(a).note == "The phone does not answer to ZRTP."
    world.hang_up(a)
    assert world.record.state is CallState.OPEN


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
@pytest.mark.parametrize("a_policy", [SEALED, SEALED_WISH])
@pytest.mark.parametrize("what", ["hash dropped", "hash dropped by the callee", "SDES", "SDES by the callee"])
def test_a_running_sealed_call_is_not_lowered_where_it_is_required(what: str, a_policy: LegPolicy, method: str) -> None:
    world = ZrtpWorld()
    a = world.phone("1000", transport="tls", policy=a_policy)
    b = world.phone("1001", transport="tls", policy=SEALED)
    a.call("1001")
    world.run(3)
    who = b if "callee" in what else a
    if "SDES" in what:
        who.secure, who.profile = True, "RTP/SAVP"
    else:
        who.announces = False
    who.session.prefer_update = method == "UPDATE"
    who.offer_anew(who.session)
    world.run(2)
    (rejected,) = who.saw(sip.OfferRejected)
    assert rejected.status == 488  # type: ignore[attr-defined]
    assert len(world.told("refused")) == 1
    assert "ZRTP" in world.told("refused")[0]
    assert stage(world, a) is ZrtpStage.SEEN
    heard = a.stream.good, b.stream.good
    world.run(2)
    assert a.stream.good > heard[0] + 10
    assert b.stream.good > heard[1] + 10
    world.hang_up(a)
    assert world.record.state is CallState.END_TO_END


def test_an_answer_that_lowers_it_ends_the_call() -> None:
    world, a, b = sealed()
    session = a.call("1001")
    world.run(3)
    b.announces = False
    a.hold(session)
    world.run(2)
    assert a.session.state == b.session.state == "ended"
    assert "ZRTP is required" in world.record.reason


def test_who_only_wishes_for_it_and_gives_it_up_is_noted() -> None:
    world, a, b = sealed(SEALED_WISH)
    session = a.call("1001")
    world.run(3)
    a.announces = False
    a.offer_anew(session)
    world.run(2)
    assert not world.told("refused")
    assert "1000@office.example: The phone gave up the ZRTP of a running call." in world.told("warned")
    world.hang_up(b)
    assert world.recorded(a).security.note == "The phone gave up the ZRTP of a running call."


def test_keys_in_the_signalling_never_open_a_sealed_call() -> None:
    world = ZrtpWorld()
    a = world.phone("1000", transport="tls", policy=SEALED_WISH)
    world.phone("1001", transport="tls", policy=SEALED_WISH)
    session = a.call("1001")
    world.run(3)
    a.secure, a.profile = True, "RTP/SAVP"
    a.offer_anew(session)
    world.run(2)
    assert "agree on keys with each other" in world.told("refused")[0]
    assert world.leg(a).keys == (None, None)


def test_an_agreement_to_go_clear_is_warned_about_at_once_and_nothing_passes_any_more() -> None:
    world, a, b = sealed()
    a.call("1001")
    world.run(3)
    world.inject(a.stream, notice(Kind.GO_CLEAR, bytes(8)))
    assert "1000@office.example: The phone asked the other one to go on without encryption (ZRTP GoClear)." in (
        world.told("warned")
    )
    assert stage(world, a) is ZrtpStage.SEEN, "asking alone lowers nothing"
    world.inject(b.stream, notice(Kind.CLEAR_ACK))
    assert any("ClearACK" in told for told in world.told("warned"))
    assert stage(world, a) is ZrtpStage.FAILED
    assert world.security(a).protection is Protection.NONE
    voiced = len(world.from_server)
    world.run(29)
    assert len(world.from_server) == voiced
    assert a.session.state == "confirmed"
    world.run(2)
    assert "did not come to keys" in world.record.reason
    zrtp = world.record.legs[0].security.zrtp
    assert zrtp is not None
    assert any("GoClear" in warning for warning in zrtp.warnings)


def test_an_acknowledgement_that_nobody_asked_for_lowers_nothing() -> None:
    world, a, b = sealed()
    a.call("1001")
    world.run(3)
    world.inject(b.stream, notice(Kind.CLEAR_ACK))
    world.inject(b.stream, notice(Kind.GO_CLEAR, bytes(8)))
    world.inject(b.stream, notice(Kind.CLEAR_ACK))
    assert stage(world, a) is ZrtpStage.SEEN


def test_a_new_agreement_that_comes_to_nothing_is_warned_about() -> None:
    world, a, b = sealed()
    a.call("1001")
    world.run(3)
    commit = next(packet for packet in a.stream.received + b.stream.received if packet[16:24] == b"Commit  ")
    again = bytearray(Packet.parse(commit).message)
    again[20] ^= 1
    world.inject(a.stream, Packet(9000, 1, bytes(again)).encode())
    world.run(1)
    world.inject(a.stream, notice(Kind.ERROR, (0x51).to_bytes(4, "big"), 9001))
    assert any("error after keys had been agreed on" in told for told in world.told("warned"))
    world.run(12)
    assert any("came to nothing" in told for told in world.told("warned"))
    assert stage(world, a) is ZrtpStage.SEEN
    world.hang_up(a)
    zrtp = world.recorded(a).security.zrtp
    assert zrtp is not None
    assert len(zrtp.warnings) == 2


def test_a_repeated_commit_is_no_new_agreement() -> None:
    world, a, b = sealed()
    a.call("1001")
    world.run(3)
    for phone in (a, b):
        for packet in phone.stream.received:
            if packet[16:24] == b"Commit  ":
                world.inject(b.stream if phone is a else a.stream, packet)
    world.run(13)
    assert not world.told("warned")
    assert stage(world, a) is ZrtpStage.SEEN


def test_a_hello_that_signalling_did_not_announce_is_warned_about() -> None:
    world, a, b = sealed()
    a.call("1001")
    world.run(3)
    hello = next(packet for packet in b.stream.received if packet[16:24] == b"Hello   ")
    other = bytearray(Packet.parse(hello).message)
    other[60] ^= 1
    world.inject(a.stream, Packet(9000, 1, bytes(other)).encode())
    assert any("not the one that its signalling announced" in told for told in world.told("warned"))


def test_hellos_that_alternate_are_warned_about_once() -> None:
    world, a, b = sealed()
    a.call("1001")
    world.run(3)
    hello = next(packet for packet in b.stream.received if packet[16:24] == b"Hello   ")
    other = bytearray(Packet.parse(hello).message)
    for number in range(1, 60):
        other[60] = number
        world.inject(a.stream, Packet(9000 + number, 1, bytes(other)).encode())
        world.inject(a.stream, hello)
        world.run(0.05)
    assert len(world.told("warned")) == 1
    zrtp = world.security(a).zrtp
    assert zrtp is not None
    assert len(zrtp.warnings) == 1, "it stays in the record though the phone is itself again"


@pytest.mark.parametrize("policy", [SEALED, ENDED])
def test_a_call_that_is_over_is_freed_at_once(policy: LegPolicy) -> None:
    world, a, _ = sealed(policy)
    a.call("1001")
    world.run(3)
    gc.collect()
    gc.disable()
    try:
        before = kept()
        world.hang_up(a)
        world.run(1)
        assert kept() < before
        assert kept() == 0
    finally:
        gc.enable()


def kept() -> int:
    kinds = (Leg, SealedPath, ZrtpAgreement)
    return sum(isinstance(each, kinds) for each in gc.get_objects())


def test_a_wish_is_not_held_up_for_ever_by_an_agreement_that_stays_unfinished() -> None:
    world, a, b = sealed(SEALED_WISH)
    world.tap = lambda packet, to: None if packet[16:24] == b"Confirm1" else packet
    a.call("1001")
    world.run(11)
    assert world.from_server == []
    world.run(5)
    assert stage(world, a) is ZrtpStage.FAILED
    assert b.stream.clear > 5
    world.hang_up(a)
    assert world.record.state is CallState.OPEN


def test_early_media_is_sealed_too() -> None:
    world, a, b = sealed()
    b.early_media, b.answers = True, None
    a.call("1001")
    world.run(3)
    assert world.live.state == "ringing"
    assert a.stream.secured.sas == b.stream.secured.sas
    assert a.stream.good > 5
    b.do(lambda now: b.pick_up(b.session, now))
    world.run(2)
    assert b.stream.good > 10
    world.hang_up(a)
    assert world.record.state is CallState.END_TO_END


def test_of_forked_phones_each_branch_has_its_own_path() -> None:
    world = ZrtpWorld()
    a = world.phone("1000", policy=SEALED)
    seals, ends = world.phone("1001", policy=SEALED), world.phone("1001", policy=ENDED)
    for phone in (seals, ends):
        phone.answers = None
    a.call("1001")
    world.run(1)
    ends.do(lambda now: ends.pick_up(ends.session, now))
    world.run(3)
    assert world.security(a).media_path is world.security(ends).media_path is MediaPath.SERVER
    assert a.stream.secured.trusted_mitm
    assert a.stream.good > 10
    world.hang_up(a)
    a.call("1001")
    world.run(1)
    seals.do(lambda now: seals.pick_up(seals.session, now))
    world.run(3)
    assert world.security(a).media_path is world.security(seals).media_path is MediaPath.SEALED
    assert a.stream.secured.sas == seals.stream.secured.sas


@pytest.mark.parametrize("then", ["seals", "ends", "plain"])
def test_a_redirect_after_early_media_changes_the_path_with_the_phone(then: str) -> None:
    world = ZrtpWorld()
    a, b = world.phone("1000", policy=SEALED_WISH), world.phone("1001", policy=SEALED_WISH)
    policy = {"seals": SEALED_WISH, "ends": ENDED, "plain": PLAIN}[then]
    c = world.phone("1002", policy=policy)
    b.early_media, b.answers = True, None
    session = a.call("1001")
    world.run(0.06)
    b.do(lambda now: b.session.reject(302, now, None, (("Contact", "<sip:1002@office.example>"),)))
    world.run(15)
    assert session.state == "confirmed"
    path = MediaPath.SEALED if then == "seals" else MediaPath.SERVER
    assert world.security(a).media_path is world.security(c).media_path is path
    assert (world.leg(a).zrtp is not None) == (then != "seals")
    assert not world.told("error")
    world.hang_up(a)
    all_gone(world)


def test_a_phone_whose_keys_are_with_the_server_already_is_not_sealed_afterwards() -> None:
    world = ZrtpWorld()
    a, b, c = world.phone("1000", policy=SEALED), world.phone("1001", policy=ENDED), world.phone("1002", policy=SEALED)
    b.early_media, b.answers = True, None
    a.call("1001")
    world.run(2)
    assert a.stream.secured.trusted_mitm
    b.do(lambda now: b.session.reject(302, now, None, (("Contact", "<sip:1002@office.example>"),)))
    world.run(3)
    assert world.security(a).media_path is world.security(c).media_path is MediaPath.SERVER
    assert a.stream.good > 10
    assert c.stream.good > 10
    assert c.stream.clear == 0


def test_an_agreement_that_goes_well_is_not_called_a_failure_meanwhile() -> None:
    """Neither phone announced it; both speak it all the same, and may until then in the clear."""
    world, a, b = sealed(SEALED_WISH, latency_s=0.05)
    a.announces = b.announces = False
    a.call("1001")
    world.run(5)
    assert stage(world, a) is ZrtpStage.SEEN
    assert world.told("warned") == []
    world.hang_up(a)
    assert world.record.state is CallState.OPEN, "it was open before"
