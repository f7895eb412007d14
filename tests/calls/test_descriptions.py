"""Session descriptions at the edge of what phones send: refused or borne, and the call goes on."""

import pytest

from calls.scenes import all_gone, in_call, nobody_hangs, plan_of, three
from calls.world import EVENTS, OPUS, PCMA, PCMU, PREFER, World
from sealtone.sdp import Codec
from sealtone.sip import events as sip


def test_a_hold_that_lists_a_codec_not_agreed_changes_neither_clock_nor_record() -> None:
    world = World()
    a, b, _ = three(world)
    a.codecs, b.codecs = (PCMA, EVENTS), (OPUS, PCMA, EVENTS)
    in_call(world, a, b)
    b.hold(b.session)
    world.run(1)
    b.resume(b.session)
    world.run(1)
    assert plan_of(world, b).clock_rate == 8000
    b.do(b.session.bye)
    world.run(1)
    assert {leg.codec for leg in world.record.legs} == {"PCMA/8000"}


def test_the_codec_recorded_of_a_caller_is_the_one_it_chose_of_a_later_offer() -> None:
    world = World()
    a, b, _ = three(world)
    a.codecs, b.codecs = (PCMA, EVENTS), (PCMA, EVENTS)
    in_call(world, a, b)
    b.codecs = (PCMU, PCMA, EVENTS)
    b.hold(b.session)
    world.run(1)
    a.do(a.session.bye)
    world.run(1)
    assert {leg.codec for leg in world.record.legs} == {"PCMA/8000"}


def test_a_media_port_at_the_end_of_the_range_does_not_break_the_server() -> None:
    world = World()
    a, _, _ = three(world)
    body = a.offer().replace(b"m=audio 4000", b"m=audio 65535").replace(b"a=rtcp-mux\r\n", b"")
    a.call("1001", body=body)
    world.run(2)


def test_a_phone_that_uses_up_all_payload_types_does_not_break_the_server() -> None:
    world = World()
    a, b, _ = three(world)
    b.codecs = (PCMA,)
    a.codecs = (PCMA, *(Codec(number, f"x{number}", 8000) for number in range(96, 128)))
    in_call(world, a, b)
    a.codecs = (PCMA, Codec(96, "another", 8000))
    a.do(lambda now: a.session.offer(a.offer(), now))
    world.run(1)
    assert world.joined()


@pytest.mark.parametrize("what", ["port 0", "no audio", "video only", "garbage"])
def test_an_offer_without_usable_audio_in_mid_call_is_refused_and_the_call_goes_on(what: str) -> None:
    world = World()
    a, b, _ = three(world)
    in_call(world, a, b)
    body = a.offer()
    body = {
        "port 0": body.replace(b"m=audio 4000", b"m=audio 0"),
        "no audio": body[: body.index(b"m=audio")],
        "video only": body.replace(b"m=audio", b"m=video"),
        "garbage": b"\x00\xff",
    }[what]
    a.do(lambda now: a.session.offer(body, now))
    world.run(1)
    assert [event.status for event in a.saw(sip.OfferRejected)] == [488]
    assert world.joined()
    nobody_hangs(world)


def test_an_answer_that_refuses_audio_ends_the_call_on_both_sides() -> None:
    world = World()
    a, b, _ = three(world)
    b.answers = None
    a.call("1001")
    world.run(1)
    body = b.answer_body(b.session.remote_body).replace(b"m=audio 4000", b"m=audio 0")
    b.do(lambda now: b.session.accept(body, now))
    world.run(3)
    assert [event.status for event in a.saw(sip.Rejected)] == [488]
    all_gone(world)


def test_a_video_phone_keeps_its_lines_in_answers_and_later_offers() -> None:
    world = World()
    a, b, _ = three(world)
    video = b"m=video 5000 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\n"

    def with_video(body: bytes, port: bytes = b"m=audio") -> bytes:
        at = body.index(b"m=audio")
        return body[:at] + video + body[at:]

    a.on_event = lambda event: isinstance(event, sip.Answered)
    a.call("1001", body=with_video(a.offer()))
    world.run(2)
    answer = a.session.remote_body
    lines = [line for line in answer.split(b"\r\n") if line.startswith(b"m=")]
    assert lines[0].startswith(b"m=video 0 ")
    assert lines[1].startswith(b"m=audio ")
    seen: list[bytes] = []

    def note(event: sip.Event) -> bool:
        if isinstance(event, sip.OfferReceived) and event.session is a.session:
            seen.append(event.body)
            own = a.answer_body(event.body)
            at = own.index(b"m=audio")
            event.session.answer(own[:at] + b"m=video 0 RTP/AVP 99\r\n" + own[at:], world.now)
            return True
        return False

    a.on_event = note
    b.hold(b.session)
    world.run(1)
    lines = [line for line in seen[0].split(b"\r\n") if line.startswith(b"m=")]
    assert lines[0].startswith(b"m=video 0 ")
    assert lines[1].startswith(b"m=audio ")
    assert world.joined()


def test_two_audio_lines_are_answered_in_their_places() -> None:
    world = World()
    a = world.phone("1000", transport="tls", policy=PREFER)
    world.phone("1001")
    a.profile = "RTP/SAVP"
    secure = a.offer()
    at = secure.index(b"m=audio")
    plain = b"m=audio 4002 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
    a.on_event = lambda event: isinstance(event, sip.Answered)
    a.call("1001", body=secure[:at] + plain + secure[at:])
    world.run(2)
    lines = [line for line in a.session.remote_body.split(b"\r\n") if line.startswith(b"m=")]
    assert lines[0].startswith(b"m=audio 0 RTP/AVP")
    assert lines[1].split()[2] == b"RTP/SAVP"


def test_payload_types_that_clash_between_the_phones_are_mapped() -> None:
    world = World()
    a, b, _ = three(world)
    a.codecs = (Codec(96, "opus", 48000, 2), Codec(97, "telephone-event", 8000))
    b.codecs = (PCMA, Codec(97, "opus", 48000, 2), Codec(96, "telephone-event", 8000))

    a.call("1001")
    world.run(2)
    b.codecs = (Codec(97, "opus", 48000, 2), Codec(96, "telephone-event", 8000))
    b.hold(b.session)
    world.run(1)
    b.resume(b.session)
    world.run(1)
    assert a.session.state == b.session.state == "confirmed"
    ((x, y),) = world.joined()
    for leg in (x, y):
        assert world.plane.maps[leg]


def test_both_phones_may_hold_and_each_resumes_alone() -> None:
    world = World()
    a, b, _ = three(world)
    in_call(world, a, b)
    a.hold(a.session)
    world.run(1)
    b.hold(b.session)
    world.run(1)
    assert not any(plan.receive and plan.send for plan in world.plane.plans.values())
    a.resume(a.session)
    world.run(1)
    assert not plan_of(world, b).send
    b.resume(b.session)
    world.run(1)
    assert all(plan.send and plan.receive for plan in world.plane.plans.values())


def test_a_codec_change_during_hold_holds_on() -> None:
    world = World()
    a, b, _ = three(world)
    in_call(world, a, b)
    a.hold(a.session)
    world.run(1)
    a.codecs = (PCMU, EVENTS)
    a.hold(a.session)
    world.run(1)
    assert not plan_of(world, b).receive
    a.resume(a.session)
    world.run(1)
    assert all(plan.send and plan.receive for plan in world.plane.plans.values())
