"""What happens to calls, for the log, the command line and (later) the panel."""

from typing import Literal, NamedTuple

CallEventKind = Literal[
    "started",
    "ringing",
    "early",
    "answered",
    "announced",
    "held",
    "resumed",
    "changed",
    "refused",
    "transferred",
    "secured",
    "recording",
    "warned",
    "error",
    "ended",
]


class CallEvent(NamedTuple):
    """One event of one call. `call_id` is the caller's Call-ID; `detail` is for a person and holds no secret."""

    kind: CallEventKind
    call: str
    call_id: str
    detail: str
