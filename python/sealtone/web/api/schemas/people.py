"""People, invitations and sessions as JSON."""

from __future__ import annotations

from pydantic import Field

from sealtone.admin.people import role_of_invitation
from sealtone.model import Role
from sealtone.model.people import Person
from sealtone.store.credentials import SessionRow
from sealtone.store.links import Link
from sealtone.web.api.schemas.base import Form, Moment, Shown, example, moment

PERSON = {
    "id": 4,
    "email": "anna@office.example",
    "name": "Anna",
    "role": "admin",
    "operator": False,
    "enabled": True,
    "second_factor": True,
    "created_at": "2026-11-26T09:30:00.000Z",
}
INVITATION = {
    "number": "Qm3xT0aVw7yz",
    "email": "boris@office.example",
    "role": "viewer",
    "created_at": "2026-11-26T09:30:00.000Z",
    "created_by": "anna@office.example",
    "expires_at": "2026-12-03T09:30:00.000Z",
}


class PersonOut(Shown):
    """Somebody who signs in to the panel."""

    model_config = example(PERSON)

    id: int
    email: str
    name: str
    role: Role
    operator: bool = Field(description="Whether they may change the service's own settings.")
    enabled: bool
    second_factor: bool = Field(description="Whether one-time codes are asked for beside the password.")
    created_at: Moment


class PersonPatch(Form):
    """What is left out, or null, stays as it is."""

    model_config = example({"role": "viewer"})

    role: Role | None = Field(None, description="With another role they sign in again; their API keys follow.")
    enabled: bool | None = Field(None, description="Off, their sessions end and their API keys open nothing.")
    operator: bool | None = Field(None, description="An owner only; set by whoever operates the service.")


class InvitationOut(Shown):
    """An open invitation into the account."""

    model_config = example(INVITATION)

    number: str
    email: str
    role: Role
    created_at: Moment
    created_by: str
    expires_at: Moment


class InvitationWithLink(InvitationOut):
    """An invitation with the path of its link, which is shown this once."""

    model_config = example(INVITATION | {"path": "/invitation/3nV0s4bq9l8Yk2JtRmXwQe7uHcZpLdGfAiUoTyBvNxM"})

    path: str = Field(description="Below the panel's address. Whoever has it joins the account.")


class NewInvitation(Form):
    """Somebody to be invited."""

    model_config = example({"email": "boris@office.example", "role": "viewer"})

    email: str = Field(max_length=400)
    role: Role


class PasswordLinkIn(Form):
    """How far somebody is locked out."""

    model_config = example({"without_second_factor": False})

    without_second_factor: bool = Field(
        False, description="Take their authenticator app, passkeys and recovery codes away too: they are lost."
    )


class PasswordLink(Shown):
    """The path of a link for a new password, which is shown this once."""

    model_config = example(
        {
            "email": "boris@office.example",
            "expires_at": "2026-11-27T09:30:00.000Z",
            "path": "/new-password/3nV0s4bq9l8Yk2JtRmXwQe7uHcZpLdGfAiUoTyBvNxM",
        }
    )

    email: str
    expires_at: Moment
    path: str = Field(description="Below the panel's address. Whoever has it sets the password.")


class SessionOut(Shown):
    """Where the person of the API key is signed in."""

    model_config = example(
        {
            "number": "9f2c41d07be3a865",
            "signed_in_by": "passkey",
            "address": "192.0.2.7",
            "user_agent": "Mozilla/5.0",
            "created_at": "2026-11-26T09:30:00.000Z",
            "seen_at": "2026-11-26T10:02:00.000Z",
        }
    )

    number: str
    signed_in_by: str
    address: str
    user_agent: str
    created_at: Moment
    seen_at: Moment


def person_out(person: Person) -> PersonOut:
    return PersonOut(
        id=person.id,
        email=person.email,
        name=person.name,
        role=person.role,
        operator=person.operator,
        enabled=person.enabled,
        second_factor=person.has_totp,
        created_at=moment(person.created_at),
    )


def invitation_out(link: Link) -> InvitationOut:
    return InvitationOut.model_validate(_fields(link))


def with_link(link: Link, token: str) -> InvitationWithLink:
    return InvitationWithLink.model_validate(_fields(link) | {"path": f"/invitation/{token}"})


def password_link_out(link: Link, token: str) -> PasswordLink:
    return PasswordLink(email=link.subject, expires_at=moment(link.expires_at), path=f"/new-password/{token}")


def session_out(session: SessionRow) -> SessionOut:
    return SessionOut(
        number=session.number,
        signed_in_by=session.signed_in_by,
        address=session.address,
        user_agent=session.user_agent,
        created_at=moment(session.created_at),
        seen_at=moment(session.seen_at),
    )


def _fields(link: Link) -> dict[str, object]:
    return {
        "number": link.number,
        "email": link.subject,
        "role": role_of_invitation(link),
        "created_at": moment(link.created_at),
        "created_by": link.created_by,
        "expires_at": moment(link.expires_at),
    }
