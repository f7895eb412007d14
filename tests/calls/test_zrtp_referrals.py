"""Transfers of sealed and direct calls: the phones carry them out, and agree with each other on new keys."""

import pytest

from calls.referral_scenes import TransfersItself, in_sealed_call, three
from calls.scenes import all_gone, fragments, in_call, join, nobody_hangs, refer, take_over
from calls.world import PLAIN, REQUIRE
from calls.zrtp_world import DIRECT, ENDED, SEALED, SEALED_WISH, ZrtpPhone, ZrtpWorld
from sealtone.b2bua.referral import LIFETIME_S
from sealtone.model import CallState, LegPolicy, MediaPath, ZrtpStage
from sealtone.sip import events as sip

TO_C = "<sip:1002@office.example>"
OK = b"SIP/2.0 200 OK"


def answers(phone: ZrtpPhone) -> list[int]:
    return [event.status for event in phone.saw(sip.InDialogResponse)]  # type: ignore[attr-defined]


def hear_each_other(world: ZrtpWorld, one: ZrtpPhone, other: ZrtpPhone) -> None:
    """In their newest calls, by keys that the two have agreed on with each other."""
    before = one.stream.good, other.stream.good
    world.run(2)
    assert one.stream.secured.sas == other.stream.secured.sas
    assert not one.stream.secured.trusted_mitm
    assert one.stream.good > before[0] + 10
    assert other.stream.good > before[1] + 10
    through_server = world.security(one).media_path is MediaPath.SEALED
    assert one.stream.clear == other.stream.clear == 0 or not through_server


def still_talk(world: ZrtpWorld, a: ZrtpPhone, b: ZrtpPhone) -> None:
    before = a.streams[0].good, b.streams[0].good
    world.run(2)
    assert a.streams[0].good > before[0] + 10
    assert b.streams[0].good > before[1] + 10


def is_end_to_end(world: ZrtpWorld, phone: ZrtpPhone, path: MediaPath) -> None:
    security = world.security(phone)
    assert security.media_path is path
    assert world.stage(phone) is (ZrtpStage.SEEN if path is MediaPath.SEALED else ZrtpStage.ANNOUNCED)
    assert world.leg(phone).keys == (None, None)
    assert world.live.security_state() == CallState.END_TO_END


@pytest.mark.parametrize(("policy", "path"), [(SEALED, MediaPath.SEALED), (DIRECT, MediaPath.DIRECT)])
@pytest.mark.parametrize("who", ["caller", "callee"])
def test_after_a_blind_transfer_the_new_two_agree_with_each_other(policy: LegPolicy, path: MediaPath, who: str) -> None:
    world, a, b, c = three(policy, policy, policy)
    TransfersItself(b)
    in_sealed_call(world, *((a, b) if who == "caller" else (b, a)))
    old = b.stream.secured.sas
    refer(a, a.session, TO_C)
    world.run(4)
    assert fragments(a)[-1] == OK
    assert b.stream.secured.sas != old
    hear_each_other(world, b, c)
    is_end_to_end(world, b, path)
    assert b.streams[0].over
    nobody_hangs(world)
    (before,) = world.records
    assert (before.reason, before.state) == ("transferred", CallState.END_TO_END)
    world.hang_up(c)
    assert world.records[-1].state is CallState.END_TO_END
    assert (world.records[-1].caller, world.records[-1].callee) == (b.user.aor, c.user.aor)
    all_gone(world)


def test_where_the_target_ends_in_the_server_so_do_both_new_legs_and_the_phone_is_told() -> None:
    world, a, b, c = three(SEALED, SEALED, ENDED)
    TransfersItself(b)
    in_sealed_call(world, a, b)
    refer(a, a.session, TO_C)
    world.run(4)
    assert fragments(a)[-1] == OK
    assert b.stream.secured.trusted_mitm
    assert world.security(b).media_path is MediaPath.SERVER
    assert world.live.security_state() == CallState.PROTECTED_TO_SERVER
    assert b.stream.good > 5
    assert c.stream.good > 5
    assert b.stream.clear == c.stream.clear == 0


def test_a_target_without_encryption_makes_an_open_call_and_says_so() -> None:
    world, a, b, c = three(SEALED, SEALED, PLAIN)
    TransfersItself(b)
    in_sealed_call(world, a, b)
    refer(a, a.session, TO_C)
    world.run(4)
    assert world.live.security_state() == CallState.OPEN
    assert b.stream.good > 5
    assert b.stream.clear == 0
    assert c.stream.clear > 5


@pytest.mark.parametrize(
    ("target", "status"),
    [(TO_C, 486), ("<sip:1009@office.example>", 404), ("<sip:*43@office.example>", 488)],
    ids=["busy", "nobody", "a service"],
)
def test_a_transfer_that_fails_is_told_and_leaves_the_sealed_call_as_it_was(target: str, status: int) -> None:
    world, a, b, c = three(SEALED, SEALED, SEALED)
    TransfersItself(b)
    c.answers = 486
    in_sealed_call(world, a, b)
    refer(a, a.session, target)
    world.run(4)
    assert answers(a)[0] == 202
    assert fragments(a)[-1].startswith(f"SIP/2.0 {status} ".encode())
    assert len(world.exchange.calls) == 1
    still_talk(world, a, b)
    refer(a, a.session, target)
    assert [event.status for event in a.saw(sip.InDialogResponse)] == [202]  # type: ignore[attr-defined]
    world.run(3)
    assert answers(a) == [202, 202], "it may be tried again"


def test_a_target_whose_policy_cannot_be_met_is_not_called_and_the_sealed_call_stays() -> None:
    """1002 requires keys in the signalling, and its connection is not TLS."""
    world, a, b, _ = three(SEALED, SEALED, REQUIRE)
    TransfersItself(b)
    in_sealed_call(world, a, b)
    refer(a, a.session, TO_C)
    world.run(4)
    assert fragments(a)[-1].startswith(b"SIP/2.0 488 ")
    assert len(world.exchange.calls) == 1
    still_talk(world, a, b)


@pytest.mark.parametrize("how", ["does not allow REFER", "refuses it"])
def test_a_phone_that_cannot_transfer_itself_stays_where_it_is_and_who_asked_is_told(how: str) -> None:
    world, a, b, _ = three(SEALED, SEALED, SEALED)
    in_sealed_call(world, a, b)
    if how == "refuses it":

        def refuse(event: sip.Event) -> bool:
            if isinstance(event, sip.InDialogRequest) and event.request.method == "REFER":
                b.endpoint.respond(event.tx, 603, world.now)
                return True
            return False

        b.on_event = refuse
    else:
        world.leg(b).session.remote_allow = frozenset(("INVITE", "ACK", "BYE", "CANCEL"))
    refer(a, a.session, TO_C)
    world.run(3)
    if how == "refuses it":
        assert fragments(a)[-1].startswith(b"SIP/2.0 603 ")
    else:
        assert answers(a) == [603]
        (answer,) = a.saw(sip.InDialogResponse)
        assert "does not take part in transfers" in answer.response.reason  # type: ignore[attr-defined]
    still_talk(world, a, b)


def test_a_report_is_passed_on_once_however_often_it_comes_and_what_is_none_is_passed_over() -> None:
    world, a, b, _ = three(SEALED, SEALED, SEALED)
    in_sealed_call(world, a, b)
    refer(a, a.session, TO_C)
    world.run(1)
    headers = (("Event", "refer"), ("Subscription-State", "active"))
    for fragment in (
        b"SIP/2.0 180 Ringing\r\n",
        b"SIP/2.0 180 \xff evil",
        b"",
        b"SIP/2.0 999 No",
        b"garbage",
        b"SIP/2.0 -1",
    ):
        for _ in range(3):
            b.do(lambda now, body=fragment: b.session.request("NOTIFY", now, headers, body, "message/sipfrag"))
    world.run(1)
    assert fragments(a) == [b"SIP/2.0 100 Trying", b"SIP/2.0 180 Ringing"]
    still_talk(world, a, b)


def test_a_phone_that_never_says_how_it_went_is_not_waited_for_for_ever() -> None:
    world, a, b, _ = three(SEALED, SEALED, SEALED)  # b accepts the REFER, and does nothing
    in_sealed_call(world, a, b)
    refer(a, a.session, TO_C)
    world.run(LIFETIME_S + 1)
    assert fragments(a)[-1].startswith(b"SIP/2.0 408 ")
    still_talk(world, a, b)


@pytest.mark.parametrize(
    ("policies", "path"),
    [
        ((SEALED, SEALED, SEALED), MediaPath.SEALED),
        ((DIRECT, DIRECT, DIRECT), MediaPath.DIRECT),
        ((SEALED_WISH, SEALED, SEALED_WISH), MediaPath.SEALED),
        ((SEALED, ENDED, SEALED), MediaPath.SERVER),
        ((SEALED, SEALED, ENDED), MediaPath.SERVER),
    ],
    ids=["sealed", "direct", "wishes", "the first ends here", "the second ends here"],
)
@pytest.mark.parametrize("who", ["a calls c", "c calls a"])
def test_after_an_attended_transfer_the_other_two_agree_anew(
    policies: tuple[LegPolicy, ...], path: MediaPath, who: str
) -> None:
    world, a, b, c = three(*policies)
    followed = TransfersItself(b)
    TransfersItself(c)
    in_call(world, a, b)
    world.run(2)
    first = a.session
    a.hold(first)
    world.run(0.5)
    a.direction = a.direction.SENDRECV
    in_call(world, *((a, c) if who == "a calls c" else (c, a)))
    world.run(2)
    second = a.session
    join(a, first, second)
    world.run(4)
    assert fragments(a)[-1] == OK
    assert followed.told == [100, 200]
    assert {session.state for session in (first, second)} == {"ended"}
    assert world.security(b).media_path is path
    if path is MediaPath.SERVER:
        assert world.live.security_state() == CallState.PROTECTED_TO_SERVER
        assert b.stream.good > 5
        assert c.stream.good > 5
    else:
        hear_each_other(world, b, c)
        is_end_to_end(world, b, path)
    nobody_hangs(world)
    world.hang_up(b)
    assert [record.reason for record in world.records[:2]] == ["transferred"] * 2
    all_gone(world)


def test_the_phone_that_is_transferred_learns_nothing_of_the_second_call_but_whom_to_call() -> None:
    world, a, b, c = three(SEALED, SEALED, SEALED)
    followed = TransfersItself(b)
    TransfersItself(c)
    first = in_sealed_call(world, a, b)
    second = in_sealed_call(world, a, c)
    join(a, first, second)
    world.run(3)
    (asked,) = followed.asked
    assert asked.address.uri == "sip:1002@office.example"
    assert asked.replaces is not None
    assert second.call_id not in str(asked)
    assert second.local_tag not in str(asked)
    hear_each_other(world, b, c)


def test_what_permits_to_take_a_call_over_is_of_use_to_one_user_once() -> None:
    world, a, b, c = three(SEALED, SEALED, SEALED)
    d = world.phone("1003", policy=SEALED)
    followed = TransfersItself(b)
    TransfersItself(c)
    first = in_sealed_call(world, a, b)
    second = in_sealed_call(world, a, c)
    join(a, first, second)
    world.run(0.025)  # b has the REFER now
    (asked,) = followed.asked
    d.call("1002", headers=(("Replaces", str(asked.replaces)),))
    world.run(3)
    (rejected,) = d.saw(sip.Rejected)
    assert rejected.status == 481  # type: ignore[attr-defined]
    hear_each_other(world, b, c)
    b.call("1002", headers=(("Replaces", str(asked.replaces)),))
    world.run(1)
    assert [each.status for each in b.saw(sip.Rejected)] == [481]  # type: ignore[attr-defined]


def test_a_third_phone_without_replaces_is_not_joined_and_both_calls_stay() -> None:
    world, a, b, c = three(SEALED, SEALED, SEALED)
    TransfersItself(b)
    first = in_sealed_call(world, a, b)
    second = in_sealed_call(world, a, c)
    world.leg(c).session.remote_supported = frozenset(("timer",))
    join(a, first, second)
    world.run(2)
    assert answers(a) == [603]
    assert len(world.exchange.calls) == 2


def test_an_attended_transfer_that_the_third_phone_refuses_leaves_both_calls() -> None:
    world, a, b, c = three(SEALED, SEALED, SEALED)
    TransfersItself(b)
    first = in_sealed_call(world, a, b)
    second = in_sealed_call(world, a, c)
    c.answers = 603
    join(a, first, second)
    world.run(3)
    assert fragments(a)[-1].startswith(b"SIP/2.0 603 ")
    assert len(world.exchange.calls) == 2
    assert first.state == second.state == "confirmed"
    still_talk(world, a, b)


def test_a_sealed_call_taken_over_is_sealed_with_the_new_phone() -> None:
    world, a, b, c = three(SEALED, SEALED, SEALED)
    TransfersItself(a)
    in_sealed_call(world, a, b)
    take_over(a, b, c)
    world.run(4)
    hear_each_other(world, a, c)
    is_end_to_end(world, a, MediaPath.SEALED)
    assert b.session.state == "ended"
    world.hang_up(a)
    all_gone(world)


def test_while_one_transfer_is_under_way_another_is_refused() -> None:
    world, a, b, _ = three(SEALED, SEALED, SEALED)  # b accepts the REFER, and does nothing
    in_sealed_call(world, a, b)
    refer(a, a.session, TO_C)
    world.run(1)
    refer(a, a.session, TO_C)
    world.run(1)
    assert answers(a) == [202, 603]


@pytest.mark.parametrize("who", ["a", "b"])
def test_who_hangs_up_during_a_transfer_leaves_nothing_behind(who: str) -> None:
    world, a, b, _ = three(SEALED, SEALED, SEALED)
    in_sealed_call(world, a, b)
    refer(a, a.session, TO_C)
    world.run(1)
    world.hang_up(a if who == "a" else b)
    all_gone(world)


def test_where_who_asked_hangs_up_both_calls_at_once_the_third_phone_is_called_all_the_same() -> None:
    world, a, b, c = three(SEALED, SEALED, SEALED)
    TransfersItself(b)
    first = in_sealed_call(world, a, b)
    second = in_sealed_call(world, a, c)
    join(a, first, second)
    world.run(0.025)
    a.do(first.bye)
    a.do(second.bye)
    world.run(4)
    hear_each_other(world, b, c)
    is_end_to_end(world, b, MediaPath.SEALED)
    nobody_hangs(world)
