"""“If 1000 calls 1001 now”: who would be rung, what each side would come to, and who could listen.

The call is rehearsed (`rehearsal`) between the users as they are saved and phones as they are registered. How a phone
itself is set up cannot be known from here: it is taken to be set up as its user is, unless whoever asks says otherwise.
"""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

from sealtone.admin import fields
from sealtone.admin.actor import Actor
from sealtone.admin.errors import InvalidInput
from sealtone.admin.rehearsal import Outlook, Party, rehearse
from sealtone.admin.rehearsed_phone import USUAL_CODECS, PhoneSettings
from sealtone.admin.sip_user_pages import PhoneSeen, phone_seen
from sealtone.admin.sip_users import user_of
from sealtone.b2bua.plane import NoRoute, Service
from sealtone.model import (
    LegPolicy,
    MediaPath,
    Protection,
    Role,
    SipUser,
    Snapshot,
    Strictness,
)
from sealtone.routing import ToService, ToUser, route
from sealtone.routing.route import dialled_name
from sealtone.sip.errors import SipParseError
from sealtone.sip.flow import TransportName
from sealtone.sip.uri import SipUri
from sealtone.store import Transaction
from sealtone.store import directory as rows

TRANSPORTS: tuple[TransportName, ...] = ("tls", "tcp", "udp")
PHONE_PROTECTIONS = ("none", "srtp", "srtp-mandatory", "zrtp")
_LONGEST_DIALLED = 128
_SECURE = ("tls", "wss")
_NO_ZID = bytes(range(1, 13))  # of no account: nothing is ever sent under it


class PhoneForm(NamedTuple):
    """How a phone is taken to be set up; empty: connected as it is registered, set up as its user is."""

    transport: str = ""
    protection: str = ""
    """One of `PHONE_PROTECTIONS`."""
    codecs: str = ""


class TrialCall(NamedTuple):
    """What a call would come to, and what that rests on."""

    caller: SipUser
    dialled: str
    callee: SipUser | None
    """None where a service of the server would answer, or nobody has the number."""
    outlook: Outlook
    caller_phone: PhoneSettings
    callee_phones: tuple[PhoneSettings, ...]
    caller_is_registered: bool
    callee_is_registered: bool
    """Where it is not, the call would come to nothing now; `if_registered` says what it would come to otherwise."""
    if_registered: Outlook | None


def try_call(
    transaction: Transaction,
    actor: Actor,
    caller: str,
    dialled: str,
    registered: Callable[[str], Sequence[PhoneSeen]],
    codecs: Mapping[str, str],
    caller_phone: PhoneForm = PhoneForm(),  # noqa: B008
    callee_phone: PhoneForm = PhoneForm(),  # noqa: B008
) -> TrialCall:
    """What comes of `caller` (an address of record) dialling `dialled` now; nothing rings.

    `registered` gives a user's phones by its address; `codecs` what the running server can convert (of its `status`).
    Raises `InvalidInput`, `NotFound`.
    """
    user = user_of(transaction, actor, caller, Role.VIEWER)
    uri = _uri(dialled, user.domain)
    callee = _callee(transaction, uri, user)
    snapshot = _snapshot(transaction, user, callee)
    own = _settings(user, registered(user.aor), caller_phone, "caller_")[:1]
    here = registered(callee.aor) if callee is not None else ()
    theirs = _settings(callee, here, callee_phone, "callee_") if callee is not None else ()

    def outlook(phones: Sequence[PhoneSettings]) -> Outlook:
        def resolve(asked: str, who: SipUser) -> Sequence[Party] | Service | NoRoute:
            return _resolved(asked, who, snapshot, phones)

        return rehearse(Party(user, own[0]), uri, resolve, codecs, secrets.token_bytes)

    is_registered = any(phone.reachable for phone in here)
    supposed = bool(callee_phone.transport)
    return TrialCall(
        user,
        dialled.strip(),
        callee,
        outlook(theirs if is_registered or supposed else ()),
        own[0],
        theirs,
        any(phone.reachable for phone in registered(user.aor)),
        is_registered,
        None if callee is None or is_registered or supposed else outlook(theirs),
    )


def _uri(dialled: str, domain: str) -> str:
    text = dialled.strip()
    if not text.lower().startswith(("sips:", "sip:", "tel:")):
        text = f"sip:{text}" if "@" in text else f"sip:{text}@{domain}"
    try:
        if not dialled.strip() or len(dialled) > _LONGEST_DIALLED:
            raise InvalidInput("dialled", "Enter the number or name that is dialled, such as 1001.")
        SipUri.parse(text)
    except SipParseError:
        raise InvalidInput("dialled", "“{text}” cannot be dialled.", text=dialled.strip()) from None
    return text


def _callee(transaction: Transaction, uri: str, caller: SipUser) -> SipUser | None:
    """Whom the caller's account has under that address, if anybody."""
    parsed = SipUri.parse(uri)
    host = parsed.host.lower().rstrip(".") if parsed.scheme != "tel" else caller.domain
    domain = rows.find_domain(transaction, host)
    if domain is None or domain.account_id != caller.account_id:
        return None
    name = dialled_name(parsed)
    return rows.find_user(transaction, domain.id, name) if name.isprintable() else None


def aors_meant(transaction: Transaction, caller: SipUser, dialled: str) -> tuple[str, ...]:
    """Whose registrations count for a call beside the caller's own. Raises `InvalidInput`."""
    callee = _callee(transaction, _uri(dialled, caller.domain), caller)
    return () if callee is None else (callee.aor,)


def _snapshot(transaction: Transaction, caller: SipUser, callee: SipUser | None) -> Snapshot:
    """What is decided on: the account, its domains, and the two."""
    account = rows.find_account(transaction, caller.account_id)
    assert account is not None
    users = (caller,) if callee is None or callee.id == caller.id else (caller, callee)
    return Snapshot((account,), rows.read_domains(transaction, account.id), users)


def _resolved(
    uri: str, caller: SipUser, snapshot: Snapshot, phones: Sequence[PhoneSettings]
) -> Sequence[Party] | Service | NoRoute:
    """As `server.Directory` decides it, of phones that are only thought of."""
    target = route(uri, caller, snapshot, lambda aor: phones)
    if isinstance(target, ToService):
        return Service(target.name)
    if not isinstance(target, ToUser):
        return NoRoute(target.status, target.reason)
    rung = [Party(target.user, phone) for phone in target.contacts if not target.is_sips or phone.transport in _SECURE]
    return rung or NoRoute(480, "That user's phones are not connected over TLS, which this call demands")


def _settings(user: SipUser, seen: Iterable[PhoneSeen], form: PhoneForm, prefix: str) -> tuple[PhoneSettings, ...]:
    """The user's phones; one that is thought of where none can be reached."""
    if form.transport and form.transport not in TRANSPORTS:
        raise InvalidInput(f"{prefix}transport", "Choose TLS, TCP or UDP.")
    if form.protection and form.protection not in PHONE_PROTECTIONS:
        raise InvalidInput(f"{prefix}protection", "Choose none, SRTP or ZRTP.")
    try:
        codecs = fields.codecs(form.codecs)
    except InvalidInput as error:
        raise InvalidInput(f"{prefix}codecs", error.template, **error.values) from None
    likely = phone_for(user.policy, user.codecs)
    if form.protection:
        kind = Protection(form.protection.partition("-")[0])
        likely = likely._replace(protection=kind, mandatory=form.protection.endswith("-mandatory"))
    if codecs:
        likely = likely._replace(codecs=codecs)
    if form.transport:
        return tuple(likely._replace(transport=one) for one in TRANSPORTS if one == form.transport)
    return tuple(_connected(likely, phone) for phone in seen if phone.reachable) or (likely,)


def _connected(phone: PhoneSettings, seen: PhoneSeen) -> PhoneSettings:
    """The phone where it is registered from."""
    address = seen.address.rpartition(":")[0].strip("[]")
    own = ""
    with contextlib.suppress(
        SipParseError, ValueError
    ):  # a phone that writes a name is taken to stand where it is seen
        own = str(ipaddress.ip_address(SipUri.parse(seen.contact).host.strip("[]")))
    if ":" in own or ":" in address:
        own = ""
    return phone._replace(
        transport=cast("TransportName", seen.transport), address=address, own_address="" if own == address else own
    )


def phone_for(policy: LegPolicy, codecs: tuple[str, ...] = ()) -> PhoneSettings:
    """A phone that is set up as its user is, connected over TLS."""
    mandatory = policy.protection is not Protection.NONE and policy.strictness is Strictness.REQUIRE
    return PhoneSettings("tls", policy.protection, mandatory, codecs or USUAL_CODECS)


# What each choice of a user's protection comes to


class Choice(NamedTuple):
    """A choice of protection as a whole."""

    protection: Protection
    path: MediaPath


CHOICES = (
    Choice(Protection.NONE, MediaPath.SERVER),
    Choice(Protection.SRTP, MediaPath.SERVER),
    Choice(Protection.ZRTP, MediaPath.SERVER),
    Choice(Protection.ZRTP, MediaPath.SEALED),
    Choice(Protection.ZRTP, MediaPath.DIRECT),
)
"""What a user can choose, and what kinds of other side there are."""


class Prospect(NamedTuple):
    """What a choice comes to against one kind of other side."""

    other: Choice
    outlook: Outlook


@lru_cache(maxsize=1)
def prospects() -> dict[Choice, tuple[Prospect, ...]]:
    """For each choice, who could listen to a call with each kind of other side.

    Both phones are set up as their users are, connected over TLS, and have their usual codecs in common.
    """
    return {mine: tuple(Prospect(other, _prospect(mine, other)) for other in CHOICES) for mine in CHOICES}


def _prospect(mine: Choice, other: Choice) -> Outlook:
    parties: list[Party] = []
    for number, choice in (("1000", mine), ("1001", other)):
        policy = LegPolicy(choice.protection, Strictness.PREFER, choice.path)
        user = SipUser(len(parties) + 1, 1, 1, number, "office.example", policy=policy, zid=_NO_ZID)
        parties.append(Party(user, phone_for(policy)))
    caller, callee = parties
    return rehearse(caller, "sip:1001@office.example", lambda uri, who: (callee,), {}, secrets.token_bytes)


def registrations_by_aor(registrations: Iterable[Mapping[str, Any]]) -> Callable[[str], Sequence[PhoneSeen]]:
    """A user's phones by its address, from what the control action `registrations` gave."""
    found: dict[str, list[PhoneSeen]] = {}
    for one in registrations:
        found.setdefault(one["aor"], []).append(phone_seen(one))
    return lambda aor: tuple(found.get(aor, ()))
