"""Which SIP messages belong to which call, kept by reference while it lives and written down when it is over.

How it works, and its rules:

1. An INVITE with a new Call-ID begins a capture. It stays if it becomes a call; what never does (a wrong password, a
   flood) is pushed out by the next, so that nobody who has proved nothing can fill the memory.
2. Nothing is looked at but the Call-ID: masking and compressing are the writer thread's work, after the call.
3. A few calls a second are kept at most, after a burst. While that limit bites, a message costs a look into a table.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from sealtone.model.ladder import KeepLadders, Ladder, LadderMessage, shown_message
from sealtone.model.record import CallRecord
from sealtone.sip.flow import Flow, Hop, host_port

MAX_MESSAGES: Final = 200
MAX_OCTETS: Final = 64 * 1024
MAX_OCTETS_OF_ALL: Final = 64 * 1024 * 1024
MAX_PENDING: Final = 256
KEPT_A_SECOND: Final = 2.0
BURST: Final = 60.0
LINGER_S: Final = 1.5
"""For how long after a call its last messages (the 200 to our BYE) are waited for."""

_CALL_ID: Final = b"\r\nCall-ID: "
_SHORTEST: Final = 32  # what is shorter keeps a connection alive
Noted = tuple[float, Hop, bytes, bool]


class CallIds(NamedTuple):
    """What a call is known by: its own id, the Call-ID of its caller's leg, its account."""

    id: str
    sip_call_id: str
    account_id: int


class Capture:
    """What passed of one call. `call_id` is empty until it is one."""

    __slots__ = ("call_id", "keys", "left_out", "messages", "octets")

    def __init__(self, key: bytes) -> None:
        self.call_id = ""
        self.keys = [key]
        self.messages: list[Noted] = []
        self.octets = 0
        self.left_out = 0


class Ladders:
    """`keeps` says what an account (by number) keeps; `call_of` whose call the leg of a Call-ID is in; `write` takes
    what is to be stored. After `is_waiting` has become true call `flush` within some seconds, and once at the end."""

    def __init__(
        self,
        keeps: Callable[[int], KeepLadders],
        call_of: Callable[[str], CallIds | None],
        write: Callable[[str, list[Noted], int], None],
    ) -> None:
        self._keeps = keeps
        self._call_of = call_of
        self._write = write
        self._open: dict[bytes, Capture] = {}
        self._pending: dict[bytes, Capture] = {}
        self._by_call: dict[str, Capture] = {}
        self._ended: deque[tuple[float, Capture]] = deque()
        self._octets = 0
        self._tokens = BURST
        self._tokens_at = 0.0
        self.not_kept = 0
        """Calls whose messages were not kept since too many began at once."""

    @property
    def is_waiting(self) -> bool:
        """Whether calls that are over wait for their last messages."""
        return bool(self._ended)

    def note(self, data: bytes, hop: Hop, now: float, incoming: bool) -> None:
        """A message that came or goes."""
        if len(data) < _SHORTEST:
            return
        at = data.find(_CALL_ID)
        key = data[at + 11 : data.find(b"\r\n", at + 11)] if at >= 0 else _unusual_call_id(data)
        capture = self._open.get(key)
        if capture is None:
            if not data.startswith(b"INVITE "):
                return
            capture = self._begin(key, now) if incoming else self._leg_begins(key, now)
            if capture is None:
                return
        size = len(data)
        if (
            len(capture.messages) >= MAX_MESSAGES
            or capture.octets + size > MAX_OCTETS
            or self._octets + size > MAX_OCTETS_OF_ALL
        ):
            capture.left_out += 1
            return
        capture.octets += size
        self._octets += size
        capture.messages.append((now, hop, data, incoming))

    def started(self, call: CallIds, now: float) -> None:
        """A call has begun: its messages stay, if its account and the limit permit."""
        if call.id not in self._by_call:
            self._admit(*call, now)

    def ended(self, record: CallRecord, now: float) -> None:
        """A call is over."""
        if record.id not in self._by_call and self._pending and record.legs:
            first = record.legs[0].sip_call_id
            if _key_of(first) in self._pending:  # it was refused at once
                self._admit(record.id, first, record.account_id, now)
        capture = self._by_call.pop(record.id, None)
        if capture is None:
            return
        if self._keeps_of(record.account_id) is KeepLadders.FAILED and not has_failed(record):
            self._drop(capture)
        else:
            self._ended.append((now + LINGER_S, capture))

    def _admit(self, call_id: str, sip_call_id: str, account_id: int | None, now: float) -> None:
        key = _key_of(sip_call_id)
        capture = self._pending.pop(key, None)
        if self._keeps_of(account_id) is KeepLadders.NONE:
            self._drop(capture)
        elif self._left(now) < 1.0:
            self.not_kept += 1
            self._drop(capture)
        else:
            if capture is None:  # a transfer begins with a leg that another call had
                capture = self._open[key] = Capture(key)
            self._tokens -= 1.0
            capture.call_id = call_id
            self._by_call[call_id] = capture

    def _keeps_of(self, account_id: int | None) -> KeepLadders:
        return KeepLadders.ALL if account_id is None else self._keeps(account_id)

    def flush(self, now: float) -> None:
        """Hand over what has waited long enough."""
        while self._ended and self._ended[0][0] <= now:
            capture = self._ended.popleft()[1]
            self._drop(capture)
            self._write(capture.call_id, capture.messages, capture.left_out)

    def _begin(self, key: bytes, now: float) -> Capture | None:
        if self._left(now) < 1.0:
            return None
        if len(self._pending) >= MAX_PENDING:
            self._drop(self._pending.pop(next(iter(self._pending))))
        capture = Capture(key)
        self._open[key] = self._pending[key] = capture
        return capture

    def _leg_begins(self, key: bytes, now: float) -> Capture | None:
        """An INVITE of ours: the leg of which call?"""
        if not self._by_call and not self._pending:
            return None
        call = self._call_of(key.decode("utf-8", "surrogateescape"))
        if call is None:
            return None
        self.started(call, now)
        capture = self._by_call.get(call.id)
        if capture is not None:
            self._open[key] = capture
            capture.keys.append(key)
        return capture

    def _left(self, now: float) -> float:
        """How many calls may be kept now."""
        self._tokens = min(BURST, self._tokens + (now - self._tokens_at) * KEPT_A_SECOND)
        self._tokens_at = now
        return self._tokens

    def _drop(self, capture: Capture | None) -> None:
        if capture is None:
            return
        self._octets -= capture.octets
        for key in capture.keys:
            if self._open.get(key) is capture:
                del self._open[key]


def has_failed(record: CallRecord) -> bool:
    """Whether a call came to less than its caller wanted."""
    return record.answered_at is None or record.ended_by == "server"


def ladder_of(messages: list[Noted], left_out: int, wall_of: Callable[[float], float]) -> Ladder:
    """What was captured, as it may be written down. Takes milliseconds."""
    shown = []
    for now, hop, data, incoming in messages:
        host, port = hop.remote if isinstance(hop, Flow) else (hop.host, hop.port)
        at = data.find(_CALL_ID)
        key = data[at + 11 : data.find(b"\r\n", at + 11)] if at >= 0 else _unusual_call_id(data)
        leg = key.decode("utf-8", "replace")
        shown.append(
            LadderMessage(
                round(wall_of(now), 4), leg, incoming, hop.transport, host_port(host, port), shown_message(data)
            )
        )
    return Ladder(tuple(shown), left_out)


def _key_of(call_id: str) -> bytes:
    return call_id.encode("utf-8", "surrogateescape")


def _unusual_call_id(data: bytes) -> bytes:
    """Call-ID of a message that writes the header in another way (RFC 3261 7.3.1, 7.3.3); empty where there is none."""
    for line in data.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() in (b"call-id", b"i"):
            return value.strip()
    return b""
