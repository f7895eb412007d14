"""Account, Configuration: domains and SIP users as YAML, out and in; what would change is shown before it does."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, File, Form, UploadFile
from starlette.requests import Request
from starlette.responses import Response

from sealtone import admin
from sealtone.admin import Actor, AdminError, InvalidInput
from sealtone.admin.configuration import (
    ConfigurationError,
    Taken,
    export_configuration,
    import_configuration,
    preview_import,
)
from sealtone.model import Role
from sealtone.web.asking import Pages, change, now, page, read, signed_in
from sealtone.web.confirming import confirmed
from sealtone.web.pages.account import done, own_account
from sealtone.web.tabs import account_tabs, add_account_tab
from sealtone.web.user_words import ACTION_NAMES, FIELD_NAMES, VALUE_NAMES

router = Pages(prefix="/account/configuration", area="backup")
SignedIn = Annotated[Actor, Depends(signed_in)]
Confirmed = Annotated[Actor, Depends(confirmed)]
_URL = "/account/configuration"
_LARGEST = 1_500_000
_SHOWN = 500


def _(text: str) -> str:
    """Marks a text for translation."""
    return text


add_account_tab(85, _URL, _("Configuration"))


@router.get("")
async def show(request: Request, actor: SignedIn) -> Response:
    """Download, and the form for a file."""
    return await _page(request, actor)


@router.get("/sealtone.yaml")
async def export(request: Request, actor: SignedIn) -> Response:
    """Without what phones prove their secrets by."""
    return _file(await read(request, lambda transaction: export_configuration(transaction, actor)))


@router.post("/with-secrets")
async def export_with_secrets(request: Request, actor: Confirmed) -> Response:
    """With it, for owners."""
    return _file(await read(request, lambda transaction: export_configuration(transaction, actor, with_secrets=True)))


@router.post("")
async def take_up(
    request: Request,
    actor: SignedIn,
    file: Annotated[UploadFile | None, File()] = None,
    text: Annotated[str, Form()] = "",
    step: Annotated[str, Form()] = "check",
) -> Response:
    """Tells what a file would change, or takes it up."""
    at = now()
    actor.authorise(own_account(actor), "page", Role.ADMIN)
    try:
        text = await _text_of(file) if file is not None and file.filename else text
        if not text.strip():
            raise InvalidInput("file", "Choose a YAML file.")
        if step != "apply":
            plan = await change(request, lambda t: preview_import(t, actor, at, text), reload=False)
            return await _page(request, actor, plan=plan, text=text)
        taken = await change(request, lambda t: import_configuration(t, actor, at, text))
    except ConfigurationError as error:
        # Of a file that was checked before: something was changed meanwhile, and the line tells what.
        return await _page(request, actor, 422, {"file": error})
    except InvalidInput as error:
        return await _page(request, actor, 422, error)
    if taken.secrets:
        return await page(request, "users/secrets.html", made=taken.secrets, csv=admin.secrets_csv(taken.secrets))
    translate = request.state.translate
    return done(request, _URL, translate.plural("%(number)s change", "%(number)s changes", len(taken.changes)))


async def _text_of(file: UploadFile) -> str:
    octets = await file.read(_LARGEST + 1)
    if len(octets) > _LARGEST:
        raise InvalidInput("file", "The file is larger than can be taken up here. Use the command line.")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput("file", "The file is not UTF-8.") from None


def _file(text: str) -> Response:
    headers = {"Content-Disposition": 'attachment; filename="sealtone.yaml"', "Cache-Control": "no-store"}
    return Response(text, headers=headers, media_type="application/yaml")


async def _page(
    request: Request,
    actor: Actor,
    status: int = 200,
    error: AdminError | dict[str, Any] | None = None,
    plan: Taken | None = None,
    text: str = "",
) -> Response:
    return await page(
        request,
        "backup/configuration.html",
        status,
        tabs=account_tabs(request),
        may_change=actor.role.covers(Role.ADMIN),
        may_own=actor.role is Role.OWNER,
        plan=plan,
        shown=plan.changes[:_SHOWN] if plan is not None else (),
        text=text,
        error=error,
        action_names=ACTION_NAMES,
        field_names=FIELD_NAMES,
        value_names=VALUE_NAMES,
    )
