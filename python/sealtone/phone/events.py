"""What a phone tells its owner, in the order in which it happens. `str()` of each is a line for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sealtone.phone.call import Call


class Connected(NamedTuple):
    """A connection to the server stands. `tls` is "" without TLS."""

    transport: str
    server: str
    tls: str

    def __str__(self) -> str:
        over = f"TLS ({self.tls})" if self.tls else f"{self.transport.upper()}, not encrypted"
        return f"Connected to {self.server} over {over}"


class Disconnected(NamedTuple):
    """The connection broke; it is opened again by itself."""

    reason: str

    def __str__(self) -> str:
        return f"Connection lost: {self.reason}"


class Registered(NamedTuple):
    user: str
    expires_s: int

    def __str__(self) -> str:
        return f"Registered as {self.user} for {self.expires_s} s"


class RegistrationLost(NamedTuple):
    """A refresh was refused or got no answer; it is tried again."""

    status: int
    reason: str

    def __str__(self) -> str:
        return f"Registration failed: {self.status} {self.reason}"


class Incoming(NamedTuple):
    call: Call

    def __str__(self) -> str:
        return f"Incoming call from {self.call.peer}"


class Ringing(NamedTuple):
    call: Call
    status: int

    def __str__(self) -> str:
        return f"{self.call.peer} is ringing" if self.status == 180 else f"Call progress: {self.status}"


class Established(NamedTuple):
    call: Call

    def __str__(self) -> str:
        return f"Call with {self.call.peer} is up. {self.call.who_could_listen()}"


class MediaChanged(NamedTuple):
    """A new agreement holds: hold, resume, new keys or address."""

    call: Call
    what: str

    def __str__(self) -> str:
        return f"Call with {self.call.peer}: {self.what}"


class DtmfReceived(NamedTuple):
    call: Call
    key: str

    def __str__(self) -> str:
        return f"{self.call.peer} pressed {self.key}"


class TransferProgress(NamedTuple):
    """How a transfer asked for by us goes on: the target's SIP status."""

    call: Call
    status: int
    reason: str

    def __str__(self) -> str:
        return f"Transfer of {self.call.peer}: {self.status} {self.reason}"


class MessageReceived(NamedTuple):
    sender: str
    text: str

    def __str__(self) -> str:
        return f"Message from {self.sender}: {self.text}"


class CallEnded(NamedTuple):
    call: Call
    reason: str

    def __str__(self) -> str:
        status = f"{self.call.status} " if self.call.status else ""
        return f"Call with {self.call.peer} ended: {status}{self.reason}"


PhoneEvent = (
    Connected
    | Disconnected
    | Registered
    | RegistrationLost
    | Incoming
    | Ringing
    | Established
    | MediaChanged
    | DtmfReceived
    | TransferProgress
    | MessageReceived
    | CallEnded
)
