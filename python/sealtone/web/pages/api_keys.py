"""Account, API keys: what programs sign in with. A key is shown once, on the page that its making leads to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Form, Path
from starlette.requests import Request
from starlette.responses import Response

from sealtone.admin import Actor, AdminError, InvalidInput, api_keys
from sealtone.admin.api_keys import NewApiKey, Scope
from sealtone.model import Role
from sealtone.web.asking import Pages, change, flash, go, page, read, signed_in
from sealtone.web.confirming import confirmed
from sealtone.web.tabs import account_tabs, add_account_tab

router = Pages(prefix="/account/api-keys", area="api")
SignedIn = Annotated[Actor, Depends(signed_in)]
Confirmed = Annotated[Actor, Depends(confirmed)]
Number = Annotated[int, Path(ge=1, le=2**53)]
_DAY_S = 86_400.0
_LIVES = ("30", "90", "365", "")


def _(text: str) -> str:
    """Marks a text for translation."""
    return text


SCOPES: dict[Scope, tuple[str, str]] = {
    Scope.READ: (_("Look only"), _("Sees everything in the account, changes nothing.")),
    Scope.USERS: (_("SIP users"), _("Makes, changes and deletes SIP users.")),
    Scope.DOMAINS: (_("Domains"), _("Makes, changes and deletes domains.")),
    Scope.CALLS: (_("Calls"), _("Hangs up, has calls recorded, compares SAS, follows what happens.")),
    Scope.RECORDINGS: (_("Recordings"), _("Downloads them (sealed) and deletes them.")),
    Scope.PEOPLE: (_("People"), _("Invites, changes and removes people, if you are an owner.")),
    Scope.ACCOUNT: (_("Account"), _("Changes the account's settings, API keys and webhooks; takes changes back.")),
    Scope.SERVICE: (_("Service"), _("Changes the settings of the whole service.")),
    Scope.METRICS: (_("Figures"), _("Reads the service's figures for monitoring.")),
    Scope.ALL: (_("Everything"), _("Everything that you may do yourself.")),
}
add_account_tab(60, "/account/api-keys", _("API keys"))


@router.get("")
async def list_page(request: Request, actor: SignedIn) -> Response:
    """The keys of the account."""
    return await _page(request, actor)


@router.post("")
async def create(
    request: Request,
    actor: Confirmed,
    name: Annotated[str, Form()] = "",
    scopes: Annotated[list[str] | None, Form()] = None,
    days: Annotated[str, Form()] = "",
) -> Response:
    """A new key, shown on the page that this answers with and nowhere else."""
    now, chosen = time.time(), scopes or []
    form = {"name": name, "scopes": chosen, "days": days}
    try:
        ends = None if days == "" else now + _days(days) * _DAY_S
        made = await change(
            request, lambda transaction: api_keys.create_api_key(transaction, actor, now, name, chosen, ends)
        )
    except InvalidInput as error:
        return await _page(request, actor, 422, form, error)
    return await _page(request, actor, made=made)


@router.post("/{number}/revoke")
async def revoke(request: Request, actor: SignedIn, number: Number) -> Response:
    """From now on the key opens nothing."""
    now = time.time()
    gone = await change(request, lambda transaction: api_keys.revoke_api_key(transaction, actor, now, number))
    response = go(request, "/account/api-keys")
    said = request.state.translate(_("The key “%(name)s” was revoked. Nothing gets in with it any more."))
    flash(response, "good", said % {"name": gone.name})
    return response


async def _page(
    request: Request,
    actor: Actor,
    status: int = 200,
    form: Mapping[str, object] | None = None,
    error: AdminError | None = None,
    made: NewApiKey | None = None,
) -> Response:
    keys = await read(request, lambda transaction: api_keys.list_api_keys(transaction, actor))
    offered = [scope for scope in Scope if actor.operator or scope not in (Scope.SERVICE, Scope.METRICS)]
    _t = request.state.translate
    return await page(
        request,
        "api/keys.html",
        status,
        tabs=account_tabs(request),
        keys=keys,
        made=made,
        now=time.time(),
        may_change=actor.role.covers(Role.ADMIN),
        scope_names={scope.value: _t(SCOPES[scope][0]) for scope in Scope},
        offered=[{"value": one.value, "name": _t(SCOPES[one][0]), "text": _t(SCOPES[one][1])} for one in offered],
        lives=[(life, _t(_("For good")) if not life else _t(_("%(days)s days")) % {"days": life}) for life in _LIVES],
        form=form or {},
        error=error,
    )


def _days(text: str) -> int:
    if text not in _LIVES:
        raise InvalidInput("days", "Choose for how long the key lives.")
    return int(text)
