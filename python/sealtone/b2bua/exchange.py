"""All calls of a node. Sans-I/O: session events in; records and call events out; time is an argument.

The server authenticates an INVITE and gives it to `invite`; it gives every event that has a session to `handle`.
What a call then does is in `call.py`. Nothing here waits.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sealtone.b2bua import change, key_tones, placed_call, recording_in_call, transfer, zrtp_in_call
from sealtone.b2bua.applications import in_call, open_notice
from sealtone.b2bua.applications.playing import Playing
from sealtone.b2bua.call import Call
from sealtone.b2bua.codec_choice import Encodings, encodings_of
from sealtone.b2bua.events import CallEvent, CallEventKind
from sealtone.b2bua.leg import Leg
from sealtone.b2bua.plane import Destination, Directory, MediaPlane, NoMediaPorts
from sealtone.b2bua.referral import Replaced, Ticket
from sealtone.b2bua.zrtp_agreement import Remembered, ZrtpTerms
from sealtone.model import RecordingFacts, SipUser
from sealtone.model.record import CallRecord
from sealtone.sip import events as sip
from sealtone.sip.endpoint import Endpoint
from sealtone.sip.session import InviteSession
from sealtone.sip.transaction import ServerTransaction


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """What calls are told once. `wall_of` turns this node's monotonic seconds into Unix time, for records."""

    wall_of: Callable[[float], float]
    node: str = ""
    ring_timeout_s: float = 90.0
    max_calls: int = 8192
    max_calls_per_user: int = 32
    zrtp: ZrtpTerms | None = None
    zrtp_patience_s: float = 30.0
    """How long an answered call whose user requires ZRTP may be without keys. Peers 8 s late recover."""


class Exchange:
    """Every call of this node, by id; after each call that takes `now`, drain `events()` and `records()`."""

    def __init__(
        self,
        endpoint: Endpoint,
        plane: MediaPlane,
        directory: Directory,
        settings: ExchangeSettings,
        entropy: Callable[[int], bytes],
    ) -> None:
        self.endpoint = endpoint
        self.plane = plane
        self.directory = directory
        self.settings = settings
        self.entropy = entropy
        self.contact_user = entropy(6).hex()
        self.calls: dict[str, Call] = {}
        self._per_user: dict[str, int] = {}
        self._legs: dict[str, list[Leg]] = {}
        self._by_aor: dict[str, list[Leg]] = {}
        self._by_port: dict[int, Leg] = {}
        self.playing: dict[int, Playing] = {}
        """What is played to which port."""
        self.tickets: dict[str, Ticket] = {}
        """By the Call-ID of the Replaces that stands for each."""
        self._sharing: dict[int, int] = {}
        self._calls_due: list[tuple[float, str]] = []
        self._zrtp_legs: dict[int, Leg] = {}
        self._zrtp_due: list[tuple[float, int]] = []
        self._zrtp_wakes: dict[int, float] = {}
        self._remembered: list[Remembered] = []
        self._codecs: Mapping[str, str] | None = None
        self._encodings: Encodings = frozenset()
        self._recorded: dict[int, tuple[Call, RecordingFacts, float]] = {}
        self._recordings: list[RecordingFacts] = []
        self._events: list[CallEvent] = []
        self._records: list[CallRecord] = []
        self.ended = Call(self, "", 0, "", 0.0)
        """Stands for any call that is over, where a leg of it is still held."""
        self.ended.state = "ended"

    # in

    def invite(self, tx: ServerTransaction, caller: SipUser, now: float) -> None:
        """A call from an authenticated user."""
        request = tx.request
        if request is None:
            return
        if len(self.calls) >= self.settings.max_calls:
            self.endpoint.respond(tx, 503, now, "All lines are busy", (("Retry-After", "10"),))
            return
        if self._per_user.get(caller.aor, 0) >= self.settings.max_calls_per_user:
            self.endpoint.respond(tx, 486, now, "Too many calls of this user at once")
            return
        replaces = request.headers.get("Replaces")
        if replaces is not None:
            transfer.replace(self, tx, caller, replaces, now)
            return
        target = request.uri
        session = self.endpoint.accept(tx, now)
        if session.state == "ended":
            return
        self.begin(session, caller, target, now)

    def begin(
        self, session: InviteSession, caller: SipUser, target: str, now: float, replaced: Replaced | None = None
    ) -> Call | None:
        """Open a call for a caller's session and ring; None where no media port is left."""
        media_call = self.plane.open_call()
        call = Call(self, self.entropy(8).hex(), media_call, target, now)
        try:
            call.a = Leg.caller(call, session, caller)
        except NoMediaPorts:
            self.plane.close_call(media_call)
            session.reject(503, now, "No media ports are left", (("Retry-After", "10"),))
            return None
        call.replaced = replaced
        self.admit(call)
        self.guarded(call, call.start, now)
        return call

    def place(self, destination: Destination, service: str, now: float) -> Call | str:
        """Ring a phone for a service of the server; why that cannot be, in words, where it cannot."""
        return placed_call.place(self, destination, service, now)

    def has_line(self, aor: str) -> bool:
        """Whether one more call of this user may be placed."""
        settings = self.settings
        return len(self.calls) < settings.max_calls and self._per_user.get(aor, 0) < settings.max_calls_per_user

    def admit(self, call: Call) -> None:
        """Count a call in, and have it told when nobody picks up in time."""
        self.calls[call.id] = call
        aor = call.a.user.aor
        self._per_user[aor] = self._per_user.get(aor, 0) + 1
        self.wake_call(call, call.ring_until)

    def handle(self, event: sip.Event, now: float) -> None:
        """An event of a session."""
        handler = _HANDLERS.get(type(event))
        if handler is None:
            return
        leg = event.session.owner  # type: ignore[union-attr]
        if isinstance(leg, Leg):
            if leg.call.state != "ended":
                self._step(leg, handler, leg, event, now)
        elif isinstance(event, sip.InDialogRequest):
            self.endpoint.respond(event.tx, 481, now)

    def receive_zrtp(self, port: int, packet: bytes, now: float) -> None:
        """A ZRTP packet that came to the media port of a leg."""
        leg = self._zrtp_legs.get(port)
        if leg is not None and leg.call.state != "ended":
            self._step(leg, zrtp_in_call.on_packet, leg, packet, now)

    def receive_digit(self, port: int, digit: str, now: float) -> None:
        """A key (0-9, *, #, A-D) that the phone of a leg pressed, as it came in its media."""
        leg = self._by_port.get(port)
        if leg is not None and leg.call.state != "ended":
            if leg.call.state == "answered":
                self.guarded(leg.call, key_tones.on_digit, leg, digit, now)
            self.press(leg, digit, now)

    def press(self, leg: Leg, digit: str, now: float) -> None:
        """A key of a leg's phone, in its media or in an INFO."""
        self._step(leg, in_call.on_digit, leg, digit, now)
        if leg.call.state == "answered" and leg.call.run is None:  # else its keys are the application's
            self.guarded(leg.call, recording_in_call.on_digit, leg, digit, now)

    def receive_unmapped(self, port: int, payload_type: int, now: float) -> None:
        """The phone of a leg sends an agreed payload type that the other leg's phone has no number for."""
        leg = self._by_port.get(port)
        if leg is not None and leg.call.state != "ended":
            self._step(leg, change.on_unmapped, leg, payload_type, now)

    def receive_played(self, port: int, number: int, now: float) -> None:
        """All that `MediaPlane.play` gave this number for was played to a leg."""
        leg = self._by_port.get(port)
        if leg is None or leg.call.state == "ended":
            return
        playing = self.playing.get(port)
        if playing is not None and playing.number == number:
            del self.playing[port]
            self._step(leg, in_call.on_played, leg, now)
        else:
            self.guarded(leg.call, recording_in_call.on_played, leg, number, now)

    def receive_codec_fault(self, port: int, reason: str, now: float) -> None:
        """Nothing can be played to a leg; `reason` is for a person."""
        leg = self._by_port.get(port)
        if leg is not None and leg.call.state != "ended":
            self.guarded(leg.call, recording_in_call.on_fault, leg, reason, now)

    def _step(self, leg: Leg, step: Callable[..., None], *arguments: Any) -> None:
        """One step of a leg's call, and of the notice for which its legs are held apart."""
        self.guarded(leg.call, step, *arguments)
        if leg.call.notice is not None and leg.call.state != "ended":
            self.guarded(leg.call, open_notice.follow, leg.call, arguments[-1])

    def receive_recording_ended(self, recording: int, reason: str, octets: int, seconds: float, now: float) -> None:
        """The media core has ended a recording; `reason` is "" where it was told to."""
        call, facts, begun = self._recorded.pop(recording, (None, None, 0.0))
        if call is not None and facts is not None:
            wall = self.settings.wall_of  # the clock may have been set since it began
            facts = facts._replace(started_at=wall(begun), ended_at=wall(now))
            facts = facts._replace(seconds=seconds, octets=octets, reason=reason)
            self.guarded(call, recording_in_call.on_ended, call, facts, recording, now)

    def next_timeout(self) -> float | None:
        due = [times[0][0] for times in (self._calls_due, self._zrtp_due) if times]
        return min(due) if due else None

    def handle_timeout(self, now: float) -> None:
        """Go on with the key agreements that are due; end the calls that had no answer, or no keys, in time."""
        due = self._zrtp_due
        while due and due[0][0] <= now:
            at, port = heapq.heappop(due)
            if self._zrtp_wakes.get(port) != at:
                continue  # an earlier time took its place
            del self._zrtp_wakes[port]
            leg = self._zrtp_legs.get(port)
            if leg is not None and leg.call.state != "ended":
                self._step(leg, zrtp_in_call.on_timeout, leg, now)
        while self._calls_due and self._calls_due[0][0] <= now:
            call = self.calls.get(heapq.heappop(self._calls_due)[1])
            if call is not None:
                self.guarded(call, call.on_timeout, now)

    def end_all(self, now: float) -> None:
        """The server stops: every call ends with BYE, and its record says why."""
        for call in list(self.calls.values()):
            self.guarded(call, call.hang_up, "the server is shutting down", now)

    # the rim

    def guarded(self, call: Call, step: Callable[..., None], *arguments: Any) -> None:
        """One step of a call; the last argument is `now`. A fault of ours costs that call and no other.

        Whatever is raised below, by the media core too, ends here: what called us serves every other call as well.
        """
        try:
            step(*arguments)
            if call.state == "answered":
                recording_in_call.settle(call, arguments[-1])
        except Exception as fault:
            self._break_off(call, fault, arguments[-1])

    def _break_off(self, call: Call, fault: Exception, now: float) -> None:
        self.tell("error", call, _place_of(fault))
        steps: tuple[Callable[[], None], ...] = (
            lambda: call.break_off("an error of the server", now),
            lambda: recording_in_call.end(call),
        )
        for step in steps:
            try:
                step()
            except Exception as again:  # the media core itself, say: the call is written off as it stands
                self.tell("error", call, _place_of(again))
                call.state = "ended"
        for leg in call.legs():
            self.remove_leg(leg)
            self.forget_zrtp(leg)
        self._forget(call)

    # out

    @property
    def has_news(self) -> bool:
        """Whether there is anything to drain."""
        return bool(self._events or self._records or self._remembered or self._recordings)

    def events(self) -> list[CallEvent]:
        events, self._events = self._events, []
        return events

    def records(self) -> list[CallRecord]:
        records, self._records = self._records, []
        return records

    def remembered(self) -> list[Remembered]:
        """ZRTP records to be kept."""
        remembered, self._remembered = self._remembered, []
        return remembered

    def recordings(self) -> list[RecordingFacts]:
        """Recordings that have begun or ended, to be kept; a later one of an id takes the place of an earlier."""
        recordings, self._recordings = self._recordings, []
        return recordings

    # for calls

    @property
    def encodings(self) -> Encodings:
        """What the server can decode and encode now."""
        codecs = self.plane.codecs()
        if codecs is not self._codecs:
            self._codecs, self._encodings = codecs, encodings_of(codecs)
        return self._encodings

    def follow_recording(self, number: int, call: Call, facts: RecordingFacts, now: float) -> None:
        """A recording has begun; its end is told to its call, also after that is over."""
        self._recorded[number] = (call, facts, now)
        self._recordings.append(facts)

    def tell_recording(self, facts: RecordingFacts) -> None:
        self._recordings.append(facts)

    def await_zrtp(self, leg: Leg) -> None:
        """A leg's ZRTP begins, or goes on: its packets go to it from now on."""
        self._zrtp_legs[leg.port.id] = leg
        course = leg.sealed or leg.zrtp
        if course is not None and not course.started:
            self.wake_leg(leg, 0.0)

    def wake_leg(self, leg: Leg, due: float) -> None:
        """Have a leg's ZRTP go on at `due`, or before. Asked anew whenever it goes on, so one time a leg is enough."""
        known = self._zrtp_wakes.get(leg.port.id)
        if known is None or due < known:
            self._zrtp_wakes[leg.port.id] = due
            heapq.heappush(self._zrtp_due, (due, leg.port.id))

    def forget_zrtp(self, leg: Leg) -> None:
        self._zrtp_legs.pop(leg.port.id, None)
        self._zrtp_wakes.pop(leg.port.id, None)

    def wake_call(self, call: Call, due: float) -> None:
        """Have a call look at its time limits at `due`."""
        heapq.heappush(self._calls_due, (due, call.id))

    def remember(self, records: list[Remembered]) -> None:
        self._remembered += records

    def tell(self, kind: CallEventKind, call: Call, detail: str) -> None:
        self._events.append(CallEvent(kind, call.id, call.a.session.call_id, detail))

    def over(self, call: Call, record: CallRecord) -> None:
        """A call has ended: its record goes out, it counts no more."""
        self._records.append(record)
        self._forget(call)
        recording_in_call.end(call)

    def _forget(self, call: Call) -> None:
        if self.calls.pop(call.id, None) is None:
            return
        aor = call.a.user.aor
        left = self._per_user.get(aor, 1) - 1
        if left > 0:
            self._per_user[aor] = left
        else:
            self._per_user.pop(aor, None)

    def add_leg(self, leg: Leg) -> None:
        self._by_port[leg.port.id] = leg
        self._legs.setdefault(leg.session.call_id, []).append(leg)
        self._by_aor.setdefault(leg.user.aor, []).append(leg)

    def remove_leg(self, leg: Leg) -> None:
        if self._by_port.get(leg.port.id) is leg:
            del self._by_port[leg.port.id]
        self.playing.pop(leg.port.id, None)
        for index, key in ((self._legs, leg.session.call_id), (self._by_aor, leg.user.aor)):
            legs = index.get(key, [])
            if leg in legs:
                legs.remove(leg)
            if not legs:
                index.pop(key, None)

    def legs_of(self, aor: str) -> list[Leg]:
        """The legs of a SIP user in calls that are up or ringing."""
        return self._by_aor.get(aor, [])

    def call_of(self, call_id: str) -> Call | None:
        """The call that has a leg with this Call-ID."""
        legs = self._legs.get(call_id)
        call = legs[-1].call if legs else None
        return call if call is not self.ended else None

    def find_leg(self, call_id: str, local_tag: str, remote_tag: str) -> Leg | None:
        """The leg whose dialog this is, tags as this server sees them (RFC 3891 3)."""
        for leg in self._legs.get(call_id, ()):
            dialog = leg.session.dialog
            if leg.session.local_tag == local_tag and dialog is not None and dialog.remote_tag == remote_tag:
                return leg
        return None

    def share_media(self, media_call: int) -> None:
        """One more call uses these media ports' group (a transfer keeps the ports of who is transferred)."""
        self._sharing[media_call] = self._sharing.get(media_call, 0) + 1

    def shares_media(self, media_call: int) -> bool:
        """Whether another call uses these media ports' group too."""
        return media_call in self._sharing

    def release_media(self, media_call: int) -> None:
        left = self._sharing.get(media_call, 0)
        if left == 0:
            self.plane.close_call(media_call)
        elif left == 1:
            del self._sharing[media_call]
        else:
            self._sharing[media_call] = left - 1


def _place_of(fault: Exception) -> str:
    """What was raised and where, without the values at hand: there may be keys among them."""
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(fault).__name__
    code = trace.tb_frame.f_code
    return f"{type(fault).__name__} in {code.co_qualname} line {trace.tb_lineno}"


def _on_progress(leg: Leg, event: sip.Progress, now: float) -> None:
    leg.call.on_progress(leg, event, now)


def _on_answered(leg: Leg, event: sip.Answered, now: float) -> None:
    if leg.call.placed:
        placed_call.on_answered(leg, event, now)
    else:
        leg.call.on_answered(leg, event, now)


def _on_rejected(leg: Leg, event: sip.Rejected, now: float) -> None:
    if leg.call.placed:
        placed_call.on_rejected(leg, event, now)
    else:
        leg.call.on_rejected(leg, event, now)


def _on_cancelled(leg: Leg, _: sip.Cancelled, now: float) -> None:
    leg.call.on_cancelled(now)


def _on_ended(leg: Leg, event: sip.Ended, now: float) -> None:
    leg.call.on_ended(leg, event, now)


_HANDLERS: Final[dict[type, Callable[..., None]]] = {
    sip.Progress: _on_progress,
    sip.Answered: _on_answered,
    sip.Rejected: _on_rejected,
    sip.Cancelled: _on_cancelled,
    sip.Ended: _on_ended,
    sip.OfferReceived: change.on_offer,
    sip.OfferRequested: change.on_offer_requested,
    sip.OfferRejected: change.on_offer_rejected,
    sip.OfferWithdrawn: change.on_offer_withdrawn,
    sip.AnswerReceived: change.on_answer,
    sip.InDialogRequest: transfer.on_in_dialog_request,
    sip.InDialogResponse: transfer.on_in_dialog_response,
}
