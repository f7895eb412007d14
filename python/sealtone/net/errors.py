"""What can go wrong between this process and the network, in words that say what to do about it."""

from __future__ import annotations


class NetError(Exception):
    """Base of every exception that this package raises on purpose."""


class ListenError(NetError):
    """An address could not be listened on; the message names the address, the port, the cause and the remedy."""

    def __init__(self, message: str, *, host: str, port: int, taken: bool = False, forbidden: bool = False) -> None:
        super().__init__(message)
        self.host = host
        self.port = port
        self.taken = taken
        """Another process holds the port."""
        self.forbidden = forbidden
        """The port needs a privilege that this process does not have."""


class ResolveError(NetError):
    """No address is known for a name."""


class IdentityError(NetError):
    """A TLS peer's certificate does not belong to the domain that was to be reached (RFC 5922)."""


class ControlError(NetError):
    """The running server refused or could not carry out what the command line asked."""


class NotRunning(ControlError):
    """No server answers at the control socket."""
