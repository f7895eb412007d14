"""Sockets: SIP over UDP, TCP and TLS, name resolution, the control socket. Knows framing, not what messages mean."""

from sealtone.net.errors import ControlError, IdentityError, ListenError, NetError, NotRunning, ResolveError
from sealtone.net.limits import Counters, Limits
from sealtone.net.listen import nearest_free_port
from sealtone.net.local_address import machine_addresses, primary_addresses
from sealtone.net.transport import Certificates, Listening, Transports

__all__ = [
    "Certificates",
    "ControlError",
    "Counters",
    "IdentityError",
    "Limits",
    "ListenError",
    "Listening",
    "NetError",
    "NotRunning",
    "ResolveError",
    "Transports",
    "machine_addresses",
    "nearest_free_port",
    "primary_addresses",
]
