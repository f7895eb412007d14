"""Who can be reached where: routing by the snapshot, bindings from the registrar."""

from __future__ import annotations

from collections.abc import Callable

from sealtone.b2bua.plane import Destination, NoRoute, Ring, Service
from sealtone.model import SipUser, Snapshot
from sealtone.registrar import Binding, Registrar
from sealtone.routing import ToService, ToUser, route
from sealtone.sip.flow import Hop, is_secure


class Directory:
    """Implements `b2bua.plane.Directory`. `snapshot` gives the current one, `wall` Unix seconds."""

    def __init__(self, registrar: Registrar, snapshot: Callable[[], Snapshot], wall: Callable[[], float]) -> None:
        self._registrar = registrar
        self._snapshot = snapshot
        self._wall = wall

    def resolve(self, uri: str, caller: SipUser) -> Ring | Service | NoRoute:
        now_wall = self._wall()
        target = route(uri, caller, self._snapshot(), lambda aor: self._registrar.lookup(aor, now_wall))
        if isinstance(target, ToService):
            return Service(target.name)
        if not isinstance(target, ToUser):
            return NoRoute(target.status, target.reason)
        destinations = []
        for binding in target.contacts:
            hop = binding.hop_hint
            if hop is not None and (is_secure(hop) or not target.is_sips):
                others = self._registrar.alternatives(binding, now_wall) if binding.reg_id is not None else ()
                destinations.append(_destination(target.user, binding, hop, others))
        if not destinations:
            return NoRoute(480, "That user's phones are not connected over TLS, which this call demands")
        return Ring(target.aor, tuple(destinations))

    def recording_key(self, user: SipUser) -> str:
        """That of the user's account; of one that is gone, the key it had."""
        present = self._snapshot().user(user.aor)
        same = present is not None and present.account_id == user.account_id
        return present.recording.recipient if present is not None and same else user.recording.recipient

    def phone_of(self, aor: str) -> Destination | NoRoute:
        """The phone of a SIP user that is best reached now, for a call of the server's own."""
        snapshot, now_wall = self._snapshot(), self._wall()
        user = snapshot.user(aor)
        if user is None or not snapshot.is_active(user):
            return NoRoute(404, f"There is no SIP user {aor} that may be called")
        for binding in self._registrar.lookup(aor, now_wall):
            if binding.hop_hint is not None:
                others = self._registrar.alternatives(binding, now_wall) if binding.reg_id is not None else ()
                return _destination(user, binding, binding.hop_hint, others)
        return NoRoute(480, f"No phone of {aor} is registered. Connect one, then try again")


def _destination(user: SipUser, binding: Binding, hop: Hop, others: tuple[Binding, ...]) -> Destination:
    return Destination(
        user,
        hop,
        binding.contact,
        binding.path,
        tuple(
            Destination(user, other.hop_hint, other.contact, other.path)
            for other in others
            if other.hop_hint is not None and is_secure(other.hop_hint) == is_secure(hop)
        ),
    )
