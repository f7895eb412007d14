"""One call: a caller's leg, the legs of the phones it rings, and the one that answers.

How it goes:

1. The caller's offer is read against the caller's policy; what does not meet it ends the call with 488 and a reason.
2. Each binding of who is called is a branch: a leg of its own with its own SDP, keys and media port. A branch whose
   policy cannot be met (SRTP required, but the phone's connection is not TLS) is not rung.
3. The first branch to answer has the call, the others are cancelled. Its answer is read against its policy; the caller
   is answered with the codecs that the callee chose. Only then, and only in `_link`, are the two joined.
4. Where the caller offered nothing (late offer), neither is anything offered to the callee: the callee's offer in the
   200 becomes ours in the caller's 200, and the caller's answer in the ACK becomes ours in the callee's ACK.
5. Changes in mid-call are in `change.py`, transfers in `transfer.py`.

Early media passes only where one phone rings: with several, whose sound should it be?
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from sealtone.b2bua import zrtp_in_call
from sealtone.b2bua.applications import in_call, music_on_hold, open_notice
from sealtone.b2bua.change import Change, narrow
from sealtone.b2bua.leg import Leg, Refused
from sealtone.b2bua.leg_codecs import answer_for, join, offer_for, transcoding, why_refused
from sealtone.b2bua.leg_security import headers_about
from sealtone.b2bua.plane import Destination, NoMediaPorts, NoRoute, Service
from sealtone.b2bua.record import EndedBy, call_record, leg_record, state_of, weaker
from sealtone.b2bua.recording_in_call import CallRecording
from sealtone.b2bua.sealed_path import late_path, path_between, why_unseal
from sealtone.model import CallState, OfferPlan, SipUser
from sealtone.model.directory import ENROLMENT_SERVICE
from sealtone.model.record import LegRecord
from sealtone.sdp import Direction

if TYPE_CHECKING:
    from sealtone.b2bua.events import CallEventKind
    from sealtone.b2bua.exchange import Exchange
    from sealtone.b2bua.referral import Referral, Replaced
    from sealtone.b2bua.transfer import Transfer
    from sealtone.sip.events import Answered, Ended, Progress, Rejected
    from sealtone.sip.headers import NameAddr

Stage = Literal["routing", "ringing", "answering", "answered", "ended"]

MAX_BRANCHES: Final = 10
MAX_REDIRECTS: Final = 5
BUSY_ELSEWHERE: Final = 'SIP;cause=200;text="Call completed elsewhere"'


class Call:
    """Two legs bridged, or the caller's leg with a service.

    `run` is the service's application, `notice` what has to be said before the two are connected.
    `a` is the caller's leg (of a placed call its only phone's), `b` the one that answered; `branches` those that ring,
    `early` the one of them that is heard already. Times are monotonic seconds.
    """

    __slots__ = (
        "a",
        "answered_at",
        "b",
        "branches",
        "called_aor",
        "change",
        "contacts",
        "early",
        "ended_at",
        "exchange",
        "failure",
        "id",
        "keys_until",
        "lost_branches",
        "media_call",
        "moved",
        "notice",
        "placed",
        "reason",
        "recording",
        "redirects",
        "referral",
        "replaced",
        "ring_until",
        "run",
        "rung",
        "service",
        "started_at",
        "state",
        "target",
        "transfer",
        "weakest",
    )

    def __init__(self, exchange: Exchange, call_id: str, media_call: int, target: str, now: float) -> None:
        self.exchange = exchange
        self.id = call_id
        self.media_call = media_call
        self.target = target
        self.a: Leg
        self.b: Leg | None = None
        self.branches: list[Leg] = []
        self.early: Leg | None = None
        self.keys_until: float | None = None
        self.state: Stage = "routing"
        self.service: str | None = None
        self.placed = False  # whether the server itself called the phone (`placed_call`)
        self.run: in_call.Run | None = None
        self.notice: open_notice.Notice | None = None
        self.change: Change | None = None
        self.transfer: Transfer | None = None
        self.referral: Referral | None = None
        self.replaced: Replaced | None = None
        self.recording = CallRecording()
        self.failure: tuple[int, str] | None = None
        self.called_aor = ""
        self.reason = ""
        self.weakest: CallState | None = None
        self.moved: dict[int, LegRecord] = {}
        self.lost_branches: list[LegRecord] = []
        self.contacts: list[str] = []
        self.redirects = 0
        self.rung = 0
        self.started_at = now
        self.answered_at: float | None = None
        self.ended_at: float | None = None
        self.ring_until = now + exchange.settings.ring_timeout_s

    # set-up

    def start(self, now: float) -> None:
        """Read the caller's offer, find who is called, ring."""
        leg = self.a
        body = leg.session.remote_body
        if body:
            try:
                leg.read_offer(body)
            except Refused as refusal:
                self.refuse(refusal.status, refusal.reason, now)
                return
        self.tell("started", f"{leg.aor} calls {self.target}")
        if not self._route(self.target, leg.user, now):
            self._give_up("Nobody is reachable there now", now)

    def start_transferred(self, referrer: SipUser, now: float) -> None:
        """Ring the target of a blind transfer, by the rights of who asked for it; the caller's leg is up already."""
        self.tell("started", f"{self.a.aor} is transferred to {self.target}")
        if not self._route(self.target, referrer, now):
            self._give_up("Nobody is reachable there now", now)

    def _route(self, uri: str, caller: SipUser, now: float) -> bool:
        """Ring whom `uri` means; whether anybody rings, or a service has taken the call."""
        replaced = self.replaced if not self.redirects else None
        found = replaced.ring if replaced is not None else self.exchange.directory.resolve(uri, caller)
        if isinstance(found, NoRoute):
            self._note_failure(found.status, found.reason)
        elif isinstance(found, Service):
            if self.transfer is not None:
                self._note_failure(488, "A call cannot be transferred to a service")
            elif self.redirects and found.name == ENROLMENT_SERVICE:
                self._note_failure(488, "Who wants to enrol has to dial that number")
            else:
                self._drop_branches(now, BUSY_ELSEWHERE)
                in_call.serve(self, found.name, now)
                return True
        else:
            self.called_aor = self.called_aor or found.aor
            for destination in found.destinations[: MAX_BRANCHES - len(self.branches)]:
                self._ring(destination, now)
            if self.branches:
                self.state = "ringing"
        return bool(self.branches)

    def _give_up(self, reason: str, now: float) -> None:
        self.refuse(*(self.failure or (480, reason)), now)

    def _ring(self, destination: Destination, now: float, plan: OfferPlan | None = None, unsealed: str = "") -> None:
        try:
            leg = Leg.callee(self, destination)
        except NoMediaPorts:
            self._note_failure(503, "No media ports are left")
            return
        try:
            direction = self.a.remote_direction() if self.a.described and self.transfer is None else Direction.SENDRECV
            leg.is_second, leg.why_not_sealed = plan is not None or bool(unsealed), unsealed
            if self.transfer is None and not leg.is_second:
                leg.sealed = path_between(self.a, leg)
            offer = offer_for(leg, self.a, direction, plan) if self.a.described else None
        except Refused as refusal:
            leg.release()
            self._note_failure(refusal.status, refusal.reason)
            return
        leg.place(offer, self.a, now)
        self.branches.append(leg)

    # what the branches say

    def on_progress(self, leg: Leg, event: Progress, now: float) -> None:
        if self.state != "ringing" or leg not in self.branches:
            return
        status = event.response.status
        early = leg.session.remote_body if len(self.branches) == 1 and self.a.described else b""
        if self.transfer is not None:
            self.transfer.on_progress(status, now)
            return
        if early and not leg.described and self.a.is_answerable:
            try:
                self.a.sealed = leg.sealed
                leg.read_answer(early, early=True)
                if leg.sealed is not None:
                    leg.sealed.on_answer()
                if not leg.is_misled:  # else it can be told otherwise once the call is up, and is not heard before
                    self._hear_early(leg, now)
                    return
            except Refused as refusal:
                self._drop_branches(now)
                self.refuse(refusal.status, refusal.reason, now)
                return
        if status == 183:
            status = 180
        if status != self.rung:
            if status == 180 and not self.rung:
                self.tell("ringing", f"{leg.aor} rings")
            self.rung = status
            self.a.session.progress(status, now)

    def _hear_early(self, leg: Leg, now: float) -> None:
        """Let the caller hear what the phone says before it is picked up. Raises `Refused`."""
        body = answer_for(self.a, leg, early=not self.a.needs_reliable)
        self.early = leg
        self.link()
        self.a.session.progress(183, now, body=body, headers=headers_about(leg))
        self.tell("early", f"{leg.aor} sends early media")

    def on_answered(self, leg: Leg, event: Answered, now: float) -> None:
        if self.state != "ringing" or leg not in self.branches:
            leg.session.bye(now)
            leg.release()
            return
        self.state = "answering"
        self.b, self.early = leg, None
        leg.agent = event.response.headers.get("User-Agent") or event.response.headers.get("Server") or ""
        self.branches.remove(leg)
        self._drop_branches(now, BUSY_ELSEWHERE)
        if self.transfer is not None:
            self.transfer.on_answered(leg, now)
            return
        if not self.a.described:
            return  # the callee's offer follows as OfferReceived
        a = self.a
        is_open = a.is_answerable
        a.sealed = leg.sealed
        try:
            leg.read_answer(leg.session.remote_body)
            if leg.sealed is not None:
                leg.sealed.on_answer()
            body = answer_for(a, leg) if is_open else a.local_body()
        except Refused as refusal:
            self.refuse(refusal.status, refusal.reason, now)
            return
        open_notice.arm(self)
        self.link()
        a.session.accept(body, now, headers_about(leg))
        self._is_answered(now)
        if not is_open and not a.fits(leg):
            # The caller has its one answer, sent reliably with early media; what has changed since needs an offer.
            self._tell_anew(a, leg, now)
        elif leg.is_misled:
            self._tell_anew(leg, a, now)
        else:
            narrow(self, now)

    def _tell_anew(self, leg: Leg, other: Leg, now: float) -> None:
        """Offer to a phone what holds now, other than what it was told when the call was set up."""
        try:
            offer = offer_for(leg, other, other.remote_direction())
        except Refused as refusal:
            self.end(EndedBy.SERVER, refusal.reason, now, status=refusal.status)
            return
        self.change = Change(None, leg)
        leg.session.offer(offer, now)

    def on_late_offer(self, leg: Leg, body: bytes, now: float) -> None:
        """The callee's offer in its 200: pass it on in ours."""
        try:
            leg.read_offer(body)
            self.a.sealed = leg.sealed = late_path(self.a, leg)
            offer = offer_for(self.a, leg, leg.remote_direction())
        except Refused as refusal:
            self.refuse(refusal.status, refusal.reason, now)
            return
        self.a.session.accept(offer, now, headers_about(leg))

    def on_late_answer(self, body: bytes, now: float) -> None:
        """The caller's answer in its ACK: pass it on in ours, or let the service hear it."""
        try:
            self.a.read_answer(body)
            if self.b is not None:
                self.b.session.answer(answer_for(self.b, self.a), now)
        except Refused as refusal:
            self.end(EndedBy.SERVER, refusal.reason, now, status=refusal.status)
            return
        if self.state == "answering":
            open_notice.arm(self)
        self.link()
        if self.state == "answering":
            self._is_answered(now)
        narrow(self, now)

    def _is_answered(self, now: float) -> None:
        self.state = "answered"
        self.answered_at = now
        zrtp_in_call.await_keys(self, now)
        if self.replaced is not None:
            self.replaced.before.end(EndedBy.SERVER, "transferred", now)
        if self.b is not None:
            self.tell("answered", f"{self.b.aor} answers; {self.drawn()}; {self.security_state()}")

    def on_rejected(self, leg: Leg, event: Rejected, now: float) -> None:
        if leg not in self.branches:
            return
        self.branches.remove(leg)
        unsealed = why_unseal(self.a, leg)
        self.lose(leg, event.status)
        if event.status in (415, 488, 606) and self._offer_otherwise(leg, unsealed, now):
            return
        if event.status in (430, 503) and self._ring_other_flow(leg, now):
            return
        if 300 <= event.status < 400 and event.response is not None:
            self._note_contacts(event.response.contacts)
            if self._redirect(now):
                return
        self._note_failure(*passed_on(event.status, why_refused(leg, event.status, event.reason)))
        if event.status >= 600:
            self.contacts.clear()
            self._drop_branches(now)
        if not self.branches and self.state in ("routing", "ringing") and not self._redirect(now):
            self._give_up("Nobody answered", now)

    def _offer_otherwise(self, leg: Leg, unsealed: str, now: float) -> bool:
        """A phone that refuses the clear is offered SRTP as a condition, where its connection permits that; one that
        refuses what the caller's phone can do, on a sealed path, what the server can turn that into."""
        plan = leg.second_plan()
        if (plan is None and not unsealed) or leg.destination is None or self.state != "ringing":
            return False
        rung = len(self.branches)
        self._ring(leg.destination, now, None if unsealed else plan, unsealed)
        return len(self.branches) > rung

    def _ring_other_flow(self, leg: Leg, now: float) -> bool:
        """The phone's connection is dead: try the next one that it keeps (RFC 5626 7)."""
        destination = leg.destination
        if destination is None or not destination.others or self.state != "ringing":
            return False
        first, *rest = destination.others
        rung = len(self.branches)
        self._ring(first._replace(others=tuple(rest)), now)
        return len(self.branches) > rung

    def _note_contacts(self, contacts: list[NameAddr]) -> None:
        """Where a 3xx sends the caller: the best first (RFC 3261 8.1.3.4), before those of an earlier one."""
        ranked = sorted(contacts, key=_preference, reverse=True)
        self.contacts[:0] = [contact.uri for contact in ranked[:MAX_REDIRECTS]]
        del self.contacts[MAX_REDIRECTS:]

    def _redirect(self, now: float) -> bool:
        """Follow a 3xx to the next that can be rung, by the caller's rights; each new branch meets its own policy."""
        rung = len(self.branches)
        while self.contacts and self.redirects < MAX_REDIRECTS and self.state in ("routing", "ringing"):
            self.redirects += 1
            self._route(self.contacts.pop(0), self.a.user, now)
            if len(self.branches) > rung or self.service is not None:
                return True
        return False

    def _note_failure(self, status: int, reason: str) -> None:
        """Keep the best failure to tell the caller (RFC 3261 16.7: 6xx, then the lowest class; a reason beats 408)."""
        if self.failure is None or _rank(status) < _rank(self.failure[0]):
            self.failure = (status, reason)

    def _drop_branches(self, now: float, why: str | None = None) -> None:
        for leg in self.branches:
            leg.session.cancel(now, why)
            self.lose(leg, 487)
        self.branches.clear()

    def lose(self, leg: Leg, status: int) -> None:
        """A branch that did not get the call: note it for the record, close its media."""
        if leg is self.early:
            self.early = None
        self.lost_branches.append(leg_record(leg, status, chosen=False))
        leg.release()

    # how it ends

    def on_cancelled(self, now: float) -> None:
        """The caller gave up before it had our answer; a phone that has answered already is hung up on."""
        self.answered_at = None
        self._abandon_transfer(487, "cancelled", now)
        for leg in self.legs():
            if leg is not self.a:
                leg.session.bye(now)
        self.finish(EndedBy.CALLER, "cancelled", now, status=487)

    def on_ended(self, leg: Leg, event: Ended, now: float) -> None:
        """A phone hung up, or is gone: so is the other."""
        if self.state == "ended":
            return
        by = EndedBy.CALLER if leg is self.a and not self.placed else EndedBy.CALLEE
        reason = _END_REASONS[event.cause]
        if event.cause != "bye":
            by = EndedBy.SERVER
        status = 487 if leg is self.a else 480
        if self.moved:
            reason = "transferred"
        self._abandon_transfer(status, reason, now)
        for other in self.legs():
            if other is not leg:
                other.session.bye(now)
        self.finish(by, reason, now, 200 if self.answered_at is not None else status)

    def on_timeout(self, now: float) -> None:
        """Nobody picked up in time, or the phones did not come to keys."""
        if self.state != "ringing":
            if self.referral is not None:
                self.referral.on_timeout(now)
            zrtp_in_call.on_patience_over(self, now)
            open_notice.follow(self, now)
            return
        if now < self.ring_until:
            return
        self._note_failure(480, "Nobody answered in time")
        self.refuse(480, "Nobody answered in time", now)

    def refuse(self, status: int, reason: str, now: float, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """End a call that nobody has answered: the caller is told the status and, in words, why."""
        self._abandon_transfer(status, reason, now)
        for leg in self.legs():
            if leg is self.a and leg.session.role == "uas":
                leg.session.reject(status, now, reason, headers)
            leg.session.bye(now)
        self.finish(EndedBy.CALLEE if status in (486, 600, 603) else EndedBy.SERVER, reason, now, status=status)

    def hang_up(self, reason: str, now: float) -> None:
        """The server ends the call, at whatever stage it is."""
        if self.state in ("answered", "answering"):
            self.end(EndedBy.SERVER, reason, now)
        else:
            self.refuse(480, reason, now)

    def break_off(self, reason: str, now: float) -> None:
        """End it after a fault of our own, at whatever stage it is."""
        if self.state in ("answered", "answering"):
            self.end(EndedBy.SERVER, reason, now, 500)
        elif self.state != "ended":
            self.refuse(500, reason, now)

    def end(self, by: EndedBy, reason: str, now: float, status: int = 200) -> None:
        """Hang up on everybody."""
        if self.state == "ended":
            return
        self._abandon_transfer(status if status >= 300 else 480, reason, now)
        for leg in self.legs():
            leg.session.bye(now)
        self.finish(by, reason, now, 480 if status < 300 and self.answered_at is None else status)

    def _abandon_transfer(self, status: int, reason: str, now: float) -> None:
        """A call that ends before its transfer came to an end: whoever can go back, goes back."""
        if self.transfer is not None:
            self.transfer.abandon(status, reason, now)

    def finish(self, by: EndedBy, reason: str, now: float, status: int = 200) -> None:
        """Close the media, write the record. The sessions have been told already."""
        if self.state == "ended":
            return
        self._drop_branches(now)
        self.state = "ended"
        self.ended_at = now
        self.reason = reason
        self.exchange.over(self, call_record(self, by, status))
        is_last = not self.exchange.shares_media(self.media_call)
        for leg in self.legs():
            leg.release(with_call=is_last)
        self.exchange.release_media(self.media_call)
        self.tell("ended", f"by {by.value}: {reason}")
        # A call and its legs know each other. Cut, they are freed now; else thousands a minute wait for the collector.
        for leg in self.legs():
            leg.call = self.exchange.ended

    # media

    def link(self) -> None:
        """Give each leg its plan and join them, or the echo, where both have said what they want.

        The media core opens a leg only to what its plan permits, so that this is the only way in. A leg that another
        call has taken over is that call's to join.
        """
        plane = self.exchange.plane
        a, b = self.a, self.far
        if a.call is self:
            a.apply()
        if self.service is not None:
            if a.may_flow():
                self.weakest = weaker(self.weakest, state_of(self))
            in_call.follow(self)
            return
        if b is None or b.call is not self:
            return
        b.apply()
        if a.call is not self or self.transfer is not None:
            return
        flows = a.may_flow() and b.may_flow()
        is_direct = a.sealed is not None and a.sealed.direct
        if open_notice.holds_apart(self):
            flows = False
        if flows or is_direct:  # nobody here holds up what goes from phone to phone
            self.weakest = weaker(self.weakest, state_of(self))
        if is_direct or b.is_misled:  # a phone that sends elsewhere hears nothing here, lest half a key agreement pass
            plane.unbridge(a.port.id)
        elif flows or a.sealed is not None:
            # On a sealed path ZRTP passes before anything else does; the rest waits at the legs' gates.
            join(a, b)
        else:
            plane.unbridge(a.port.id)
        music_on_hold.follow(self)

    # telling

    def legs(self) -> list[Leg]:
        """Its legs, less those that another call has taken over."""
        legs = [leg for leg in (self.a, self.b) if leg is not None and leg.call is self]
        return legs + self.branches if self.branches else legs

    @property
    def far(self) -> Leg | None:
        """The leg that `a` hears: the one that answered, or that is heard before it does."""
        return self.b if self.b is not None else self.early

    def other(self, leg: Leg) -> Leg | None:
        """The leg that `leg` talks to, if it is still in this call."""
        other = self.b if leg is self.a else self.a
        return other if other is not None and other.call is self else None

    def drawn(self) -> str:
        """Both legs as a line: `1000 —SRTP→ server —RTP→ 1001`."""
        if self.b is not None and self.a.sealed is not None:
            how = "direct" if self.a.sealed.direct else "sealed through the server"
            return f"{self.a.name} —{self.a.label}, {how}→ {self.b.name}"
        if self.placed:
            return f"server ({self.service}) —{self.a.label}→ {self.a.name}"
        far = f" —{self.b.label}→ {self.b.name}" if self.b is not None else f" ({self.service or 'ringing'})"
        return f"{self.a.name} —{self.a.label}→ server{transcoding(self.a, self.b)}{far}"

    def security_state(self) -> str:
        return state_of(self).value

    def tell(self, kind: CallEventKind, detail: str) -> None:
        self.exchange.tell(kind, self, detail)


_END_REASONS: Final = {
    "bye": "hung up",
    "session-timer": "the phone stopped refreshing the call",
    "no-ack": "the phone never acknowledged the answer",
    "transport": "the phone cannot be reached any more",
    "error": "the phone lost the call",
}


def _rank(status: int) -> int:
    """Lower is the better thing to tell a caller (RFC 3261 16.7)."""
    if status >= 600:
        return 0
    if status in (486, 488, 415, 480):
        return 1
    return 2 if status not in (408, 503, 500) else 3


_OURS_ALONE: Final = frozenset(
    (401, 403, 404, 405, 407, 410, 412, 414, 416, 417, 420, 421, 422, 423, 430, 439, 481, 482, 483, 485, 487, 489, 491)
)


def _preference(contact: NameAddr) -> float:
    """The q of a Contact, 0 to 1; 1 where there is none that can be read."""
    try:
        q = float(contact.param("q") or 1)
    except ValueError:
        return 1.0
    return q if 0 <= q <= 1 else 1.0


def passed_on(status: int, reason: str) -> tuple[int, str]:
    """What the caller is told of a callee's refusal. What concerns only our own dialogue with the phone is not."""
    if 300 <= status < 400 or status in _OURS_ALONE:
        return 480, "The phone refuses the call"
    if status in (408, 503):
        return 480, "The phone does not answer"
    return status, reason
