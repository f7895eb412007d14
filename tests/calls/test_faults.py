"""Faults of the server itself: they cost the call they happen in, and no other."""

from dataclasses import replace

import pytest

from calls.media import ALL_CODECS, BookedPlane
from calls.scenes import in_call, three
from calls.world import World
from sealtone.model import DomainRecording, RecordingPolicy, RecordingTerms


class FailingPlane(BookedPlane):
    """A media core in which the named commands fail."""

    def __init__(self, *commands: str) -> None:
        super().__init__()
        for command in commands:
            setattr(self, command, self._fail)

    def _fail(self, *_: object) -> None:
        raise RuntimeError("the media core is gone")


def failing(*commands: str) -> World:
    world = World(ring_timeout_s=5)
    world.plane = world.exchange.plane = FailingPlane(*commands)
    world.may_fail = True
    return world


def test_a_fault_in_one_call_ends_that_call_with_a_record_and_no_other() -> None:
    world = failing()
    a, b, c = three(world)
    d = world.phone("1003")
    in_call(world, a, b)
    world.plane.bridge = world.plane._fail  # type: ignore[attr-defined]
    c.call("1003")
    world.run(2)
    assert a.session.state == b.session.state == "confirmed"
    assert c.session.state == d.session.state == "ended"
    assert "error" in world.kinds()
    assert world.record.caller == c.user.aor
    assert world.record.reason == "an error of the server"
    assert world.record.status == 500
    a.do(a.session.bye)
    world.run(1)
    assert not world.exchange.calls
    assert not world.plane.legs


@pytest.mark.parametrize("command", ["counters", "close_call", "update_leg"])
def test_a_call_that_cannot_even_be_ended_cleanly_is_counted_no_more(command: str) -> None:
    world = failing(command)
    a, b, _ = three(world)
    a.call("1001")
    world.run(2)
    a.do(a.session.bye)
    b.do(b.session.bye)
    world.run(2)
    assert "error" in world.kinds()
    assert not world.exchange.calls
    assert (world.exchange._per_user, world.exchange._legs, world.exchange._by_aor) == ({}, {}, {})


def test_a_recording_that_cannot_even_be_ended_costs_its_call_alone() -> None:
    world = failing("stop_recording")
    world.plane.known = ALL_CODECS
    a, b, c = three(world)
    d = world.phone("1003")
    a.user = replace(a.user, recording=RecordingTerms(RecordingPolicy.ALWAYS, DomainRecording(), "age1key"))
    in_call(world, a, b)
    assert len(world.plane.recordings) == 1
    in_call(world, c, d)
    a.do(a.session.bye)
    world.run(2)
    assert "error" in world.kinds()
    assert c.session.state == d.session.state == "confirmed"
    c.do(c.session.bye)
    world.run(2)
    assert not world.exchange.calls
    assert (world.exchange._per_user, world.exchange._legs, world.exchange._by_aor) == ({}, {}, {})


def test_the_time_limit_of_ringing_is_kept_in_the_calls_after_one_that_failed() -> None:
    world = failing("close_call")
    a, b, c = three(world)
    b.answers = None
    a.call("1001")
    c.call("1001")
    world.run(10)
    assert not world.exchange.calls
    assert len(world.records) == 2
    assert a.session.state == c.session.state == "ended"


def test_what_is_told_of_a_fault_holds_no_value_of_the_call() -> None:
    world = failing("bridge")
    a, _, _ = three(world)
    a.call("1001")
    world.run(2)
    (fault,) = [event for event in world.events if event.kind == "error"]
    assert fault.detail.startswith("RuntimeError in FailingPlane._fail line ")
