"""What a REGISTER changes, computed without changing anything (RFC 3261 10.3, steps 6 to 8).

Rules:

1. All or nothing: one contact that fails fails the request, and no binding changes (RFC 3261, 10.3 step 7).
2. A binding is replaced by its URI (19.1.4), or with RFC 5626 by instance and reg-id, whatever the URI.
3. A request that is older than what it would change (same Call-ID, CSeq not higher) changes nothing.
4. The contact limit evicts only bindings that cannot be reached any more; else it refuses, so that nobody with a
   stolen secret can push the owner's phones out unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from sealtone.registrar.binding import Binding
from sealtone.sip.errors import SipParseError
from sealtone.sip.flow import Flow
from sealtone.sip.headers import NameAddr
from sealtone.sip.message import Request
from sealtone.sip.uri import SipUri, equivalent

_MAX_CONTACT_LENGTH: Final = 512
_MAX_INSTANCE_LENGTH: Final = 256
_MAX_CALL_ID_LENGTH: Final = 512
_MAX_USER_AGENT_LENGTH: Final = 128
_MAX_REG_ID: Final = (1 << 31) - 1


class Rules(NamedTuple):
    """Limits of one registration. `min_expires_s` is at most an hour (RFC 3261, 10.3)."""

    min_expires_s: int = 60
    max_expires_s: int = 7200
    default_expires_s: int = 3600
    max_contacts: int = 10
    max_path_length: int = 1024
    """Characters over all Path values."""
    flow_timer_s: int = 120
    """Keep-alive interval asked of RFC 5626 phones."""


class Registration(NamedTuple):
    """The outcome of one REGISTER: the response to send once `saved` and `removed` are committed."""

    aor: str
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()
    """Contact, Path, Min-Expires, Require, Flow-Timer, as due."""
    saved: tuple[Binding, ...] = ()
    """New and refreshed bindings."""
    removed: tuple[Binding, ...] = ()
    """Bindings that end, those replaced under another key included."""

    @property
    def accepted(self) -> bool:
        return self.status == 200

    @property
    def changes_bindings(self) -> bool:
        """Whether there is anything to commit, and so `apply` or `discard` must follow."""
        return bool(self.saved or self.removed)


class _Refused(Exception):
    """The outcome is a refusal with this status."""

    def __init__(self, status: int, reason: str, *headers: tuple[str, str]) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers


class _Change:
    """The bindings as they would be, and what has to be saved and removed to get there."""

    __slots__ = ("after", "removed", "saved")

    def __init__(self, current: Mapping[str, Binding]) -> None:
        self.after = dict(current)
        self.saved: dict[str, Binding] = {}
        self.removed: dict[str, Binding] = {}

    def take_out(self, binding: Binding) -> None:
        del self.after[binding.key]
        self.removed[binding.key] = binding

    def put_in(self, binding: Binding) -> None:
        key = binding.key
        self.after[key] = self.saved[key] = binding
        self.removed.pop(key, None)


def compute(
    request: Request, aor: str, flow: Flow, now_wall: float, rules: Rules, current: Mapping[str, Binding]
) -> Registration:
    """The outcome of `request` for `aor`, whose live bindings by key are `current`."""
    try:
        change, headers = _compute(request, aor, flow, now_wall, rules, current)
    except _Refused as refused:
        return Registration(aor, refused.status, refused.reason, refused.headers)
    except SipParseError as error:
        return Registration(aor, 400, f"Bad Request ({error.reason})")
    headers += [("Contact", _contact_value(binding, now_wall)) for binding in change.after.values()]
    saved, removed = tuple(change.saved.values()), tuple(change.removed.values())
    return Registration(aor, 200, "OK", tuple(headers), saved, removed)


def _compute(
    request: Request, aor: str, flow: Flow, now_wall: float, rules: Rules, current: Mapping[str, Binding]
) -> tuple[_Change, list[tuple[str, str]]]:
    contacts = request.contacts
    if len(contacts) > rules.max_contacts:
        raise _Refused(403, "Too Many Contacts")
    call_id, cseq = request.call_id, request.cseq.seq
    if len(call_id) > _MAX_CALL_ID_LENGTH:
        raise _Refused(400, "Call-ID Too Long")
    change = _Change(current)
    if not contacts:
        return change, []
    if any(contact.uri == "*" for contact in contacts):
        _check_wildcard(request, contacts)
        for binding in current.values():
            _check_order(binding, call_id, cseq)
            change.take_out(binding)
        return change, []
    path = _read_path(request, rules)
    header_expires_s = _read_expires_header(request)
    outbound = "outbound" in request.supported
    user_agent = (request.headers.get("User-Agent") or "")[:_MAX_USER_AGENT_LENGTH]
    for contact in contacts:
        instance, reg_id = _read_device(contact, outbound)
        expires_s = _read_expires(contact, header_expires_s, rules)
        uri = _read_uri(contact)
        old = _find(change.after, uri, instance, reg_id)
        if old is not None:
            if old.key in change.saved:
                raise _Refused(400, "The Same Contact Twice")
            _check_order(old, call_id, cseq)
            change.take_out(old)
        if expires_s:
            binding = Binding(
                aor,
                uri,
                call_id,
                cseq,
                now_wall + expires_s,
                now_wall,
                flow.transport,
                flow.remote,
                flow,
                _read_q(contact),
                path,
                instance,
                reg_id,
                user_agent,
            )
            change.put_in(binding)
    if len(change.after) > rules.max_contacts:
        _evict_unreachable(change, rules)
    return change, _headers(request, change, path, rules)


def _headers(request: Request, change: _Change, path: tuple[str, ...], rules: Rules) -> list[tuple[str, str]]:
    """What the 200 says besides the bindings (RFC 5626, 6; RFC 3327, 5.3)."""
    headers: list[tuple[str, str]] = []
    flows = sum(1 for binding in change.saved.values() if binding.reg_id is not None)
    if flows > 1:
        raise _Refused(400, "Only One Contact May Have a reg-id")
    if flows:
        first_hop_keeps_flow = ";ob" in path[-1] if path else len(request.vias) == 1
        if not first_hop_keeps_flow:
            raise _Refused(439, "First Hop Lacks Outbound Support")
        headers += [("Require", "outbound"), ("Flow-Timer", str(rules.flow_timer_s))]
    if path and "path" in request.supported:
        headers += [("Path", value) for value in path]
    return headers


def _check_wildcard(request: Request, contacts: list[NameAddr]) -> None:
    """RFC 3261 10.3 step 6: `*` stands alone, with Expires: 0."""
    if len(contacts) != 1 or request.expires != 0:
        raise _Refused(400, "Contact: * Needs Expires: 0 and No Other Contact")


def _check_order(binding: Binding, call_id: str, cseq: int) -> None:
    """RFC 3261 10.3 steps 6 and 7."""
    if binding.call_id == call_id and cseq <= binding.cseq:
        raise _Refused(500, "Registration Out of Order")


def _read_uri(contact: NameAddr) -> str:
    uri = contact.uri
    if len(uri) > _MAX_CONTACT_LENGTH:
        raise _Refused(400, "Contact Too Long")
    if SipUri.parse(uri).scheme not in ("sip", "sips"):
        raise _Refused(400, "Contact Must Be a SIP URI")
    return uri


def _read_device(contact: NameAddr, outbound: bool) -> tuple[str, int | None]:
    """+sip.instance, and the reg-id if it counts (RFC 5626, 6)."""
    instance = (contact.param("+sip.instance") or "").strip('"')
    if len(instance) > _MAX_INSTANCE_LENGTH or '"' in instance or "\\" in instance:
        raise _Refused(400, "Bad +sip.instance")
    text = contact.param("reg-id")
    if not (outbound and instance and text):
        return instance, None
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= _MAX_REG_ID):
        raise _Refused(400, "Bad reg-id")
    return instance, int(text)


def _read_expires_header(request: Request) -> int | None:
    try:
        return request.expires
    except SipParseError:
        return None


def _read_expires(contact: NameAddr, header_s: int | None, rules: Rules) -> int:
    """RFC 3261 10.2.1.1 and 10.3 step 7; what is malformed counts as absent."""
    text = contact.param("expires")
    expires_s = rules.default_expires_s if header_s is None else header_s
    if text is not None and text.isascii() and text.isdigit():
        expires_s = int(text[:11])
    if 0 < expires_s < rules.min_expires_s:
        raise _Refused(423, "Interval Too Brief", ("Min-Expires", str(rules.min_expires_s)))
    return min(expires_s, rules.max_expires_s)


def _read_q(contact: NameAddr) -> int:
    """qvalue (RFC 3261, 25.1) in thousandths; absent is 1."""
    text = contact.param("q")
    if text is None:
        return 1000
    whole, _, fraction = text.partition(".")
    digits = (fraction + "000")[:3]
    if whole not in ("0", "1") or len(fraction) > 3 or not (digits.isascii() and digits.isdigit()):
        raise _Refused(400, "Bad q Value")
    thousandths = int(whole) * 1000 + int(digits)
    if thousandths > 1000:
        raise _Refused(400, "Bad q Value")
    return thousandths


def _read_path(request: Request, rules: Rules) -> tuple[str, ...]:
    if "Path" not in request.headers:
        return ()
    path = tuple(request.headers.split("Path"))
    if sum(map(len, path)) > rules.max_path_length:
        raise _Refused(400, "Path Too Long")
    return path


def _find(bindings: Mapping[str, Binding], uri: str, instance: str, reg_id: int | None) -> Binding | None:
    """The binding that a registration of this contact replaces."""
    if reg_id is not None:
        return bindings.get(f"{instance};reg-id={reg_id}")
    same = bindings.get(uri)
    if same is not None or not bindings:
        return same
    parsed = SipUri.parse(uri)
    for binding in bindings.values():
        if binding.reg_id is None and equivalent(parsed, SipUri.parse(binding.contact)):
            return binding
    return None


def _evict_unreachable(change: _Change, rules: Rules) -> None:
    candidates = [
        binding for key, binding in change.after.items() if key not in change.saved and binding.hop_hint is None
    ]
    candidates.sort(key=lambda binding: binding.registered_at)
    for binding in candidates[: len(change.after) - rules.max_contacts]:
        change.take_out(binding)
    if len(change.after) > rules.max_contacts:
        raise _Refused(403, "Too Many Contacts")


def _contact_value(binding: Binding, now_wall: float) -> str:
    # Rounded up, so that no binding is shown with 0, which means removal.
    text = f"<{binding.contact}>;expires={int(-((now_wall - binding.expires_at) // 1)) or 1}"
    if binding.q != 1000:
        text += f";q={binding.q / 1000:g}"
    if binding.instance:
        text += f';+sip.instance="{binding.instance}"'
    if binding.reg_id is not None:
        text += f";reg-id={binding.reg_id}"
    return text
