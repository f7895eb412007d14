"""Connecting a phone, calling it, and the checklist that leads to the first encrypted call."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Any

import segno
from fastapi import Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from sealtone.admin import Actor, set_secret
from sealtone.admin.onboarding import (
    dismiss_checklist,
    has_progress,
    note_all_progress,
    note_progress,
    note_registration,
    restore_checklist,
)
from sealtone.admin.phone_calls import phone_to_call
from sealtone.admin.phone_links import list_phone_links, make_phone_link, revoke_phone_link
from sealtone.admin.sip_users import NewSecret, user_of
from sealtone.model import Protection, Role, SipUser
from sealtone.net.errors import ControlError
from sealtone.provisioning import PhoneSettings, linphone_codecs, yealink_codecs, yealink_settings
from sealtone.store import StoreError
from sealtone.web.asking import (
    Pages,
    actor_of,
    address_of,
    change,
    flash,
    go,
    is_htmx,
    now,
    page,
    read,
    server,
    server_or_none,
    signed_in,
)
from sealtone.web.first_steps import noted_checklist
from sealtone.web.parts import Parts
from sealtone.web.phone_place import phone_place
from sealtone.web.reasons import reason_said
from sealtone.web.sections import Section

router = Pages(area="phones")
SignedIn = Annotated[Actor, Depends(signed_in)]

PHONES = ("linphone", "csipsimple", "zoiper", "desk", "manual")
_RETRY_S = 0.2
_SETTLES_S = 1.0
_PROGRESS = frozenset({"registration.added", "call.ended"})


@router.get("/sip-users/{aor}/connect")
async def connect(request: Request, actor: SignedIn, aor: str, phone: str = "linphone") -> Response:
    """How to set up a phone for this user, by kind of phone."""
    return await _connect_page(request, actor, aor, phone)


@router.post("/sip-users/{aor}/connect/link")
async def make_link(request: Request, actor: SignedIn, aor: str) -> Response:
    """A link and QR code, shown this once."""
    made = await change(request, lambda transaction: make_phone_link(transaction, actor, now(), aor))
    place = await phone_place(request, made.link.subject.rpartition("@")[2])
    url = place.url(f"/p/{made.token}")
    return await _connect_page(request, actor, aor, "linphone", made={"url": url, "qr": _qr(url), "link": made.link})


@router.post("/sip-users/{aor}/connect/links/{number}/revoke")
async def revoke_link(request: Request, actor: SignedIn, aor: str, number: str) -> Response:
    """The link works no longer."""
    await change(request, lambda transaction: revoke_phone_link(transaction, actor, now(), aor, number))
    response = go(request, f"/sip-users/{aor}/connect")
    flash(response, "good", request.state.translate("The link was revoked. It opens nothing any more."))
    return response


@router.get("/sip-users/{aor}/connect/state")
async def connection_state(request: Request, actor: SignedIn, aor: str, link: str = "") -> Response:
    """Which phones are registered, and whether a link still waits: asked again and again by the page."""
    user = await read(request, lambda transaction: user_of(transaction, actor, aor, Role.VIEWER))
    links = await read(request, lambda transaction: list_phone_links(transaction, actor, now(), aor))
    return await page(
        request,
        "phones/state.html",
        user=user,
        registered=await _registered(request, user),
        watched=link,
        waiting=link in [each.number for each in links],
    )


@router.post("/sip-users/{aor}/connect/secret")
async def new_secret(request: Request, actor: SignedIn, aor: str, phone: Annotated[str, Form()] = "manual") -> Response:
    """A new secret for phones that need one, shown this once."""
    made = await _new_secret(request, actor, aor)
    return await _connect_page(request, actor, aor, phone, secret=made.secret)


@router.post("/sip-users/{aor}/connect/yealink")
async def desk_phone_file(request: Request, actor: SignedIn, aor: str) -> Response:
    """A new secret, in a file for a desk phone."""
    made = await _new_secret(request, actor, aor)
    settings = PhoneSettings.of(made.user, await phone_place(request, made.user.domain), made.secret)
    name = "".join(character for character in made.user.username if character.isalnum()) or "phone"
    headers = {"Content-Disposition": f'attachment; filename="{name}.cfg"'}
    return Response(yealink_settings(settings), headers=headers, media_type="application/octet-stream")


@router.get("/authority.pem")
async def own_authority(request: Request, actor: SignedIn) -> Response:
    """The certificate that phones have to trust where the server's own authority issued what they are shown."""
    file = request.app.state.parts.folder / "authority" / "ca.pem"
    headers = {"Content-Disposition": 'attachment; filename="sealtone-authority.pem"'}
    data = await asyncio.to_thread(file.read_bytes)
    return Response(data, headers=headers, media_type="application/x-pem-file")


@router.post("/sip-users/{aor}/test-call")
async def call_my_phone(
    request: Request,
    actor: SignedIn,
    aor: str,
    service: Annotated[str, Form()] = "who-can-hear",
    back: Annotated[str, Form()] = "",
) -> Response:
    """Has the server call a phone of this user."""
    user = await read(request, lambda transaction: phone_to_call(transaction, actor, aor, service))
    _ = request.state.translate
    response = go(request, "/" if back == "/" else f"/sip-users/{user.aor}/connect")
    try:
        await server(request, "calls.test", user=user.aor, service=service)
        flash(response, "good", _("The phone of %(aor)s rings now. Pick it up and listen.", aor=user.aor))
    except ControlError as error:
        flash(response, "bad", reason_said(request.state.language, str(error)))
    return response


# The checklist


@router.get("/getting-started")
async def getting_started(request: Request, actor: SignedIn) -> Response:
    """The checklist by itself: the overview has it too."""
    found = await noted_checklist(request, actor, _account(actor))
    if is_htmx(request):
        return await page(request, "phones/checklist.html", checklist=found)
    return await page(request, "phones/getting_started.html", checklist=found)


@router.post("/getting-started/dismiss")
async def dismiss(request: Request, actor: SignedIn) -> Response:
    """It is not shown on the overview any more."""
    account = _account(actor)
    await change(request, lambda transaction: dismiss_checklist(transaction, actor, now(), account), reload=False)
    response = go(request, "/")
    flash(response, "note", request.state.translate("The checklist is put away. It is still at Getting started."))
    return response


@router.post("/getting-started/restore")
async def restore(request: Request, actor: SignedIn) -> Response:
    """It is shown again."""
    account = _account(actor)
    await change(request, lambda transaction: restore_checklist(transaction, actor, account), reload=False)
    return go(request, "/")


async def overview_section(request: Request) -> Section | None:
    """The checklist on the overview, until it is put away."""
    actor = actor_of(request.state.session, address_of(request))
    found = await noted_checklist(request, actor, _account(actor))
    return None if found.dismissed else Section("phones/overview.html", {"checklist": found}, order=10)


def _account(actor: Actor) -> int:
    """People who sign in have one."""
    assert actor.account_id is not None
    return actor.account_id


async def run(parts: Parts) -> None:
    """Notes steps of the checklist as they happen, whether anybody looks or not."""
    waiting: dict[int | None, bool] = {}
    registered: dict[int | None, float] = {}
    while True:
        if parts.live is None:
            await asyncio.sleep(_RETRY_S)
            continue
        async for event in parts.live.subscribe(None):
            account: int | None = event["account_id"]
            if event["kind"] == "lost":
                account = None
            elif event["kind"] not in _PROGRESS or account is None:
                continue
            if event["kind"] == "registration.added":
                registered[account] = event["at"]
            if account in waiting:
                waiting[account] = True
            else:
                parts.soon(_note_soon(parts, account, waiting, registered))
                waiting[account] = False


async def _note_soon(
    parts: Parts, account_id: int | None, waiting: dict[int | None, bool], registered: dict[int | None, float]
) -> None:
    """A moment later: a call's record is written after its end is told. Several events of an account count once, and
    those that come meanwhile once more. None: after events were missed, every account."""

    def note() -> None:
        registered_at = registered.pop(account_id, None)
        if account_id is not None:
            with parts.database.read() as transaction:
                if not has_progress(transaction, account_id, registered=registered_at is not None):
                    return
        with parts.database.write() as transaction:
            if account_id is None:
                note_all_progress(transaction)
                return
            if registered_at is not None:
                note_registration(transaction, account_id, registered_at)
            note_progress(transaction, account_id)

    while True:
        await asyncio.sleep(_SETTLES_S)
        with contextlib.suppress(StoreError):  # the next event, or the next look at the list, notes it
            await asyncio.get_running_loop().run_in_executor(parts.writers, note)
        if not waiting[account_id]:
            del waiting[account_id]
            return
        waiting[account_id] = False


# What the page shows


async def _connect_page(request: Request, actor: Actor, aor: str, phone: str, **more: Any) -> Response:
    if phone not in PHONES:
        phone = "linphone"
    user = await read(request, lambda transaction: user_of(transaction, actor, aor, Role.VIEWER))
    links = await read(request, lambda transaction: list_phone_links(transaction, actor, now(), aor))
    place = await phone_place(request, user.domain)
    settings = PhoneSettings.of(user, place)
    made = more.get("made")
    return await page(
        request,
        "phones/connect.html",
        **{
            "user": user,
            "phone": phone,
            "settings": settings,
            "place": place,
            "links": links,
            "registered": await _registered(request, user),
            "may_change": actor.role.covers(Role.ADMIN),
            "protection": user.policy.protection.value,
            "requires": user.policy.strictness.value == "require" and user.policy.protection is not Protection.NONE,
            "by_address": place.is_by_address,
            "without_linphone": [name for name in settings.chosen_codecs if name not in linphone_codecs(settings)],
            "desk_codecs": yealink_codecs(settings),
            "watched": made["link"].number if made else "",
            "waiting": True,
            "made": None,
            "secret": "",
            **more,
        },
    )


async def _registered(request: Request, user: SipUser) -> list[dict[str, Any]]:
    found = await server_or_none(request, "registrations") or []
    return [one for one in found if one["aor"] == user.aor]


async def _new_secret(request: Request, actor: Actor, aor: str) -> NewSecret:
    return await change(request, lambda transaction: set_secret(transaction, actor, now(), aor))


def _qr(text: str) -> str:
    """A QR code as an image that a page may hold."""
    data: str = segno.make(text, error="m", micro=False).svg_data_uri(scale=5, border=3, dark="#000", light="#fff")
    return data
