"""Sign-up: an account of one's own, for anybody or by the operator's invitation."""

from __future__ import annotations

import base64
import json
from typing import NamedTuple

from sealtone.admin import person_fields
from sealtone.admin.actor import Actor
from sealtone.admin.errors import Conflict, Forbidden, InvalidInput, NotFound
from sealtone.admin.links import DEAD_LINK, LINK_DAY_S, NewLink, make_link, use_link
from sealtone.admin.passkeys import NewPasskey
from sealtone.admin.people import ACCOUNT_INVITATION, INVITATION_S, Newcomer, add_newcomer, new_account
from sealtone.admin.person_log import log
from sealtone.admin.service import SignUp, service_settings
from sealtone.model import Person, Role
from sealtone.store import Transaction, people
from sealtone.store import links as link_rows
from sealtone.store.links import Link

SIGN_UP = "sign-up"
SIGN_UP_S = LINK_DAY_S
_MOST_WAITING = 10_000
_MOST_INVITATIONS = 1_000
NOT_OPEN = "Accounts are made by invitation only. Ask whoever runs this service."


class SignUpMail(NamedTuple):
    """What is to be sent to the address that was entered: a link, or that it has an account already."""

    email: str
    link: NewLink | None


def check_sign_up(transaction: Transaction) -> None:
    """Whether anybody may sign up. Raises `Forbidden`."""
    if service_settings(transaction).sign_up is not SignUp.OPEN:
        raise Forbidden(NOT_OPEN)


def begin_sign_up(transaction: Transaction, now_wall: float, newcomer: Newcomer) -> SignUpMail:
    """The account is made once the link in the e-mail is followed. Who asked is told the same in any case.

    Raises `Forbidden`, `InvalidInput`, `Conflict` when very many have not followed theirs.
    """
    check_sign_up(transaction)
    email = person_fields.email(newcomer.email)
    _check(newcomer)
    if people.find_person_by_email(transaction, email) is not None:
        return SignUpMail(email, None)
    waiting = link_rows.count_open_links(transaction, SIGN_UP, now_wall)
    if waiting >= _MOST_WAITING:
        raise Conflict("Very many people are signing up just now. Try again tomorrow.")
    for earlier in link_rows.read_open_links(transaction, SIGN_UP, now_wall, subject=email):
        link_rows.delete_link(transaction, earlier.number)
    link = make_link(transaction, SIGN_UP, now_wall, SIGN_UP_S, subject=email, content=_packed(newcomer))
    return SignUpMail(email, link)


def finish_sign_up(transaction: Transaction, now_wall: float, token: str, origin: str) -> Person:
    """Makes the account of a link from an e-mail, whose address is verified by that. Raises `NotFound`."""
    check_sign_up(transaction)
    link = use_link(transaction, SIGN_UP, token, now_wall, origin)
    if people.find_person_by_email(transaction, link.subject) is not None:
        raise NotFound(DEAD_LINK)
    return _account_for(transaction, now_wall, _unpacked(link.content), link.subject, origin, verified_at=now_wall)


def sign_up_at_once(transaction: Transaction, now_wall: float, newcomer: Newcomer, origin: str) -> None:
    """Makes the account where no e-mail can be sent; nothing where the address has one. The answer is the same.

    Raises `Forbidden`, `InvalidInput`.
    """
    check_sign_up(transaction)
    email = person_fields.email(newcomer.email)
    _check(newcomer)
    if people.find_person_by_email(transaction, email) is None:
        _account_for(transaction, now_wall, newcomer, email, origin)


def invite_account(transaction: Transaction, actor: Actor, now_wall: float, email: str) -> NewLink:
    """A link by which somebody makes an account of their own within seven days. Raises `Forbidden`, `InvalidInput`."""
    actor.authorise_operating()
    address = person_fields.email(email)
    if link_rows.count_open_links(transaction, ACCOUNT_INVITATION, now_wall) >= _MOST_INVITATIONS:
        raise Conflict("There are too many open invitations. Remove some first.")
    if people.find_person_by_email(transaction, address) is not None:
        raise InvalidInput("email", "This address has an account already.")
    for link in link_rows.read_open_links(transaction, ACCOUNT_INVITATION, now_wall, subject=address):
        link_rows.delete_link(transaction, link.number)
    log(transaction, actor, now_wall, None, f"invitation {address}", {}, {"role": "own account"}, "create")
    return make_link(transaction, ACCOUNT_INVITATION, now_wall, INVITATION_S, subject=address, created_by=actor.name)


def list_account_invitations(transaction: Transaction, actor: Actor, now_wall: float) -> tuple[Link, ...]:
    """The operator's open ones. Raises `Forbidden`."""
    actor.authorise_operating()
    return link_rows.read_open_links(transaction, ACCOUNT_INVITATION, now_wall)


def revoke_account_invitation(transaction: Transaction, actor: Actor, now_wall: float, number: str) -> None:
    """It does not work any more. Raises `Forbidden`, `NotFound`."""
    for link in list_account_invitations(transaction, actor, now_wall):
        if link.number == number:
            link_rows.delete_link(transaction, number)
            log(transaction, actor, now_wall, None, f"invitation {link.subject}", {"state": "open"}, {}, "delete")
            return
    raise NotFound("There is no such invitation.")


def _check(newcomer: Newcomer) -> None:
    person_fields.name(newcomer.name)
    person_fields.name(newcomer.account_name, "account_name")
    if not newcomer.password_hash and newcomer.passkey is None:
        raise InvalidInput("password", "Choose a password, or continue with a passkey.")


def _account_for(
    transaction: Transaction,
    now_wall: float,
    newcomer: Newcomer,
    email: str,
    origin: str,
    verified_at: float | None = None,
) -> Person:
    account_id = new_account(transaction, now_wall, newcomer.account_name, email, origin)
    return add_newcomer(transaction, now_wall, newcomer, email, account_id, Role.OWNER, origin, verified_at=verified_at)


def _packed(newcomer: Newcomer) -> str:
    values = newcomer._asdict()
    values["handle"] = _text(newcomer.handle)
    if newcomer.passkey is not None:
        passkey = newcomer.passkey
        values["passkey"] = [_text(passkey.credential_id), _text(passkey.public_key), passkey.sign_count]
    return json.dumps(values)


def _unpacked(content: str) -> Newcomer:
    values = json.loads(content)
    values["handle"] = base64.b64decode(values["handle"])
    if values["passkey"] is not None:
        credential_id, public_key, sign_count = values["passkey"]
        values["passkey"] = NewPasskey(base64.b64decode(credential_id), base64.b64decode(public_key), sign_count)
    return Newcomer(**values)


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
