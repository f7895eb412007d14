"""How a call is recorded: begun by a user's policy, by its star code or by the command line; ended truthfully.

How it works, and its rules:

1. `settle` looks at a call after each of its steps and at the times it asked for: whether it is to be recorded, and
   still can be. Nothing else begins a recording that a policy wants.
2. A recording is of two legs that talk to each other through the server. A leg that leaves the call ends it; what comes
   of a transfer is another call, which is recorded if its own users wish it.
3. The notice comes first: an announcement is heard to its end before anything is recorded, a tone comes with the
   beginning and every `TONE_EVERY_S` (ITU-T E.182 has 15 s). Who is on hold hears the tone again afterwards; an
   announcement waits until nobody is, or begins anew then.
4. What ends by itself (a full disk, a codec process that died) is begun again by a policy after `RETRY_S`, some times;
   each is a file of its own, and the record says what was in the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sealtone.b2bua.applications.music_on_hold import holds
from sealtone.b2bua.applications.playing import can_hear, is_playing, makes_codec
from sealtone.b2bua.applications.prompts import spoken
from sealtone.b2bua.plane import CannotHear, RecordingWish
from sealtone.model import ConsentNotice, RecordingFacts, RecordingPolicy, SipUser
from sealtone.model.recording import DIRECT_PATH, NO_KEY, SEALED_PATH, insists_on_path, path_of

if TYPE_CHECKING:
    from sealtone.b2bua.call import Call
    from sealtone.b2bua.leg import Leg

STAR_CODE: Final = "*1"
STAR_CODE_S: Final = 3.0
"""From the first to the last digit of the star code at most."""
TONE_EVERY_S: Final = 15.0
_TONE_S: Final = 0.5
"""The tone is over then."""
TONE: Final = "recording-tone"
ANNOUNCEMENT: Final = "recording-notice"
RETRY_S: Final = 10.0
_MAX_TROUBLES: Final = 3
_MAX_RECORDINGS: Final = 100
"""Of one call: each press of the star code makes a file."""

_NOT_ANSWERED: Final = "There is no conversation to record: the call is not answered by a phone"
_NOT_FLOWING: Final = "Nothing can be heard in this call yet"
_ALWAYS: Final = "This call is always recorded, which a phone cannot end"
_TOO_MANY: Final = "This call has been recorded too often"
_MAY_NOT: Final = "This user may not record calls"
_UNHEARD: Final = "not recorded: a phone did not hear the announcement to its end"


class CallRecording:
    """What one call has of recordings. `number` is the media core's of the one that runs; `facts` are that one's."""

    __slots__ = (
        "announcing",
        "facts",
        "is_over",
        "number",
        "outcome",
        "recorded",
        "retry_at",
        "star",
        "tone_at",
        "troubles",
        "unmade",
    )

    def __init__(self) -> None:
        self.number: int | None = None
        self.facts: RecordingFacts | None = None
        self.recorded: tuple[str, ...] = ()
        self.outcome = ""
        """For whom the latest one was made."""
        self.unmade = ""
        """Why none was made when one was wished after that."""
        self.troubles: list[str] = []
        """Why recordings ended by themselves."""
        self.retry_at: float | None = None
        self.announcing: dict[int, int] = {}
        """Legs' ports that still hear the announcement, with the number of what plays. It waits where there are facts
        and neither this nor a `number`."""
        self.is_over = False
        """A person ended it, or it ended by itself too often: no policy begins it again."""
        self.tone_at: float | None = None
        self.star: tuple[Leg, float] | None = None

    @property
    def note(self) -> str:
        """For the call's record."""
        return "; ".join(filter(None, [self.outcome, *dict.fromkeys(self.troubles), self.unmade]))


def settle(call: Call, now: float) -> None:
    """After a step of the call: begin what a policy wants, end what cannot go on, repeat the tone."""
    course = call.recording
    if course.facts is not None:
        if objection := _objection(call):
            call.tell("warned", f"the recording ends: {objection}")
            end(call)
        elif course.number is None:
            try:
                _announce(call)
            except CannotHear as cannot:
                _give_up(call, cannot)
        elif course.tone_at is not None and now >= course.tone_at:
            _repeat_tone(call, now)
        return
    if course.is_over or (course.retry_at is not None and now < course.retry_at):
        return
    wishing = wishing_leg(call.a, call.b) if call.b is not None else None
    if wishing is None:
        return
    objection = _begin(call, wishing.user, wishing.aor, now)
    if objection and objection not in (_NOT_FLOWING, _NOT_ANSWERED):
        course.is_over = True
        course.unmade = f"not recorded, though {wishing.aor} is always to be: {objection}"
        call.tell("warned", course.note)


def wishing_leg(a: Leg, b: Leg) -> Leg | None:
    """The one of two legs whose user's calls are always recorded."""
    return next((leg for leg in (a, b) if leg.user.recording.policy is RecordingPolicy.ALWAYS), None)


def needs_server_path(a: Leg, b: Leg) -> bool:
    """Whether a call of these two ends in the server for the sake of its recording. Where it could not be recorded all
    the same, or a user insists on another path, it does not."""
    wishing = wishing_leg(a, b)
    if wishing is None or not wishing.user.recording.recipient:
        return False
    return not any(
        insists_on_path(leg.user.policy) or leg.user.recording.policy is RecordingPolicy.NEVER for leg in (a, b)
    )


def start(call: Call, user: SipUser | None, by: str, now: float) -> str:
    """Begin a recording that a person asks for; why not, in words, or "". `user`: for whom, else whoever has a key."""
    course = call.recording
    if course.facts is not None:
        return "This call is being recorded already"
    if user is None:
        users = [leg.user for leg in (call.a, call.b) if leg is not None]
        user = next((one for one in users if _key_of(call, one)), users[0])
    return _begin(call, user, by, now)


def objection(call: Call) -> str:
    """Why a person cannot have this call recorded now, in words; "" where nothing is in the way."""
    if found := _objection(call):
        return found
    users = [leg.user for leg in (call.a, call.b) if leg is not None]
    return "" if any(_key_of(call, user) for user in users) else NO_KEY


def stop(call: Call, by: str) -> str:
    """End the recording that runs because a person asks for it; why not, in words, or ""."""
    course = call.recording
    if course.facts is None:
        return "This call is not being recorded"
    course.is_over = True
    if course.number is None:
        course.unmade = f"not recorded: ended by {by} before the announcement was heard"
    call.tell("recording", f"ended by {by}")
    end(call)
    return ""


def end(call: Call) -> None:
    """Whatever runs ends; how it went is told by the media core (`on_ended`)."""
    course, plane = call.recording, call.exchange.plane
    _break_announcement(call)
    course.tone_at = None
    course.facts = None
    if course.number is not None:
        number, course.number = course.number, None
        plane.stop_recording(number)


def sounds_tone(call: Call, now: float) -> bool:
    """Whether both hear at this moment that they are recorded, which nothing may cut short."""
    tone_at = call.recording.tone_at
    return tone_at is not None and now < tone_at - TONE_EVERY_S + _TONE_S


def on_digit(leg: Leg, digit: str, now: float) -> None:
    """A digit that a leg's phone sent. It goes on to the other phone all the same."""
    call, course = leg.call, leg.call.recording
    star, course.star = course.star, None
    if digit == STAR_CODE[0]:
        course.star = (leg, now)
    elif digit == STAR_CODE[1] and star is not None and star[0] is leg and now - star[1] <= STAR_CODE_S:
        if course.facts is not None:
            always = call.b is not None and wishing_leg(call.a, call.b) is not None
            objection = _ALWAYS if always else stop(call, leg.aor)
        elif leg.user.recording.policy is RecordingPolicy.NEVER:
            objection = _MAY_NOT
        else:
            objection = start(call, leg.user, leg.aor, now)
        if objection:
            _tell_phone(leg, objection, now)


def on_played(leg: Leg, playing: int, now: float) -> None:
    """An announcement was heard to its end. Once both have heard it, the recording begins."""
    call, course = leg.call, leg.call.recording
    if course.announcing.get(leg.port.id) == playing:
        del course.announcing[leg.port.id]
        if not course.announcing and course.facts is not None and not _objection(call):
            try:
                _record(call, now)
            except CannotHear as cannot:
                _give_up(call, cannot)


def on_fault(leg: Leg, reason: str, now: float) -> None:
    """A phone cannot be played anything. Where it is to hear that it is recorded, it is not recorded any more."""
    call, facts = leg.call, leg.call.recording.facts
    if facts is not None and facts.notice is not ConsentNotice.NONE and leg in (call.a, call.b):
        _break_off(call, f"the phone of {leg.aor} cannot be told of it: {reason}")


def on_ended(call: Call, facts: RecordingFacts, number: int, now: float) -> None:
    """The media core has ended a recording, as it was told to or by itself; the call goes on."""
    call.exchange.tell_recording(facts)
    course = call.recording
    if course.number == number:
        course.number = course.facts = course.tone_at = None
        course.retry_at = now + RETRY_S
        course.is_over = len(course.troubles) >= _MAX_TROUBLES
        if not course.is_over:
            call.exchange.wake_call(call, course.retry_at)
    if facts.reason:
        course.troubles.append(facts.reason)
        call.tell("warned", f"recording {facts.id}: {facts.reason}")
    else:
        call.tell("recording", f"{facts.id} has ended after {facts.seconds:.0f} s")


def _objection(call: Call) -> str:
    """Why this call cannot be recorded now, for a person; "" where it can."""
    a, b = call.a, call.b
    if call.state != "answered" or b is None or a.call is not call or b.call is not call or call.transfer is not None:
        return _NOT_ANSWERED
    never = next((leg for leg in (a, b) if leg.user.recording.policy is RecordingPolicy.NEVER), None)
    if never is not None:
        return f"{never.aor} is never recorded"
    if a.sealed is not None:
        return DIRECT_PATH if a.sealed.direct else SEALED_PATH
    return _undecoded(a) or _undecoded(b)


def _undecoded(leg: Leg) -> str:
    """Why the server can neither record this leg nor tell its phone that it does; "" where it can both."""
    if makes_codec(leg):
        return ""
    sent = leg.transmits[0].encoding if leg.transmits else ""
    why = leg.call.exchange.plane.codecs().get(sent, "")
    if why:
        return f"The server has no codec for what the phone of {leg.aor} uses ({sent}: {why})"
    return f"The server has no codec for what the phone of {leg.aor} uses"


def _key_of(call: Call, user: SipUser) -> str:
    """A file that is being written keeps its key; the next one has that which the account has by then."""
    return call.exchange.directory.recording_key(user)


def _begin(call: Call, user: SipUser, by: str, now: float) -> str:
    course, a, b = call.recording, call.a, call.b
    terms, exchange = user.recording, call.exchange
    key = _key_of(call, user)
    if objection := _objection(call) or ("" if key else NO_KEY):
        return objection
    assert b is not None
    if not (a.may_flow() and b.may_flow()) or (call.notice is not None and call.notice.stage != "over"):
        return _NOT_FLOWING
    if len(course.recorded) >= _MAX_RECORDINGS:
        return _TOO_MANY
    started_at = exchange.settings.wall_of(now)
    recording_id, kind = exchange.entropy(8).hex(), terms.domain.format
    course.facts = RecordingFacts(
        id=recording_id,
        call_id=call.id,
        account_id=user.account_id,
        domain_id=user.domain_id,
        caller=a.aor,
        callee=b.aor,
        path=path_of(user.account_id, recording_id, kind, started_at),
        format=kind,
        notice=terms.domain.notice,
        recipient=key,
        started_by=by,
        started_at=started_at,
    )
    try:
        if terms.domain.notice is ConsentNotice.ANNOUNCEMENT:
            course.unmade = _UNHEARD
            _announce(call)
        else:
            _record(call, now)
    except CannotHear as cannot:  # without its notice nothing is recorded
        end(call)
        return str(cannot)
    return ""


def _announce(call: Call) -> None:
    """The announcement begins, to both at once, unless it runs. Who holds, or is on hold, would miss some of it: it
    waits then, and begins anew. Raises `CannotHear`."""
    course, plane = call.recording, call.exchange.plane
    if not all(can_hear(leg) and leg.remote_direction().receives and not is_playing(leg) for leg in call.legs()):
        _break_announcement(call)
    elif not course.announcing and course.facts is not None:
        for leg in call.legs():
            sounds = spoken(leg.user.language, ANNOUNCEMENT)
            course.announcing[leg.port.id] = plane.play(leg.port.id, sounds, exactly=True)
        call.tell("recording", f"announced, for {course.facts.started_by}")


def _break_announcement(call: Call) -> None:
    course, exchange = call.recording, call.exchange
    for port in course.announcing:
        if port not in exchange.playing:  # else something has taken its place
            exchange.plane.stop_playing(port)
    course.announcing = {}


def _give_up(call: Call, why: CannotHear) -> None:
    end(call)
    call.recording.is_over = True
    call.recording.unmade = f"not recorded: {why}"
    call.tell("warned", call.recording.note)


def _record(call: Call, now: float) -> None:
    course, exchange, b = call.recording, call.exchange, call.b
    assert course.facts is not None
    assert b is not None
    facts = course.facts = course.facts._replace(started_at=exchange.settings.wall_of(now))
    wish = RecordingWish(facts.path, facts.format.value, (facts.recipient,))
    if facts.notice is ConsentNotice.TONE:
        _sound_tone(call, now)
    course.number = exchange.plane.start_recording(call.a.port.id, b.port.id, wish)
    course.recorded += (facts.id,)
    course.outcome, course.unmade = f"recorded for {facts.started_by}", ""
    exchange.follow_recording(course.number, call, facts, now)
    call.tell("recording", f"{facts.id} has begun, for {facts.started_by}")


def _sound_tone(call: Call, now: float) -> None:
    course, exchange, b = call.recording, call.exchange, call.b
    assert b is not None
    for leg, other in ((call.a, b), (b, call.a)):
        if not holds(other):
            exchange.plane.play(leg.port.id, (TONE,), over=True, exactly=True)
    course.tone_at = now + TONE_EVERY_S
    exchange.wake_call(call, course.tone_at)


def _repeat_tone(call: Call, now: float) -> None:
    try:
        _sound_tone(call, now)
    except CannotHear as cannot:
        _break_off(call, f"its tone cannot be heard: {cannot}")


def _break_off(call: Call, why: str) -> None:
    """Nothing more is recorded of what a phone is not told of."""
    course = call.recording
    course.is_over = True
    course.troubles.append(f"the recording ends, since {why}")
    call.tell("warned", course.troubles[-1])
    end(call)


def _tell_phone(leg: Leg, objection: str, now: float) -> None:
    """The reason, to a phone that asked by its keypad and has no other way to learn it."""
    leg.call.tell("warned", f"{leg.aor} asked for a recording: {objection}")
    if not leg.call.recording.recorded:
        leg.call.recording.unmade = f"not recorded, though {leg.aor} asked for it: {objection}"
    leg.session.request("MESSAGE", now, (), objection.encode(), "text/plain;charset=utf-8")
