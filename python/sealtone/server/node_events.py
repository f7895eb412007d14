"""What a node's calls and registrations come to, as events for its feed. Nothing is made while nobody listens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from sealtone.b2bua.events import CallEventKind
from sealtone.model import RecordingFacts, Snapshot
from sealtone.model.record import CallRecord
from sealtone.registrar import Binding
from sealtone.server.event_feed import EventFeed, EventKind

if TYPE_CHECKING:
    from sealtone.b2bua.call import Call

_KINDS: Final[dict[CallEventKind, EventKind]] = {
    "started": "call.started",
    "ringing": "call.ringing",
    "early": "call.ringing",
    "answered": "call.answered",
    "announced": "call.changed",
    "held": "call.changed",
    "resumed": "call.changed",
    "changed": "call.changed",
    "transferred": "call.changed",
    "secured": "call.changed",
    "recording": "call.changed",
    "warned": "call.changed",
}


class NodeEvents:
    """Tells `feed`. A call's events are for the account that its record will belong to: the caller's."""

    def __init__(self, feed: EventFeed, snapshot: Callable[[], Snapshot]) -> None:
        self.feed = feed
        self._snapshot = snapshot

    def call(self, kind: CallEventKind, call: Call) -> None:
        """A call has come further."""
        event = _KINDS.get(kind)
        if event is not None:
            feed = self.feed
            if feed.is_wanted:
                feed.tell(event, call.a.user.account_id, call=call.id, caller=call.a.aor)
            else:
                feed.tell(event, None)

    def ended(self, record: CallRecord) -> None:
        """A call is over; that its record can be read is told by the store, within a second or so."""
        self.feed.tell(
            "call.ended",
            record.account_id,
            call=record.id,
            caller=record.caller,
            callee=record.callee,
            answered=record.answered_at is not None,
            status=record.status,
            state=record.state.value,
        )

    def recording(self, facts: RecordingFacts) -> None:
        """A recording has begun, or has ended."""
        kind: EventKind = "recording.started" if facts.ended_at is None else "recording.ended"
        self.feed.tell(kind, facts.account_id, recording=facts.id, call=facts.call_id)

    def compared(self, call: Call, aor: str, matches: bool, by: str) -> None:
        """A person compared the SAS of a phone."""
        kind: EventKind = "sas.verified" if matches else "sas.differs"
        self.feed.tell(kind, call.a.user.account_id, call=call.id, aor=aor, by=by)

    def registered(self, saved: Iterable[Binding], known: frozenset[str]) -> None:
        """A phone registered; `known` are the keys of those that were there before, which only refresh."""
        if self.feed.is_wanted:
            for binding in saved:
                if binding.key not in known:
                    account_id = self._account_of(binding.aor)
                    self.feed.tell(
                        "registration.added",
                        account_id,
                        aor=binding.aor,
                        transport=binding.transport,
                        user_agent=binding.user_agent,
                    )

    def removed(self, bindings: Iterable[Binding]) -> None:
        """Phones are registered no more."""
        if self.feed.is_wanted:
            for binding in bindings:
                self.feed.tell("registration.removed", self._account_of(binding.aor), aor=binding.aor)

    def refused(self, aor: str, address: str) -> None:
        """Somebody at `address` tried to register with a wrong password."""
        if self.feed.is_wanted and (account_id := self._account_of(aor)) is not None:
            self.feed.tell("registration.failed", account_id, aor=aor, address=address)

    def _account_of(self, aor: str) -> int | None:
        domain = self._snapshot().domain(aor.rpartition("@")[2])
        return domain.account_id if domain is not None else None
