"""The location table: bindings by address of record, changed only by what has been committed.

How it works:

* `register` computes a `Registration` and remembers it as pending, so that a second REGISTER for the same AOR, arriving
  while the first is being committed, is judged against both. Its owner then commits and calls `apply`, or `discard`
  if the commit failed. Only after `apply` is the 200 sent and are the bindings found by `lookup`.
* Expiry is kept in buckets of some seconds, so that a refresh costs no search and nothing stale is left behind.
* Bindings over streams are indexed by connection, so that its end takes them out at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from sealtone.registrar.binding import Binding
from sealtone.registrar.register import Registration, Rules, compute
from sealtone.sip.flow import Flow
from sealtone.sip.message import Request

_BUCKET_S: Final = 8

_Place = tuple[str, str]  # AOR, key of the binding


class Registrar:
    """All bindings of this node. `now_wall` is seconds since the epoch throughout."""

    def __init__(self) -> None:
        self._bindings: dict[str, dict[str, Binding]] = {}
        self._pending: dict[str, list[Registration]] = {}
        self._expiring: dict[int, set[_Place]] = {}
        self._by_stream: dict[int, set[_Place]] = {}
        self._closed_while_pending: set[int] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def register(self, request: Request, aor: str, flow: Flow, now_wall: float, rules: Rules) -> Registration:
        """What an authenticated REGISTER for `aor` changes and how to answer it. Nothing is changed yet:
        follow with `apply` after the commit or `discard` after its failure when `changes_bindings` is true.
        """
        registration = compute(request, aor, flow, now_wall, rules, self._expected(aor, now_wall))
        if registration.changes_bindings:
            self._pending.setdefault(aor, []).append(registration)
        return registration

    def apply(self, registration: Registration) -> None:
        """The registration is committed: its bindings count from now on."""
        self.discard(registration, keep_closed=True)
        for binding in registration.removed:
            self._remove(binding.aor, binding.key)
        for binding in registration.saved:
            flow = binding.flow
            if flow is not None and flow.transport != "udp" and flow.id in self._closed_while_pending:
                binding = binding._replace(flow=None)
            self._put(binding)
        if not self._pending:
            self._closed_while_pending.clear()

    def discard(self, registration: Registration, *, keep_closed: bool = False) -> None:
        """The registration could not be committed: forget it. No effect if it is not pending."""
        waiting = self._pending.get(registration.aor, [])
        for place, pending in enumerate(waiting):
            if pending is registration:
                del waiting[place]
                if not waiting:
                    del self._pending[registration.aor]
                break
        if not self._pending and not keep_closed:
            self._closed_while_pending.clear()

    def load(self, bindings: Iterable[Binding]) -> None:
        """Take over stored bindings after a start. Their flows are gone."""
        for binding in bindings:
            self._put(binding if binding.flow is None else binding._replace(flow=None))

    def bindings(self, aor: str, now_wall: float) -> tuple[Binding, ...]:
        """All live bindings of an AOR, reachable or not, best q first, then the latest refreshed."""
        found = self._bindings.get(aor)
        if not found:
            return ()
        live = [binding for binding in found.values() if binding.expires_at > now_wall]
        if len(live) > 1:
            live.sort(key=_preference)
        return tuple(live)

    def lookup(self, aor: str, now_wall: float) -> tuple[Binding, ...]:
        """The bindings to send a request to, best first: reachable ones, of each device that registered several
        flows (RFC 5626, 7) only the latest. `alternatives` gives the others, for when that one fails.
        """
        chosen: list[Binding] = []
        devices: set[str] = set()
        for binding in self.bindings(aor, now_wall):
            if binding.hop_hint is None:
                continue
            if binding.reg_id is not None:
                if binding.instance in devices:
                    continue
                devices.add(binding.instance)
            chosen.append(binding)
        return tuple(chosen)

    def alternatives(self, binding: Binding, now_wall: float) -> tuple[Binding, ...]:
        """Other reachable flows of the same device, best first."""
        if binding.reg_id is None:
            return ()
        return tuple(
            other
            for other in self.bindings(binding.aor, now_wall)
            if other.instance == binding.instance
            and other.reg_id not in (None, binding.reg_id)
            and other.hop_hint is not None
        )

    def all_bindings(self, now_wall: float) -> Iterator[Binding]:
        """Every live binding, AOR by AOR."""
        for aor in list(self._bindings):
            yield from self.bindings(aor, now_wall)

    def flow_closed(self, flow: Flow) -> tuple[Binding, ...]:
        """A stream connection ended. Bindings that could only be reached over it end too and are given back, to be
        removed from the store; others go on without it.
        """
        if flow.transport == "udp":
            return ()
        if self._pending:
            self._closed_while_pending.add(flow.id)
        ended: list[Binding] = []
        for aor, key in self._by_stream.pop(flow.id, ()):
            binding = self._bindings[aor][key]._replace(flow=None)
            if binding.hop_hint is None:
                self._remove(aor, key)
                ended.append(binding)
            else:
                self._bindings[aor][key] = binding
        return tuple(ended)

    def forget(self, aor: str) -> tuple[Binding, ...]:
        """Remove all bindings of an AOR whose SIP user is gone or switched off."""
        found = tuple(self._bindings.get(aor, {}).values())
        for binding in found:
            self._remove(aor, binding.key)
        return found

    def expire(self, now_wall: float) -> tuple[Binding, ...]:
        """Remove what has expired and give it back, to be removed from the store. Call every few seconds."""
        current = int(now_wall) // _BUCKET_S
        ended: list[Binding] = []
        for bucket in sorted(bucket for bucket in self._expiring if bucket <= current):
            for aor, key in tuple(self._expiring[bucket]):
                binding = self._bindings[aor][key]
                if binding.expires_at <= now_wall:
                    self._remove(aor, key)
                    ended.append(binding)
        return tuple(ended)

    def shift(self, by_s: float) -> tuple[Binding, ...]:
        """The wall clock was set by so many seconds: bindings last for as long as their phones were told. Gives all of
        them, to be stored."""
        moved = tuple(
            binding._replace(expires_at=binding.expires_at + by_s, registered_at=binding.registered_at + by_s)
            for of_aor in self._bindings.values()
            for binding in of_aor.values()
        )
        for binding in moved:
            self._put(binding)
        return moved

    def _expected(self, aor: str, now_wall: float) -> dict[str, Binding]:
        """The live bindings as they will be once everything pending is applied."""
        expected = {
            key: binding for key, binding in self._bindings.get(aor, {}).items() if binding.expires_at > now_wall
        }
        for registration in self._pending.get(aor, ()):
            for binding in registration.removed:
                expected.pop(binding.key, None)
            for binding in registration.saved:
                expected[binding.key] = binding
        return expected

    def _put(self, binding: Binding) -> None:
        key = binding.key
        self._remove(binding.aor, key)
        self._bindings.setdefault(binding.aor, {})[key] = binding
        self._count += 1
        self._expiring.setdefault(int(binding.expires_at) // _BUCKET_S, set()).add((binding.aor, key))
        flow = binding.flow
        if flow is not None and flow.transport != "udp":
            self._by_stream.setdefault(flow.id, set()).add((binding.aor, key))

    def _remove(self, aor: str, key: str) -> None:
        bindings = self._bindings.get(aor)
        binding = bindings.pop(key, None) if bindings else None
        if bindings is None or binding is None:
            return
        if not bindings:
            del self._bindings[aor]
        self._count -= 1
        place = (aor, key)
        _drop(self._expiring, int(binding.expires_at) // _BUCKET_S, place)
        if binding.flow is not None and binding.flow.transport != "udp":
            _drop(self._by_stream, binding.flow.id, place)


def _drop(index: dict[int, set[_Place]], slot: int, place: _Place) -> None:
    places = index.get(slot)
    if places is not None:
        places.discard(place)
        if not places:
            del index[slot]


def _preference(binding: Binding) -> tuple[int, float]:
    return -binding.q, -binding.registered_at
