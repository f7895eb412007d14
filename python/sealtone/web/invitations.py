"""An invitation that was just made: its link, to be shown this once, and e-mailed where that can be done."""

from __future__ import annotations

from typing import NamedTuple

from starlette.requests import Request

from sealtone.admin import Actor
from sealtone.admin.links import NewLink
from sealtone.web.gate import gate, mailed_address, own_address, settings_of
from sealtone.web.mails import invitation_mail


class Invited(NamedTuple):
    """What the page after an invitation shows."""

    email: str
    url: str
    mailed: bool
    """Whether an e-mail is on its way."""


async def invited(request: Request, actor: Actor, made: NewLink, account_name: str = "") -> Invited:
    """Sends the e-mail, where e-mails are sent. `account_name`: into which account; empty: into one of their own."""
    path, settings = f"/invitation/{made.token}", await settings_of(request)
    mailed = settings.sends_mail and gate(request).send(
        invitation_mail(
            request.state.language,
            made.link.subject,
            request.state.person.name or actor.name,
            account_name,
            mailed_address(request, settings, path),
        )
    )
    return Invited(made.link.subject, own_address(request, path), mailed)
