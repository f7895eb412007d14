"""Whether a request in a dialog is its phone's, whoever knows the dialog's tags.

Rules:

1. It comes from the host that the phone talks from, over the same transport, or from where that user is registered;
   else there is no such dialog for it.
2. From the port or connection that the phone talked over last, or registered over, it is the phone's.
3. From another one of that host it has to carry a digest of the phone's user. NAT gives out new ports in mid-call, and
   phones reconnect; but others share that address. An ACK cannot be asked for one (RFC 3261 22.1) and is passed over.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from sealtone.b2bua.leg import Leg
from sealtone.model import SipUser, Snapshot
from sealtone.registrar import Registrar
from sealtone.server.authentication import Authenticator, Denied
from sealtone.sip.endpoint import Refusal
from sealtone.sip.flow import Flow, Hop
from sealtone.sip.headers import NameAddr
from sealtone.sip.message import Request
from sealtone.sip.session import InviteSession

_UNPROVED: Final = Refusal(481, None, ())


class DialogAdmission:
    """See the module. `proved` is told each flow and who has authenticated over it."""

    def __init__(
        self,
        registrar: Registrar,
        authenticator: Authenticator,
        snapshot: Callable[[], Snapshot],
        proved: Callable[[Flow, SipUser], None],
    ) -> None:
        self._registrar = registrar
        self._authenticator = authenticator
        self._snapshot = snapshot
        self._proved = proved

    def is_from_its_phone(self, session: InviteSession, flow: Flow) -> bool:
        """Rule 1."""
        leg = session.owner
        if not isinstance(leg, Leg):
            return True
        known = session.flow or leg.hop
        if known.transport == flow.transport and _address(known)[0] == flow.remote[0]:
            return True
        return self._is_registered_over(leg, flow)

    def refusal(self, session: InviteSession, request: Request, flow: Flow) -> Refusal | None:
        """Rules 2 and 3, of what keeps rule 1: what the request is answered; None where it is the phone's."""
        leg = session.owner
        if not isinstance(leg, Leg):
            return None
        known = session.flow or leg.hop
        if known is flow or (_address(known) == flow.remote and (not isinstance(known, Flow) or known.id == flow.id)):
            return None
        if self._is_registered_over(leg, flow):
            return None
        if request.method == "ACK":
            return _UNPROVED
        owner = NameAddr("", f"sip:{leg.user.aor}")
        user = self._authenticator.identify(request, owner, flow, self._snapshot(), time.monotonic())
        if isinstance(user, Denied):
            return Refusal(user.status, user.reason, user.headers)
        self._proved(flow, user)
        return None

    def _is_registered_over(self, leg: Leg, flow: Flow) -> bool:
        return any(
            binding.flow is not None and binding.flow.id == flow.id and binding.flow.remote == flow.remote
            for binding in self._registrar.bindings(leg.user.aor, time.time())
        )


def _address(hop: Hop) -> tuple[str, int]:
    return hop.remote if isinstance(hop, Flow) else (hop.host, hop.port)
