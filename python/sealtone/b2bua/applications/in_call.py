"""A call whose caller talks with an application: how it is answered, and how the application is run.

A phone whose codecs the server cannot make cannot be spoken to: it is echoed, or refused where that would be no answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sealtone.b2bua import zrtp_in_call
from sealtone.b2bua.applications.application import Application, Command, Commands, Compared, Echo, HangUp, Play
from sealtone.b2bua.applications.echo_test import EchoTest
from sealtone.b2bua.applications.enrolment import Enrolment
from sealtone.b2bua.applications.playing import can_hear, play, stop
from sealtone.b2bua.applications.who_can_hear import WhoCanHear
from sealtone.b2bua.codec_choice import decodable
from sealtone.b2bua.leg import Refused
from sealtone.b2bua.service import first_codec, own_codecs
from sealtone.model import LegSecurity
from sealtone.model.announcements import Language
from sealtone.model.directory import ECHO_SERVICE, ENROLMENT_SERVICE, WHO_CAN_HEAR_SERVICE

if TYPE_CHECKING:
    from collections.abc import Callable

    from sealtone.b2bua.call import Call
    from sealtone.b2bua.leg import Leg
    from sealtone.sip.message import Request

_APPLICATIONS: dict[str, Callable[[Language], Application]] = {
    ECHO_SERVICE: EchoTest,
    WHO_CAN_HEAR_SERVICE: WhoCanHear,
    ENROLMENT_SERVICE: Enrolment,
}
_KEYS = frozenset("0123456789*#ABCD")


class Run:
    """An application on the caller's leg. `reached`: what it was told of it last; None before it has begun."""

    __slots__ = ("application", "reached")

    def __init__(self, application: Application) -> None:
        self.application = application
        self.reached: LegSecurity | None = None


def serve(call: Call, name: str, now: float) -> None:
    """Answer the caller with a service of the server."""
    leg = call.a
    call.service = name
    leg.sealed = None
    leg.enrols = name == ENROLMENT_SERVICE
    if leg.enrols and not leg.user.policy.wants_zrtp:
        call.refuse(488, "Enrolment needs ZRTP: set this user's protection to zrtp", now)
        return
    codecs = leg.codecs_for_peer() if leg.described else own_codecs(leg)
    if name == WHO_CAN_HEAR_SERVICE and not decodable(codecs, call.exchange.encodings):
        call.refuse(488, "The server cannot speak to this phone: it makes none of its codecs", now)
        return
    try:
        if leg.is_answerable:
            body = leg.answer(first_codec(leg), leg.remote_direction().reverse)
        elif leg.described:
            body = leg.local_body()
        else:
            body = leg.offer(own_codecs(leg), None)
    except Refused as refusal:
        call.refuse(refusal.status, refusal.reason, now)
        return
    call.run = run_of(leg, name)
    leg.session.accept(body, now)
    call.state = "answered"
    call.answered_at = now
    if leg.described:
        call.link()
        zrtp_in_call.await_keys(call, now)
    call.tell("answered", f"{leg.aor} is answered by {name}; {call.drawn()}; {call.security_state()}")


def run_of(leg: Leg, name: str | None) -> Run | None:
    """A new run of the service's application for a leg; None where it has none, and is the echo alone."""
    make = _APPLICATIONS.get(name or "")
    return Run(make(leg.user.language)) if make is not None else None


def follow(call: Call) -> None:
    """The leg's plan is in force: the application begins, or is told what the leg reached now."""
    leg, run = call.a, call.run
    if run is None or (run.reached is None and leg.may_flow() and not can_hear(leg)):
        call.exchange.plane.echo(leg.port.id)
        return
    reached = leg.security()
    if reached == run.reached or not can_hear(leg):
        return
    begins, run.reached = run.reached is None, reached
    _play(leg, run.application.started(reached) if begins else run.application.reached(reached))


def on_digit(leg: Leg, digit: str, now: float) -> None:
    """A key of the caller's, from whichever way it came."""
    run = leg.call.run
    if run is not None and run.reached is not None:
        _obey(leg, run.application.digit(digit), now)


def on_played(leg: Leg, now: float) -> None:
    """All that the application played was heard."""
    run = leg.call.run
    if run is not None:
        _obey(leg, run.application.played(), now)


def key_in(request: Request) -> str:
    """The key that an INFO brings (application/dtmf-relay or application/dtmf); empty where it brings none."""
    kind = (request.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    text = request.body.decode("ascii", "replace")
    key = ""
    if kind == "application/dtmf":
        key = text.strip().upper()
    elif kind == "application/dtmf-relay":
        lines = (line.partition("=") for line in text.splitlines())
        key = next((value.strip().upper() for name, _, value in lines if name.strip().lower() == "signal"), "")
    return key if key in _KEYS else ""


def _obey(leg: Leg, commands: Commands, now: float) -> None:
    for command in commands:
        call = leg.call
        if call.state == "ended":
            return
        if isinstance(command, Compared):
            zrtp_in_call.note_comparison(leg, command.matches, now)
        elif isinstance(command, HangUp):
            call.hang_up(command.reason, now)
        else:
            _sound(leg, command)


def _play(leg: Leg, commands: Commands) -> None:
    """What follows from the leg's state is only ever sound."""
    for command in commands:
        _sound(leg, command)


def _sound(leg: Leg, command: Command) -> None:
    plane = leg.call.exchange.plane
    if isinstance(command, Play):
        plane.unbridge(leg.port.id)
        play(leg, command.sounds, "application")
    elif isinstance(command, Echo):
        stop(leg, "application")
        plane.echo(leg.port.id)
