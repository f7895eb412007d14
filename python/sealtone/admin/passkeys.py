"""Passkeys (WebAuthn Level 3): made on the person's device for this service's name, and verified here.

They are discoverable and verify their user (by fingerprint, face or PIN), so that one is two factors in itself.
"""

from __future__ import annotations

import ipaddress
import json
from typing import NamedTuple

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from sealtone.admin import person_fields
from sealtone.admin.actor import Actor
from sealtone.admin.errors import Conflict, InvalidInput, NotFound
from sealtone.admin.person_log import log_person, own_person
from sealtone.admin.second_factors import second_factor_of
from sealtone.admin.service import service_settings
from sealtone.model import Person, Role
from sealtone.store import Transaction, credentials, directory, people
from sealtone.store.credentials import Passkey

_MOST_PASSKEYS = 20
_LONGEST_ANSWER = 16_384
_SERVICE = "Sealtone"
_UNUSABLE = "The passkey was not accepted. Try again."
_NO_SUCH_PASSKEY = "There is no such passkey."


class RelyingParty(NamedTuple):
    """Whom a passkey is for (WebAuthn 4): a name, and the one origin under which its page is."""

    id: str
    origin: str


class NewPasskey(NamedTuple):
    """A credential that was verified and belongs to nobody yet."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


def relying_party(transaction: Transaction, host: str, *, may_be_first: bool = False) -> RelyingParty:
    """The one of a request's Host (``name[:port]``). Raises `Conflict` where passkeys cannot be used under that name.

    It must be a name of this service: the public name, its zone, a domain, or ``localhost``. With `may_be_first` any
    name will do while there is no public name: whoever opens the owner's link is about to set it.
    """
    name, _, port = host.strip().lower().partition(":")
    name = name.rstrip(".")
    if not is_name(name):
        raise Conflict("Passkeys need a host name: open this page by its name instead of an IP address.")
    settings = service_settings(transaction)
    domain = directory.find_domain(transaction, name)
    is_ours = name in ("localhost", settings.public_name, settings.zone) or (domain is not None and domain.enabled)
    if not is_ours and not (may_be_first and not settings.public_name):
        raise Conflict(
            "Passkeys can be used only under this service's own name, which the operator sets on the Service page."
        )
    origin = f"https://{name}" if port in ("", "443") else f"https://{name}:{port}"
    return RelyingParty(name, origin)


def is_name(host: str) -> bool:
    """Whether it is a name, and no IP address."""
    if not host or "[" in host or "]" in host:
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


def registration_options(
    party: RelyingParty, challenge: bytes, handle: bytes, email: str, name: str, present: tuple[Passkey, ...] = ()
) -> str:
    """What `navigator.credentials.create` is asked, as JSON. Devices that have one of `present` make no second."""
    options = generate_registration_options(
        rp_id=party.id,
        rp_name=_SERVICE,
        user_name=email,
        user_display_name=name or email,
        user_id=handle,
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            require_resident_key=True,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=passkey.credential_id) for passkey in present],
    )
    return options_to_json(options)


def verify_new_passkey(party: RelyingParty, challenge: bytes, answer: str) -> NewPasskey:
    """What the device made, verified. Raises `InvalidInput`."""
    _check_length(answer)
    try:
        verified = verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError):
        raise InvalidInput("passkey", _UNUSABLE) from None
    return NewPasskey(verified.credential_id, verified.credential_public_key, verified.sign_count)


def authentication_options(party: RelyingParty, challenge: bytes, of_person: tuple[Passkey, ...] = ()) -> str:
    """What `navigator.credentials.get` is asked, as JSON: for any passkey of this service, or for a person's."""
    options = generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        allow_credentials=[PublicKeyCredentialDescriptor(id=passkey.credential_id) for passkey in of_person] or None,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json(options)


def take_passkey(
    transaction: Transaction, party: RelyingParty, challenge: bytes, answer: str, now_wall: float
) -> Person:
    """Whose passkey answered. Raises `InvalidInput`, in the same words whatever is wrong."""
    _check_length(answer)
    refused = InvalidInput("passkey", _UNUSABLE)
    try:
        read = json.loads(answer)
        credential_id = base64url_to_bytes(read["rawId"])
        handle = read["response"].get("userHandle")
        passkey = credentials.find_passkey(transaction, credential_id)
        person = people.find_person(transaction, passkey.person_id) if passkey is not None else None
        if passkey is None or person is None or (handle and base64url_to_bytes(handle) != person.webauthn_handle):
            raise refused
        verified = verify_authentication_response(
            credential=read,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=passkey.public_key,
            # Zero here: whether the counter has grown is decided below, by the database, for two at once too.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError):
        raise refused from None
    if not credentials.use_passkey(transaction, credential_id, verified.new_sign_count, now_wall):
        raise refused
    return person


def list_passkeys(transaction: Transaction, actor: Actor, person_id: int) -> tuple[Passkey, ...]:
    """A person's own passkeys. Raises `NotFound`, `Forbidden`."""
    own_person(transaction, actor, person_id)
    return credentials.read_passkeys(transaction, person_id)


def add_passkey(
    transaction: Transaction, actor: Actor, now_wall: float, person_id: int, new: NewPasskey, name: str
) -> Passkey:
    """A further passkey of this person. Raises `InvalidInput`, `Conflict`."""
    person = own_person(transaction, actor, person_id)
    if len(credentials.read_passkeys(transaction, person_id)) >= _MOST_PASSKEYS:
        raise Conflict("There are as many passkeys as one person may have. Remove one that is no longer used.")
    passkey = insert_passkey(transaction, now_wall, person_id, new, name)
    log_person(transaction, actor, now_wall, person, {}, {"passkey": f"{passkey.name} (new)"})
    return passkey


def insert_passkey(transaction: Transaction, now_wall: float, person_id: int, new: NewPasskey, name: str) -> Passkey:
    """Writes it. Nothing is authorised here. Raises `InvalidInput`, `Conflict`."""
    if credentials.find_passkey(transaction, new.credential_id) is not None:
        raise Conflict("This passkey is known already.")
    passkey = Passkey(
        new.credential_id, person_id, new.public_key, new.sign_count, person_fields.name(name, "passkey_name"), now_wall
    )
    credentials.insert_passkey(transaction, passkey)
    return passkey


def rename_passkey(
    transaction: Transaction, actor: Actor, now_wall: float, person_id: int, credential_id: bytes, name: str
) -> None:
    """What its person calls it. Raises `InvalidInput`, `NotFound`."""
    person, passkey = _own_passkey(transaction, actor, person_id, credential_id)
    name = person_fields.name(name, "passkey_name")
    if name != passkey.name:
        credentials.rename_passkey(transaction, credential_id, name)
        log_person(transaction, actor, now_wall, person, {"passkey": passkey.name}, {"passkey": name})


def remove_passkey(
    transaction: Transaction, actor: Actor, now_wall: float, person_id: int, credential_id: bytes
) -> None:
    """It opens nothing any more. Raises `NotFound`; `Conflict` where the person could not sign in without it."""
    person, passkey = _own_passkey(transaction, actor, person_id, credential_id)
    factor = second_factor_of(transaction, person)
    if factor.passkeys == 1 and not person.has_password:
        raise Conflict("This is the only way in. Set a password or add another passkey first.")
    if factor.passkeys == 1 and factor.needed_by_account and not factor.totp:
        raise Conflict("This account wants a second factor of everybody. Set up an authenticator app first.")
    credentials.delete_passkey(transaction, credential_id)
    if factor.passkeys == 1 and not factor.totp:
        credentials.replace_recovery_codes(transaction, person_id, ())
    log_person(transaction, actor, now_wall, person, {"passkey": passkey.name}, {"passkey": "removed"})


def _own_passkey(
    transaction: Transaction, actor: Actor, person_id: int, credential_id: bytes
) -> tuple[Person, Passkey]:
    person = own_person(transaction, actor, person_id)
    passkey = credentials.find_passkey(transaction, credential_id)
    if passkey is None or passkey.person_id != person_id:
        raise NotFound(_NO_SUCH_PASSKEY)
    actor.authorise(person.account_id, "such passkey", Role.VIEWER)
    return person, passkey


def _check_length(answer: str) -> None:
    if not answer or len(answer) > _LONGEST_ANSWER:
        raise InvalidInput("passkey", _UNUSABLE)
