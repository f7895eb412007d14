"""The routing decision for a request by an authenticated SIP user.

Rules:

1. A caller reaches the domains of its own account and nothing else. A domain of another account and a domain that is
   not here at all get the same answer, so that nobody learns who else is a customer.
2. Where the URI names this server itself (its address or host name) or no host at all (tel:), the caller's own domain
   is meant: many phones dial that way.
3. A SIP user comes before a service number of the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from sealtone.model import Domain, SipUser, Snapshot
from sealtone.sip.errors import SipParseError
from sealtone.sip.uri import SipUri, unescape

ContactT = TypeVar("ContactT")

_SEPARATORS: Final = str.maketrans("", "", "-.() ")
_NUMBER: Final = frozenset("0123456789*#ABCDabcd")


class ToUser(NamedTuple, Generic[ContactT]):
    """A SIP user that has somewhere to be called at."""

    aor: str
    user: SipUser
    contacts: tuple[ContactT, ...]
    """What `lookup` gave; at least one."""
    is_sips: bool = False
    """Whether the caller demands TLS on every hop (RFC 3261, 26.2.2)."""


class ToService(NamedTuple):
    """A service of the server, such as "echo"."""

    name: str


class NotFound(NamedTuple):
    """Nobody has that number or name."""

    reason: str
    status: int = 404


class Forbidden(NamedTuple):
    """The caller may not call there."""

    reason: str
    status: int = 403


class Unavailable(NamedTuple):
    """The user exists, but cannot be reached now."""

    reason: str
    status: int = 480


Target = ToUser[ContactT] | ToService | NotFound | Forbidden | Unavailable


def route(
    request_uri: SipUri | str,
    caller: SipUser,
    snapshot: Snapshot,
    lookup: Callable[[str], Sequence[ContactT]],
) -> Target[ContactT]:
    """Where `caller`'s request goes. `lookup` gives the reachable contacts of an AOR (`Registrar.lookup`)."""
    if not snapshot.is_active(caller):
        return Forbidden("Your user is switched off on this server")
    if isinstance(request_uri, str):
        try:
            request_uri = SipUri.parse(request_uri)
        except SipParseError as error:
            return NotFound(f"The address cannot be read: {error.reason}")
    domain = _domain(request_uri, caller, snapshot)
    if domain is None:
        return Forbidden("This server does not call other domains")
    if not domain.enabled:
        return Unavailable("That domain is switched off")
    name = dialled_name(request_uri)
    if not name:
        return NotFound("The address names nobody")
    user = snapshot.user(f"{name}@{domain.name}")
    if user is None or user.account_id != caller.account_id:
        service = domain.services.get(name)
        return NotFound("Nobody here has that number") if service is None else ToService(service)
    if not user.enabled:
        return Unavailable("That user is switched off")
    contacts = tuple(lookup(user.aor))
    if not contacts:
        return Unavailable("That user has no phone registered")
    return ToUser(user.aor, user, contacts, request_uri.scheme == "sips")


def dialled_name(uri: SipUri) -> str:
    """The user part to look up: unescaped; of a telephone number without separators and parameters (RFC 3966, 3)."""
    user = uri.user or ""
    if uri.scheme != "tel" and uri.param("user") != "phone":
        return unescape(user) if "%" in user else user
    plain = unescape(user)
    number = plain.partition(";")[0].translate(_SEPARATORS)
    # Some phones put user=phone on every address, names included.
    return number if _NUMBER.issuperset(number.removeprefix("+")) else plain


def _domain(uri: SipUri, caller: SipUser, snapshot: Snapshot) -> Domain | None:
    """The domain the URI names, if the caller's account owns it."""
    host = _context(uri) if uri.scheme == "tel" else uri.host.lower().rstrip(".")
    if not host or host == caller.domain or host in snapshot.local_names:
        host = caller.domain
    domain = snapshot.domain(host)
    return domain if domain is not None and domain.account_id == caller.account_id else None


def _context(uri: SipUri) -> str:
    """The domain that a local number belongs to (RFC 3966, 5.1.5); "" for a global number or a number prefix."""
    context = (uri.param("phone-context") or "").lower().rstrip(".")
    return "" if context.startswith("+") else context
