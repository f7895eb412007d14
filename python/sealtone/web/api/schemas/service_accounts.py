"""All accounts of the service as JSON, for whoever operates it."""

from __future__ import annotations

from pydantic import Field

from sealtone.admin.accounts import AccountFacts
from sealtone.store.links import Link
from sealtone.web.api.schemas.base import Form, Moment, Shown, example, moment

ACCOUNT = {"id": 2, "name": "Office", "enabled": True, "people": 3, "domains": 1, "sip_users": 40}
INVITATION = {
    "number": "Qm3xT0aVw7yz",
    "email": "boris@office.example",
    "created_at": "2026-11-26T09:30:00.000Z",
    "created_by": "anna@example.net",
    "expires_at": "2026-12-03T09:30:00.000Z",
}


class ServiceAccount(Shown):
    """An account as the operator sees it: how large it is, and nothing of what is in it."""

    model_config = example(ACCOUNT)

    id: int
    name: str
    enabled: bool
    people: int
    domains: int
    sip_users: int


class NewServiceAccount(Form):
    """An account without anybody in it yet."""

    model_config = example({"name": "Office"})

    name: str = Field(max_length=200, description="What its people see it called.")


class ServiceAccountPatch(Form):
    """What is left out, or null, stays as it is."""

    model_config = example({"enabled": False})

    enabled: bool | None = Field(None, description="Off, nobody of it signs in, and no phone of it registers or calls.")


class AccountInvitation(Shown):
    """An open invitation to make an account of one's own."""

    model_config = example(INVITATION)

    number: str
    email: str
    created_at: Moment
    created_by: str
    expires_at: Moment


class AccountInvitationWithLink(AccountInvitation):
    """An invitation with the path of its link, which is shown this once."""

    model_config = example(INVITATION | {"path": "/invitation/3nV0s4bq9l8Yk2JtRmXwQe7uHcZpLdGfAiUoTyBvNxM"})

    path: str = Field(description="Below the panel's address. Whoever has it makes an account.")


class NewAccountInvitation(Form):
    """Somebody who is to make an account of their own."""

    model_config = example({"email": "boris@office.example"})

    email: str = Field(max_length=400)


def service_account(facts: AccountFacts) -> ServiceAccount:
    return ServiceAccount(
        id=facts.account.id,
        name=facts.account.name,
        enabled=facts.account.enabled,
        people=facts.people,
        domains=facts.domains,
        sip_users=facts.sip_users,
    )


def account_invitation(link: Link) -> AccountInvitation:
    return AccountInvitation.model_validate(_fields(link))


def account_invitation_with_link(link: Link, token: str) -> AccountInvitationWithLink:
    return AccountInvitationWithLink.model_validate(_fields(link) | {"path": f"/invitation/{token}"})


def _fields(link: Link) -> dict[str, object]:
    return {
        "number": link.number,
        "email": link.subject,
        "created_at": moment(link.created_at),
        "created_by": link.created_by,
        "expires_at": moment(link.expires_at),
    }
