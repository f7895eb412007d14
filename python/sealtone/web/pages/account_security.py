"""Account, Signing in: password, authenticator app, passkeys, recovery codes, and where one is signed in."""

from __future__ import annotations

import io
import re
import time
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, NamedTuple

import segno
from fastapi import Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from sealtone.admin import Actor, AdminError, InvalidInput, NotFound, passkeys, people, second_factors, sign_in
from sealtone.admin.passwords import check_password, hash_password, password_matches
from sealtone.store import Transaction, credentials
from sealtone.store import people as people_rows
from sealtone.store.credentials import Passkey, SessionRow, strengthen_session
from sealtone.web import gate as gates
from sealtone.web.agents import agent_name
from sealtone.web.asking import SECOND_FACTOR_URL, Pages, change, go, page, read, signed_in
from sealtone.web.attempts import too_many
from sealtone.web.confirming import confirmed, is_confirmed
from sealtone.web.gate import drop_challenge, gate, guessed, new_challenge, wait_for_guess
from sealtone.web.mails import changed_mail
from sealtone.web.pages.account import done, own_id
from sealtone.web.pages.sign_in import WRONG_PASSWORD, own_facts, waiting
from sealtone.web.rendering import said
from sealtone.web.sealed_cookie import drop_sealed, sealed_values, set_sealed
from sealtone.web.security import IDLE_S, rotate_session
from sealtone.web.tabs import account_tabs, add_account_tab

router = Pages(prefix="/account", area="people")

SignedIn = Annotated[Actor, Depends(signed_in)]
Confirmed = Annotated[Actor, Depends(confirmed)]

_TOTP_COOKIE = "__Host-totp"
_TOTP_S = 1800.0
_RECOVERY = re.compile(r"([a-z0-9]{4}-){3}[a-z0-9]{4}")
_URL = "/account/security"


def _(text: str) -> str:
    """Marks a text for translation."""
    return text


add_account_tab(20, _URL, _("Signing in"))


class Device(NamedTuple):
    """A passkey as the page shows it."""

    id: str
    passkey: Passkey


@router.get("/security")
async def security_page(request: Request, actor: SignedIn) -> Response:
    """All ways to sign in, and all sessions."""
    return await _security(request, actor)


async def _security(
    request: Request,
    actor: Actor,
    status: int = 200,
    error: AdminError | dict[str, str] | None = None,
) -> Response:
    facts, now = await own_facts(request, actor), time.time()
    me = own_id(actor)

    def find(transaction: Transaction) -> tuple[tuple[Passkey, ...], tuple[SessionRow, ...]]:
        sessions = sign_in.list_sessions(transaction, actor, me, now, now - IDLE_S)
        return passkeys.list_passkeys(transaction, actor, me), sessions

    devices, sessions = await read(request, find)
    return await page(
        request,
        "people/security.html",
        status,
        tabs=account_tabs(request),
        facts=facts,
        devices=[Device(_id(device.credential_id), device) for device in devices],
        sessions=[(session, agent_name(session.user_agent)) for session in sessions],
        here=request.state.session.number,
        confirmed=is_confirmed(request),
        form={},
        error=error,
    )


# The password


@router.post("/password")
async def set_password(
    request: Request,
    actor: SignedIn,
    present: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
) -> Response:
    """A new one: for whoever knows the present one, or has just confirmed who they are where there is none."""
    facts = await own_facts(request, actor)
    try:
        if facts.person.has_password:
            name = f"confirm {facts.person.id}"
            wait = wait_for_guess(request, name)
            if wait:
                return await waiting(request, wait, lambda text: _security(request, actor, 429, {"present": text}))
            right = await gate(request).passwords.run(password_matches, facts.password_hash, present)
            await guessed(request, name, right=right)
            if not right:
                raise InvalidInput("present", WRONG_PASSWORD)
        elif not is_confirmed(request):
            return go(request, f"/confirm?next={_URL}")
        check_password(password, facts.person.name, facts.person.email)
    except InvalidInput as error:
        return await _security(request, actor, 422, error)
    hashed = await gate(request).passwords.run(hash_password, password)
    now, session = time.time(), request.state.session.token_hash
    await change(request, lambda t: people.set_password(t, actor, now, own_id(actor), hashed, session))
    return await _told(request, actor, _("Your new password is set. Everywhere else you have been signed out."))


@router.post("/password/remove")
async def remove_password(request: Request, actor: Confirmed) -> Response:
    """From now on by passkey alone."""
    now, session = time.time(), request.state.session.token_hash
    await change(request, lambda t: people.set_password(t, actor, now, own_id(actor), "", session))
    return await _told(request, actor, _("Your password is removed. You sign in by passkey."))


async def _told(request: Request, actor: Actor, text: str) -> Response:
    """The session goes on under another token, and the person is written to."""
    settings = await gates.settings_of(request)
    if settings.sends_mail:
        gate(request).send(changed_mail(request.state.language, actor.name))
    response = done(request, _URL, request.state.translate(text))
    await rotate_session(request, response)
    return response


# The authenticator app


@router.get("/totp")
async def totp_page(request: Request, actor: Confirmed) -> Response:
    """The QR code and the first code."""
    return await _totp(request, actor)


async def _totp(
    request: Request, actor: Actor, status: int = 200, error: AdminError | None = None, url: str = "/account/totp"
) -> Response:
    values = sealed_values(request, _TOTP_COOKIE)
    kept = values is not None and values["person"] == actor.person_id
    secret = str(values["secret"]) if values is not None and kept else second_factors.new_totp_secret()
    settings = await gates.settings_of(request)
    address = second_factors.totp_address(secret, actor.name, settings.public_name)
    response = await page(
        request,
        "people/totp.html",
        status,
        tabs=account_tabs(request),
        secret=" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
        address=address,
        picture=_picture(address),
        action=url,
        form={},
        error=error,
    )
    set_sealed(request, response, _TOTP_COOKIE, _TOTP_S, person=actor.person_id, secret=secret)
    return response


def _picture(address: str) -> str:
    """A QR code as an image in a data address, which the page's policy permits."""
    out = io.BytesIO()
    segno.make(address, error="m").save(out, kind="svg", scale=4, border=2, dark="#000", light="#fff")
    return f"data:image/svg+xml;base64,{b64encode(out.getvalue()).decode()}"


@router.post("/totp")
async def set_up_totp(request: Request, actor: Confirmed, code: Annotated[str, Form()] = "") -> Response:
    """From now on codes are asked for; shows the recovery codes where they are new."""
    return await _set_up_totp(request, actor, code, "/account/totp")


async def _set_up_totp(request: Request, actor: Actor, code: str, url: str) -> Response:
    values, now = sealed_values(request, _TOTP_COOKIE), time.time()
    if values is None or values["person"] != actor.person_id:
        return go(request, url)
    name = f"totp {actor.person_id}"
    if wait_for_guess(request, name):
        raise too_many(wait_for_guess(request, name))
    session = request.state.session.token_hash

    def use_case(transaction: Transaction) -> tuple[str, ...]:
        codes = second_factors.set_up_totp(transaction, actor, now, own_id(actor), values["secret"], code)
        strengthen_session(transaction, session, "password+app")
        return codes

    try:
        codes = await change(request, use_case)
    except InvalidInput as error:
        await guessed(request, name, right=False)
        return await _totp(request, actor, 422, error, url)
    if codes:
        response = await _recovery(request, codes)
    else:
        response = done(request, _URL, request.state.translate(_("The authenticator app is set up.")))
    drop_sealed(response, _TOTP_COOKIE)
    return response


@router.post("/totp/remove")
async def remove_totp(request: Request, actor: Confirmed) -> Response:
    """Codes are asked for no more."""
    now = time.time()
    await change(request, lambda t: second_factors.remove_totp(t, actor, now, own_id(actor)))
    return done(request, _URL, request.state.translate(_("The authenticator app is removed.")))


# Recovery codes


async def _recovery(request: Request, codes: tuple[str, ...]) -> Response:
    return await page(request, "people/recovery.html", tabs=account_tabs(request), codes=codes)


@router.post("/recovery-codes")
async def recovery_codes(request: Request, actor: Confirmed) -> Response:
    """New ones, shown once."""
    now = time.time()
    codes = await change(request, lambda t: second_factors.replace_recovery_codes(t, actor, now, own_id(actor)))
    return await _recovery(request, codes)


@router.post("/recovery-codes/file")
async def recovery_file(request: Request, actor: SignedIn, codes: Annotated[str, Form()] = "") -> Response:
    """The codes that the page shows, as a file: they come from the page, since here only their hashes are."""
    given = [code for code in codes.split() if _RECOVERY.fullmatch(code)][: second_factors.RECOVERY_CODES]
    title = request.state.translate(_("Recovery codes of %(email)s. Each works once."), email=actor.name)
    headers = {"Content-Disposition": 'attachment; filename="sealtone-recovery-codes.txt"'}
    return Response("\n".join([title, "", *given, ""]), headers=headers, media_type="text/plain")


# Passkeys


@router.post("/passkeys/options")
async def passkey_options(request: Request, actor: Confirmed) -> Response:
    """What the browser is to ask of a device."""
    gate(request).check_challenge(request)
    host, challenge, me = request.headers.get("host", ""), new_challenge(), own_id(actor)

    def options(transaction: Transaction) -> str:
        party = passkeys.relying_party(transaction, host)
        person = people_rows.find_person(transaction, me)
        if person is None:
            raise NotFound("There is no such person.")
        known = credentials.read_passkeys(transaction, me)
        return passkeys.registration_options(party, challenge, person.webauthn_handle, person.email, person.name, known)

    response = Response(await read(request, options), media_type="application/json")
    gates.set_challenge(request, response, challenge, f"add {me}")
    return response


@router.post("/passkeys")
async def add_passkey(
    request: Request,
    actor: Confirmed,
    passkey: Annotated[str, Form()] = "",
    passkey_name: Annotated[str, Form()] = "",
) -> Response:
    """A further passkey; with the first factor besides the password come recovery codes."""
    return await _add_passkey(request, actor, passkey, passkey_name)


async def _add_passkey(request: Request, actor: Actor, answer: str, name: str) -> Response:
    me, host, now = own_id(actor), request.headers.get("host", ""), time.time()
    session = request.state.session.token_hash
    strong = request.state.session.signed_in_by != "password"

    def use_case(transaction: Transaction) -> tuple[str, ...]:
        asked = gates.take_challenge(request, f"add {me}")
        if asked is None:
            raise InvalidInput("passkey", "The passkey was not accepted. Try again.")
        party = passkeys.relying_party(transaction, host)
        new = passkeys.verify_new_passkey(party, asked[0], answer)
        passkeys.add_passkey(transaction, actor, now, me, new, name)
        if not strong:
            strengthen_session(transaction, session, "password+passkey")
        if credentials.count_recovery_codes(transaction, me):
            return ()
        return second_factors.replace_recovery_codes(transaction, actor, now, me)

    try:
        codes = await change(request, use_case)
    except InvalidInput as error:
        if request.url.path.startswith(SECOND_FACTOR_URL):
            return await _second_factor(request, actor, 422, error)
        return await _security(request, actor, 422, error)
    if codes:
        response = await _recovery(request, codes)
    else:
        response = done(request, _URL, request.state.translate(_("The passkey is added.")))
    drop_challenge(response)
    return response


@router.post("/passkeys/{credential}/rename")
async def rename_passkey(
    request: Request, actor: SignedIn, credential: str, passkey_name: Annotated[str, Form()] = ""
) -> Response:
    """What it is called."""
    now, raw = time.time(), _octets(credential)
    try:
        await change(request, lambda t: passkeys.rename_passkey(t, actor, now, own_id(actor), raw, passkey_name))
    except InvalidInput as error:
        return await _security(request, actor, 422, {f"name-{credential}": said(request.state.language, error)})
    return done(request, _URL, request.state.translate(_("Saved.")))


@router.post("/passkeys/{credential}/remove")
async def remove_passkey(request: Request, actor: Confirmed, credential: str) -> Response:
    """It opens nothing any more."""
    now, raw = time.time(), _octets(credential)
    await change(request, lambda t: passkeys.remove_passkey(t, actor, now, own_id(actor), raw))
    return done(request, _URL, request.state.translate(_("The passkey is removed.")))


def _id(credential_id: bytes) -> str:
    return urlsafe_b64encode(credential_id).decode().rstrip("=")


def _octets(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise NotFound("There is no such passkey.") from None


# Sessions


@router.post("/sessions/{number}/end")
async def end_session(request: Request, actor: SignedIn, number: str) -> Response:
    """Signed out there."""
    await change(request, lambda t: sign_in.end_session(t, actor, own_id(actor), number), reload=False)
    if number == request.state.session.number:
        return go(request, "/sign-in")
    return done(request, _URL, request.state.translate(_("Signed out there.")))


@router.post("/sessions/end")
async def end_sessions(request: Request, actor: SignedIn) -> Response:
    """Signed out everywhere else."""
    here = request.state.session.token_hash
    await change(request, lambda t: sign_in.end_sessions(t, actor, own_id(actor), here), reload=False)
    return done(request, _URL, request.state.translate(_("You are signed out everywhere else.")))


# A second factor that the account wants


async def _second_factor(
    request: Request, actor: Actor, status: int = 200, error: AdminError | None = None
) -> Response:
    facts = await own_facts(request, actor)
    return await page(request, "people/second_factor.html", status, facts=facts, form={}, error=error)


@router.get("/second-factor")
async def second_factor_page(request: Request, actor: SignedIn) -> Response:
    """Where somebody sets one up before anything else; others are led on."""
    if not request.state.session.lacks_second_factor:
        return go(request, "/")
    return await _second_factor(request, actor)


@router.get("/second-factor/totp")
async def second_factor_totp_page(request: Request, actor: Confirmed) -> Response:
    """An authenticator app."""
    return await _totp(request, actor, url="/account/second-factor/totp")


@router.post("/second-factor/totp")
async def second_factor_totp(request: Request, actor: Confirmed, code: Annotated[str, Form()] = "") -> Response:
    """Set up, and good for this session."""
    return await _set_up_totp(request, actor, code, "/account/second-factor/totp")


@router.post("/second-factor/passkey/options")
async def second_factor_options(request: Request, actor: Confirmed) -> Response:
    """For a passkey."""
    return await passkey_options(request, actor)


@router.post("/second-factor/passkey")
async def second_factor_passkey(
    request: Request,
    actor: Confirmed,
    passkey: Annotated[str, Form()] = "",
    passkey_name: Annotated[str, Form()] = "",
) -> Response:
    """Added, and good for this session."""
    return await _add_passkey(request, actor, passkey, passkey_name)
