"""The page behind a SIP user's gear: its settings, saved together, its secret, and its end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Form
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from sealtone import admin
from sealtone.admin import Actor, AdminError, InvalidInput, SipUserChange
from sealtone.admin.listening import SCHEMES, who_could_listen_in_words
from sealtone.model import Role, SipUser
from sealtone.model.recording import INSISTS_ON_PATH, insists_on_path
from sealtone.sdp.catalogue import CATALOGUE, DEFAULT_ORDER
from sealtone.store import Transaction
from sealtone.store.changes import ChangeFilter, LoggedChange
from sealtone.store.sip_users import secrets_set_at
from sealtone.web.asking import Pages, change, flash, go, now, page, read, server_or_none, signed_in
from sealtone.web.pages.sip_user_lists import live_users, may_change
from sealtone.web.user_words import CODECS, FIELD_NAMES, OTHER_SIDES, STATE_NAMES, VALUE_NAMES

router = Pages(prefix="/sip-users", area="users")
Who = Annotated[Actor, Depends(signed_in)]
Text = Annotated[str, Form()]

_LAST_CHANGES = 5
_FIELDS = (
    "display_name",
    "protection",
    "strictness",
    "path",
    "codecs",
    "max_contacts",
    "enabled",
    "recording",
    "language",
)


def url_of(aor: str) -> str:
    """Where a SIP user's page is."""
    return f"/sip-users/{quote(aor, safe='@+')}"


@router.get("/{aor}")
async def gear(request: Request, actor: Who, aor: str, change: int = 0) -> Response:
    """Its settings. `change`: the number of the change that was just saved, to be followed until it is done."""
    user = await read(request, lambda transaction: admin.user_of(transaction, actor, aor, Role.VIEWER))
    return await _page(request, actor, user, _typed(user), saved=change)


@router.post("/{aor}")
async def save(request: Request, actor: Who, aor: str) -> Response:
    """Saves all of it, or nothing."""
    given = await request.form()
    user = await read(request, lambda transaction: admin.user_of(transaction, actor, aor, Role.ADMIN))
    typed = _typed_in(user, given)
    if moved := str(given.get("move", "")):
        typed["codecs"] = _moved(typed["codecs"], moved)
        return await _page(request, actor, user, typed)
    form = _form_of(typed)
    errors = admin.field_errors(user, form)
    if errors:
        return await _page(request, actor, user, typed, errors=errors, status=422)

    def operation(transaction: Transaction) -> tuple[bool, int]:
        before = admin.user_of(transaction, actor, aor)
        saved = admin.update_sip_user(transaction, actor, now(), aor, form, str(given.get("version", "")))
        last = admin.page_of_changes(transaction, actor, ChangeFilter(subject=f"SIP user {saved.aor}", limit=1)).changes
        return before != saved, last[0].id if last else 0

    try:
        is_changed, number = await change(request, operation)
    except admin.ChangedMeanwhile as meanwhile:
        began = _began_with(given)
        present = admin.shown_fields(meanwhile.user)
        # What was left alone follows what was saved meanwhile.
        typed |= {name: present[name] for name in _FIELDS if str(typed[name]) == began.get(name)}
        return await _page(request, actor, meanwhile.user, typed, status=409, began=began, is_stale=True)
    except InvalidInput as error:
        return await _page(request, actor, user, typed, errors={error.field: error}, status=422)
    translate = request.state.translate
    response = go(request, f"{url_of(user.aor)}?change={number}" if is_changed else url_of(user.aor))
    if not is_changed:
        flash(response, "note", translate("Nothing was changed."))
    return response


def _typed(user: SipUser) -> dict[str, Any]:
    """The form as the user is saved."""
    return admin.shown_fields(user)


def _typed_in(user: SipUser, given: FormData) -> dict[str, Any]:
    """The form as somebody has filled it in; what a control did not send stays as it is."""
    typed = _typed(user)
    typed |= {name: str(given[name]) for name in _FIELDS if name in given}
    if given.get("codecs_of") == "all":
        typed["codecs"] = ""
    elif given.get("codecs_of") == "own":
        typed["codecs"] = ",".join(str(one) for one in given.getlist("codec"))
        typed["codecs_of"] = "own"
    if "form" in given:  # a box that is not ticked sends nothing
        typed["enabled"] = "yes" if given.get("enabled") == "yes" else "no"
    return typed


def _began_with(given: FormData) -> dict[str, str]:
    """What the form showed before anything was typed; empty where it does not say so."""
    try:
        found = json.loads(str(given.get("began", "")))
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _form_of(typed: Mapping[str, Any]) -> SipUserChange:
    phones = str(typed["max_contacts"]).strip()
    return SipUserChange(
        typed["display_name"],
        typed["protection"],
        typed["strictness"],
        typed["path"],
        # "Only these" with none ticked is a mistake, and not all of them.
        typed["codecs"] or ("none of these" if typed.get("codecs_of") == "own" else ""),
        int(phones) if phones.isascii() and phones.isdigit() and len(phones) <= 4 else 0,
        typed["enabled"] == "yes",
        typed["recording"],
        typed["language"],
    )


def _moved(codecs: str, moved: str) -> str:
    """The list with one codec a place higher or lower, for browsers without scripts: ``opus up``."""
    names = [name for name in codecs.split(",") if name]
    name, _, way = moved.partition(" ")
    if name in names:
        place = names.index(name)
        other = place + (-1 if way == "up" else 1)
        if 0 <= other < len(names):
            names[place], names[other] = names[other], names[place]
    return ",".join(names)


async def _page(
    request: Request,
    actor: Actor,
    user: SipUser,
    typed: dict[str, Any],
    *,
    errors: Mapping[str, AdminError] | None = None,
    status: int = 200,
    saved: int = 0,
    began: Mapping[str, str] | None = None,
    is_stale: bool = False,
) -> Response:
    now_wall = now()

    def query(transaction: Transaction) -> tuple[Any, ...]:
        subject = ChangeFilter(subject=f"SIP user {user.aor}", limit=_LAST_CHANGES)
        changes = admin.page_of_changes(transaction, actor, subject).changes
        domain = next((one for one in admin.list_domains(transaction, actor) if one.name == user.domain), None)
        seen = admin.with_phones(transaction, [user], now_wall)
        return changes, domain, seen, secrets_set_at(transaction, [user.id]).get(user.id)

    changes, domain, seen, secret_set_at = await read(request, query)
    (listed,), is_live = await live_users(request, seen)
    server = await server_or_none(request, "status")
    return await page(
        request,
        "users/gear.html",
        status,
        user=user,
        form=typed,
        version=admin.version_of(user),
        began=json.dumps(admin.shown_fields(user)),
        error=_errors(errors),
        may_change=may_change(actor),
        codecs=_codec_rows(typed["codecs"], (server or {}).get("codecs") or {}),
        all_codecs=not typed["codecs"] and typed.get("codecs_of") != "own",
        default_order=DEFAULT_ORDER,
        prospects=_prospects(user),
        other_sides=OTHER_SIDES,
        recording_reason=_recording_reason(user, typed),
        insists=INSISTS_ON_PATH,
        domain=domain,
        listed=listed,
        is_live=is_live,
        changes=changes,
        saved=next((one for one in changes if one.id == saved), None),
        secret_set_at=secret_set_at,
        differences=_differences(typed, user, began or {}, changes) if is_stale else (),
        is_stale=is_stale,
        field_names=FIELD_NAMES,
        value_names=VALUE_NAMES,
        state_names=STATE_NAMES,
        schemes=SCHEMES,
        url=url_of(user.aor),
    )


def _errors(errors: Mapping[str, AdminError] | None) -> dict[str, AdminError] | None:
    if errors is None:
        return None
    found = dict(errors)
    if "codecs" in found and "none of these" in str(found["codecs"]):
        found["codecs"] = InvalidInput("codecs", "Tick at least one codec, or choose all of them.")
    return found


def _codec_rows(chosen: str, here: Mapping[str, str]) -> list[dict[str, Any]]:
    """Every codec, those that are chosen first and in their order; with why the server cannot convert it, if so."""
    names = [name for name in chosen.split(",") if name in CATALOGUE]
    words = {one.name: one for one in CODECS}
    return [
        {
            "name": name,
            "title": words[name].title,
            "text": words[name].text,
            "chosen": name in names,
            "missing": here.get(name.partition("/")[0], ""),
        }
        for name in [*names, *(name for name in CATALOGUE if name not in names)]
    ]


def _prospects(user: SipUser) -> list[dict[str, Any]]:
    """For each choice of protection, who could listen with each other side."""
    found = []
    for mine, against in admin.prospects().items():
        rows = [
            {
                "other": OTHER_SIDES[one.other.protection.value, one.other.path.value],
                "audience": one.outlook.audience,
                "words": who_could_listen_in_words(one.outlook.audience, user.username, "…")[:1],
            }
            for one in against
            if one.outlook.audience is not None
        ]
        found.append({"protection": mine.protection.value, "path": mine.path.value, "rows": rows})
    return found


def _recording_reason(user: SipUser, typed: Mapping[str, Any]) -> str:
    """Why this user's calls cannot always be recorded, as far as that does not hang on the form."""
    if not user.recording.recipient and user.recording.own != "always":
        return "no key"
    return "path" if insists_on_path(user.policy) and typed["recording"] != "always" else ""


def _differences(
    typed: Mapping[str, Any], user: SipUser, began: Mapping[str, str], changes: Sequence[LoggedChange]
) -> list[dict[str, Any]]:
    """What was typed beside what is saved by now, and by whom."""
    present = admin.shown_fields(user)
    by = {name: one for one in reversed(changes) for name in one.after}
    return [
        {"field": name, "mine": typed[name], "theirs": present[name], "change": by.get(name)}
        for name in _FIELDS
        if str(typed[name]) != present[name] or began.get(name, present[name]) != present[name]
    ]


# The secret


@router.post("/{aor}/secret")
async def rotate(request: Request, actor: Who, aor: str) -> Response:
    """Makes a new secret and shows it, once."""
    made = await change(request, lambda transaction: admin.set_secret(transaction, actor, now(), aor))
    return await page(request, "users/secret.html", made=made, is_new=False)


# Its end


@router.get("/{aor}/delete")
async def delete_form(request: Request, actor: Who, aor: str) -> Response:
    """Asks once more."""
    user = await read(request, lambda transaction: admin.user_of(transaction, actor, aor, Role.ADMIN))
    return await page(request, "users/delete.html", users=[user], back=url_of(user.aor))
