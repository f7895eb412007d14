"""One registered contact of an address of record, and how it can be reached."""

from __future__ import annotations

from typing import Final, NamedTuple

from sealtone.sip.flow import Flow, Hop, Target
from sealtone.sip.uri import SipUri

_DEFAULT_SIP_PORT: Final = 5060


class Binding(NamedTuple):
    """A contact that an authenticated phone registered. Wall-clock times in seconds since the epoch."""

    aor: str
    contact: str
    """The contact URI as registered; the Request-URI of requests to this phone."""
    call_id: str
    cseq: int
    expires_at: float
    registered_at: float
    """Of the last refresh."""
    transport: str
    received: tuple[str, int]
    """The address that the REGISTER came from, whatever the contact says."""
    flow: Flow | None = None
    """What the REGISTER came over; None once it is gone, as after a restart."""
    q: int = 1000
    """Preference in thousandths (RFC 3261, 20.10)."""
    path: tuple[str, ...] = ()
    """Route values for requests to this phone (RFC 3327)."""
    instance: str = ""
    """+sip.instance without its quotes: one device over all its registrations (RFC 5626, 4.1)."""
    reg_id: int | None = None
    """Which of the device's flows this is; None unless RFC 5626 is in use."""
    user_agent: str = ""

    @property
    def key(self) -> str:
        """What a later registration has to match to replace this one, unique within the AOR."""
        return self.contact if self.reg_id is None else f"{self.instance};reg-id={self.reg_id}"

    @property
    def hop_hint(self) -> Hop | None:
        """Where to send a request for this phone; None when it cannot be reached until it registers again.

        The flow comes first: behind NAT it is the only way. Without one, a UDP phone is tried at the address its
        REGISTER came from, a TCP phone at its contact when that is no NAT's private address. A TLS or WebSocket
        phone has no certificate to be known by, so nothing is ever opened towards it.
        """
        if self.flow is not None:
            return self.flow
        if self.transport == "udp":
            return Target("udp", *self.received)
        if self.transport != "tcp" or self.reg_id is not None or self.path:
            return None
        uri = SipUri.parse(self.contact)
        if uri.host != self.received[0]:
            return None
        return Target("tcp", uri.host, uri.port or _DEFAULT_SIP_PORT)
