"""What a phone tells its owner, in the order in which it happens. `str()` of each is a line for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sealtone.phone.words import sas_words

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


class Secured(NamedTuple):
    """ZRTP has agreed on keys: media flows, under them and no others."""

    call: Call

    def __str__(self) -> str:
        call = self.call
        return f"Secured with {call.peer}. {sas_words(call.zrtp, call.peer)} {call.who_could_listen()}"


class NotSecured(NamedTuple):
    """ZRTP came to nothing so far; it begins anew by itself when the other side does."""

    call: Call
    reason: str

    def __str__(self) -> str:
        then = "Nothing is sent or heard." if self.call.media.is_held else "The call is not encrypted."
        return f"Call with {self.call.peer}: {self.reason} {then}"


class SasRelayed(NamedTuple):
    """The server that this phone is enrolled with has told the SAS of the far side, or takes it back."""

    call: Call

    def __str__(self) -> str:
        return f"Call with {self.call.peer}: {sas_words(self.call.zrtp, self.call.peer)}"


class SasChecked(NamedTuple):
    """A person has compared the SAS."""

    call: Call
    matches: bool

    def __str__(self) -> str:
        if self.matches:
            return f"Call with {self.call.peer}: the SAS matches. This is remembered."
        return f"Call with {self.call.peer}: THE SAS DIFFERS. Somebody may stand in the middle: hang up."


class EnrolmentOffered(NamedTuple):
    """A server asks to be trusted to tell this phone the SAS of whom it talks with (RFC 6189 7.3.1)."""

    call: Call

    def __str__(self) -> str:
        again = " again" if self.call.zrtp.enrolled else ""
        return f"Call with {self.call.peer}: the server offers to enrol this phone{again}."


class Enrolled(NamedTuple):
    call: Call
    accepted: bool

    def __str__(self) -> str:
        what = "enrolled: this server may relay the SAS of other phones" if self.accepted else "not enrolled"
        return f"Call with {self.call.peer}: {what}."


class SecurityWarning(NamedTuple):
    call: Call
    text: str

    def __str__(self) -> str:
        return f"Call with {self.call.peer}: WARNING: {self.text}"


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
    | Secured
    | NotSecured
    | SasRelayed
    | SasChecked
    | EnrolmentOffered
    | Enrolled
    | SecurityWarning
    | DtmfReceived
    | TransferProgress
    | MessageReceived
    | CallEnded
)
