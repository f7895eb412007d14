"""One call of the phone: its SIP session, its negotiation and its media, and what may be done with it."""

from __future__ import annotations

import asyncio
import contextlib
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

from sealtone.model import ZrtpStage
from sealtone.phone import events
from sealtone.phone.events import DtmfReceived, MediaChanged
from sealtone.phone.media import MediaSession, MediaStats
from sealtone.phone.negotiation import Agreement, Encryption, Negotiator, Unacceptable
from sealtone.phone.words import who_could_listen
from sealtone.phone.zrtp_stream import ZrtpStream, ZrtpView
from sealtone.sdp import Direction
from sealtone.sip.headers import NameAddr, ReferTo, ReplacesHeader
from sealtone.srtp_keys import ZrtpKeyMaterial
from sealtone.zrtp import events as protocol

if TYPE_CHECKING:
    from sealtone.phone.phone import Phone
    from sealtone.sip.session import InviteSession

FAR_LEG_HEADER = "X-Sealtone-Far-Leg"


class CallState(StrEnum):
    CALLING = "calling"
    RINGING = "ringing"
    INCOMING = "incoming"
    ESTABLISHED = "established"
    ENDED = "ended"


class CallFailed(Exception):
    """The call did not come about (or broke): `status` is SIP's, `reason` a sentence or the other side's words."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


class LegProtection(NamedTuple):
    """What protects our leg: `tls` is version and cipher, or ""; `suites` are SRTP's (sent, heard), or None."""

    transport: str
    tls: str
    suites: tuple[str, str] | None


class Call:
    """Made by `Phone.call` and `Phone.next_call`."""

    def __init__(self, phone: Phone, direction: Literal["out", "in"], peer: str, media: MediaSession) -> None:
        self.phone = phone
        self.direction = direction
        self.peer = peer
        self.media = media
        self.state = CallState.CALLING if direction == "out" else CallState.INCOMING
        self.session: InviteSession | None = None
        self.negotiator: Negotiator | None = None
        self.status = 0
        """SIP status that a failed call ended with, 0 before or otherwise."""
        self.reason = ""
        self.keys_heard = ""
        self.far_leg = ""
        """What the server said of the other leg (its X-Sealtone-Far-Leg header), "" if nothing."""
        self.held_here = self.held_there = False
        self.stream: ZrtpStream | None = None
        """This call's ZRTP, where the phone is set up for it."""
        loop = asyncio.get_running_loop()
        self._answered: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[str] = loop.create_future()
        self._secured: asyncio.Future[None] = loop.create_future()
        self._relayed: asyncio.Future[None] = loop.create_future()
        self._offers: list[asyncio.Future[None]] = []
        for future in (self._answered, self._ended, self._secured, self._relayed):
            future.add_done_callback(_retrieved)

    # waiting

    async def answered(self, timeout_s: float | None = 30.0) -> None:
        """Wait until the call is up. Raises `CallFailed` when it is refused, TimeoutError when nobody answers."""
        await asyncio.wait_for(asyncio.shield(self._answered), timeout_s)

    async def ended(self, timeout_s: float | None = None) -> str:
        """Wait until the call is over; returns why."""
        return await asyncio.wait_for(asyncio.shield(self._ended), timeout_s)

    async def secured(self, timeout_s: float | None = 10.0) -> ZrtpView:
        """Wait until ZRTP has agreed on keys. Raises `CallFailed` when the call ends first, TimeoutError."""
        await asyncio.wait_for(asyncio.shield(self._secured), timeout_s)
        return self.zrtp

    async def sas_relayed(self, timeout_s: float | None = 10.0) -> ZrtpView:
        """Wait until the server has relayed the far side's SAS; raises as `secured`."""
        await asyncio.wait_for(asyncio.shield(self._relayed), timeout_s)
        return self.zrtp

    # doing

    async def accept(self) -> None:
        """Answer an incoming call. Raises `CallFailed` when its offer does not do (488 is sent)."""
        if self.state is not CallState.INCOMING:
            raise CallFailed(481, "The call is not waiting for an answer.")
        await self.phone.accept_call(self)

    async def reject(self, status: int = 486, reason: str | None = None) -> None:
        """Refuse an incoming call, as busy unless told otherwise."""
        if self.session is not None and self.state is CallState.INCOMING:
            self.session.reject(status, self.phone.now(), reason)
            self.phone.flush()
            self.finish("refused here", status)

    async def hang_up(self) -> None:
        """End the call in whatever state; returns when the media is closed. A call being placed is cancelled."""
        if self.session is not None and self.state is not CallState.ENDED:
            cancelling = self.state in (CallState.CALLING, CallState.RINGING)
            self.session.bye(self.phone.now())
            if not cancelling:
                self.finish("hung up here")
            self.phone.flush()
            if cancelling:
                # The server's 487 (or 200, that crosses) decides.
                with contextlib.suppress(TimeoutError):
                    await self.ended(5.0)
        self.finish("cancelled here")
        await self.media.close()

    async def hold(self) -> None:
        """Put the other side on hold (RFC 3264 8.4). Raises `CallFailed` when it refuses."""
        self.held_here = True
        await self._offer()

    async def resume(self) -> None:
        self.held_here = False
        await self._offer()

    async def _offer(self) -> None:
        session, negotiator = self.session, self.negotiator
        if session is None or negotiator is None or self.state is not CallState.ESTABLISHED:
            raise CallFailed(481, "The call is not up.")
        settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._offers.append(settled)
        session.offer(negotiator.offer(self._wanted()), self.phone.now())
        self.phone.flush()
        await asyncio.wait_for(settled, 35.0)

    def _wanted(self) -> Direction:
        return Direction.SENDONLY if self.held_here else Direction.SENDRECV

    async def transfer(self, target: str, timeout_s: float = 20.0) -> None:
        """Blind transfer: ask the other side to call `target`. Raises `CallFailed` when that is refused."""
        await self.phone.refer(self, f"<{self.phone.uri_of(target)}>", timeout_s)

    async def transfer_to(self, other: Call, timeout_s: float = 20.0) -> None:
        """Attended transfer: connect this call's other side with that of `other` (REFER with Replaces, RFC 3891)."""
        dialog = other.session.dialog if other.session else None
        if dialog is None:
            raise CallFailed(481, "The call to connect with is not up.")
        replaces = ReplacesHeader(dialog.call_id, dialog.remote_tag, dialog.local_tag)
        target = NameAddr("", NameAddr.parse(dialog.remote_uri).uri)
        await self.phone.refer(self, str(ReferTo(target, replaces)), timeout_s)

    def check_sas(self, matches: bool) -> None:
        """A person has compared the SAS; it is remembered. Raises ValueError before the call is secure."""
        if self.stream is None:
            raise ValueError("This phone is not set up for ZRTP.")
        self.stream.set_verified(matches)
        self.phone.tell(events.SasChecked(self, matches))

    def enrol(self, accept: bool = True) -> None:
        """Answer a server that offers enrolment; raises ValueError where none does."""
        if self.stream is None:
            raise ValueError("This phone is not set up for ZRTP.")
        self.stream.enrol(accept)
        self.phone.tell(events.Enrolled(self, accept))

    def send_dtmf(self, keys: str) -> None:
        """Press keys (0-9, *, #, A-D) as telephone events."""
        self.media.send_dtmf(keys)

    # telling

    def stats(self) -> MediaStats:
        return self.media.stats()

    @property
    def protection(self) -> LegProtection:
        flow = self.phone.flow
        tls = f"{flow.tls.version} {flow.tls.cipher}" if flow and flow.tls else ""
        return LegProtection(flow.transport if flow else "", tls, self.media.stats().suites)

    @property
    def zrtp(self) -> ZrtpView:
        """What is known of this call's ZRTP. Raises ValueError where the phone does not speak it."""
        if self.stream is None:
            raise ValueError("This phone is not set up for ZRTP.")
        return self.stream.view

    def who_could_listen(self) -> str:
        """One honest sentence or two: our leg as it is, the other as the server tells, if it does."""
        agreement = self.negotiator.agreement if self.negotiator else None
        by_zrtp = self.stream is not None and (agreement is None or agreement.zrtp)
        suites = None if by_zrtp else self.stats().suites
        tls = self.protection.tls
        view = self.stream.view if self.stream is not None and by_zrtp else None
        return who_could_listen(suites[0] if suites else "", tls, view, self.media.is_held, self.far_leg)

    # what the phone calls

    def apply(self, agreement: Agreement) -> None:
        """Let the media go by an agreement, and tell what changed."""
        held_before, self.held_there = self.held_there, not agreement.direction.sends
        stream = self.stream if agreement.zrtp else None
        if stream is not None:
            stream.announced(agreement.zrtp_hashes)
            self.media.is_held = self._waits_for_keys(stream)
        self.media.apply(agreement)
        if stream is not None:
            stream.start()
        if self.state is CallState.ESTABLISHED:
            if self.held_there and not held_before:
                self.phone.tell(MediaChanged(self, "put on hold by the other side"))
            elif held_before and not self.held_there:
                self.phone.tell(MediaChanged(self, "resumed"))

    def _waits_for_keys(self, stream: ZrtpStream) -> bool:
        """Whether nothing may pass yet: for ever where ZRTP is required; else while it may still come about."""
        if stream.view.is_secure:
            return False
        required = self.phone.config.wish.encryption is Encryption.REQUIRE
        return required or (stream.is_announced and stream.view.stage is ZrtpStage.AGREEING)

    # what its ZRTP calls

    def send_zrtp(self, packet: bytes) -> None:
        self.media.send_zrtp(packet)

    def zrtp_keys(self, keys: tuple[ZrtpKeyMaterial, ZrtpKeyMaterial] | None) -> None:
        # The peer may send from here on; we send once it is certain to have the keys too.
        self.media.is_held = True
        self.media.key(keys)

    def zrtp_news(self, event: protocol.Event, before: ZrtpView) -> None:
        stream, tell = self.stream, self.phone.tell
        assert stream is not None
        self.media.is_held = self._waits_for_keys(stream)
        view = stream.view
        if isinstance(event, protocol.Secured):
            if not self._secured.done():
                self._secured.set_result(None)
            tell(events.Secured(self))
        elif isinstance(event, (protocol.NoPeer, protocol.Failed)):
            tell(events.NotSecured(self, view.why))
        elif isinstance(event, protocol.EnrolmentOffered):
            tell(events.EnrolmentOffered(self))
        elif (view.sas, view.relayed) != (before.sas, before.relayed):
            if view.relayed and not self._relayed.done():
                self._relayed.set_result(None)
            tell(events.SasRelayed(self))
        for warning in view.warnings[len(before.warnings) :]:
            tell(events.SecurityWarning(self, warning))

    def receive_offer(self, body: bytes) -> bytes:
        """Our answer to a new offer within the call. Raises `Unacceptable`."""
        if self.negotiator is None:
            raise Unacceptable("The call has no media.", 500)
        answer = self.negotiator.answer(body, self._wanted())
        if self.negotiator.agreement:
            self.apply(self.negotiator.agreement)
        return answer

    def make_offer(self) -> bytes:
        """The offer that a re-INVITE without one asks for. Raises `Unacceptable`."""
        if self.negotiator is None:
            raise Unacceptable("The call has no media.", 500)
        return self.negotiator.offer(self._wanted())

    def settle_offer(self, failure: CallFailed | None) -> None:
        """Our last offer was answered or refused."""
        waiting, self._offers = self._offers, []
        for future in waiting:
            if not future.done():
                if failure:
                    future.set_exception(failure)
                else:
                    future.set_result(None)

    def established(self) -> None:
        self.state = CallState.ESTABLISHED
        if not self._answered.done():
            self._answered.set_result(None)

    def key_pressed(self, key: str) -> None:
        self.keys_heard += key
        self.phone.tell(DtmfReceived(self, key))

    def finish(self, reason: str, status: int = 0) -> bool:
        """The call is over; True the first time."""
        if self.state is CallState.ENDED:
            return False
        self.state, self.reason, self.status = CallState.ENDED, reason, status
        if not self._answered.done():
            self._answered.set_exception(CallFailed(status or 487, reason))
        for future in (self._secured, self._relayed):
            if not future.done():
                future.set_exception(CallFailed(status or 487, reason))
        if self.stream is not None:
            self.stream.close()
        self.settle_offer(CallFailed(status or 481, reason))
        if not self._ended.done():
            self._ended.set_result(reason)
        self.phone.call_finished(self)
        return True


def _retrieved(future: asyncio.Future[None] | asyncio.Future[str]) -> None:
    """Nobody has to wait for a call: its failure is not an error of the program."""
    if not future.cancelled():
        future.exception()
