"""Signing in, by password and second factor or by passkey; confirming who one is; signing out."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Annotated

from fastapi import Depends, Form, Query
from starlette.requests import Request
from starlette.responses import Response

from sealtone.admin import Actor, InvalidInput, passkeys, second_factors, sign_in
from sealtone.admin.passwords import hash_password, is_outdated, password_matches
from sealtone.admin.service import SignUp
from sealtone.model import Person
from sealtone.store import StoreError, Transaction, credentials
from sealtone.store.credentials import confirm_session, strengthen_session
from sealtone.store.links import delete_expired_links
from sealtone.web import gate as gates
from sealtone.web.asking import Pages, address_of, change, go, page, read, signed_in
from sealtone.web.gate import deliver, drop_challenge, gate, guessed, new_challenge, safe_next, wait_for_guess
from sealtone.web.parts import Parts
from sealtone.web.problems import problem_of
from sealtone.web.sealed_cookie import drop_sealed, sealed_values, set_sealed
from sealtone.web.security import begin_session, end_session

_public = Pages(area="people", public=True)
_private = Pages(area="people")
routers = [_public, _private]

STEP_COOKIE = "__Host-step"
_STEP_S = 600.0
_LINKS_KEPT_S = 30 * 86_400.0
_FORGET_EVERY_S = 6 * 3600.0


async def run(parts: Parts) -> None:
    """Sends e-mail, and forgets links that ended a month ago."""
    await asyncio.gather(deliver(parts), _forget_links(parts))


async def _forget_links(parts: Parts) -> None:
    def forget() -> None:
        with parts.database.write() as transaction:
            delete_expired_links(transaction, time.time() - _LINKS_KEPT_S)

    while True:
        try:
            await asyncio.to_thread(forget)
        except StoreError as error:
            parts.log(f"error panel old links were not deleted: {error}")
        await asyncio.sleep(_FORGET_EVERY_S)


def _(text: str) -> str:
    """Marks a text for translation."""
    return text


WRONG = _("The e-mail address or the password is not right.")
WRONG_CODE = _("This code is not right, or it was used before.")
WRONG_PASSWORD = _("This is not your password.")
WAIT = _("Too many attempts. Try again in %(minutes)s min.")


@_public.get("/sign-in")
async def sign_in_page(request: Request, onward: Annotated[str, Query(alias="next")] = "/") -> Response:
    """The form; whoever is signed in already goes on."""
    if request.state.session is not None:
        return go(request, safe_next(onward))
    return await _form(request, onward)


async def _form(request: Request, onward: str, status: int = 200, problem: str = "", email: str = "") -> Response:
    settings = await gates.settings_of(request)
    return await page(
        request,
        "people/sign_in.html",
        status,
        next=safe_next(onward),
        problem=problem,
        form={"email": email},
        open_sign_up=settings.sign_up is SignUp.OPEN,
    )


@_public.post("/sign-in")
async def by_password(
    request: Request,
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    onward: Annotated[str, Form(alias="next")] = "/",
) -> Response:
    """The password. Whether somebody has this address is told by neither words nor time."""
    name = f"sign-in {email.strip().lower()[:254]}"
    wait = wait_for_guess(request, name)
    if wait:
        return await waiting(request, wait, lambda text: _form(request, onward, 429, text, email))
    facts = await read(request, lambda transaction: sign_in.sign_in_facts(transaction, email))
    right = await gate(request).passwords.run(password_matches, facts.password_hash if facts else "", password)
    await guessed(request, name, right=right)
    if facts is None or not right:
        return await _form(request, onward, 422, request.state.translate(WRONG), email)
    if is_outdated(facts.password_hash):
        renewed = await gate(request).passwords.run(hash_password, password)
        person_id, outdated = facts.person.id, facts.password_hash
        await change(
            request, lambda transaction: sign_in.renew_hash(transaction, person_id, outdated, renewed), reload=False
        )
    if facts.factor.is_asked_for:
        response = go(request, "/sign-in/second")
        fingerprint = _fingerprint(facts)
        set_sealed(
            request,
            response,
            STEP_COOKIE,
            _STEP_S,
            person=facts.person.id,
            password=fingerprint,
            next=safe_next(onward),
        )
        return response
    return await _welcome(request, facts.person, "password", onward)


@_public.get("/sign-in/second")
async def second_page(request: Request) -> Response:
    """What is asked for after the password."""
    facts, _onward = await _halfway(request)
    if facts is None:
        return go(request, "/sign-in")
    return await page(request, "people/second.html", factor=facts.factor, problem="")


@_public.post("/sign-in/second")
async def by_code(request: Request, code: Annotated[str, Form()] = "") -> Response:
    """A code of the app, or a recovery code."""
    facts, onward = await _halfway(request)
    if facts is None:
        return go(request, "/sign-in")

    async def again(status: int, problem: str) -> Response:
        return await page(request, "people/second.html", status, factor=facts.factor, problem=problem)

    person = facts.person
    name = f"second {person.id}"
    wait = wait_for_guess(request, name)
    if wait:
        return await waiting(request, wait, lambda text: again(429, text))
    how = await take_code(request, person, code)
    await guessed(request, name, right=bool(how))
    if not how:
        return await again(422, request.state.translate(WRONG_CODE))
    response = await _welcome(request, person, f"password+{how}", onward)
    drop_sealed(response, STEP_COOKIE)
    return response


async def take_code(request: Request, person: Person, code: str) -> str:
    """What the code was: ``app``, ``recovery``, or nothing where it is not right."""
    now, origin = time.time(), address_of(request)

    def take(transaction: Transaction) -> str:
        if second_factors.is_recovery_code(code):
            taken = second_factors.take_recovery_code(transaction, person, code, now, origin)
            return "recovery" if taken else ""
        return "app" if second_factors.take_totp(transaction, person.id, code, now) else ""

    return await change(request, take, reload=False)


async def _halfway(request: Request) -> tuple[sign_in.SignInFacts | None, str]:
    """Who gave the right password within ten minutes, and has not changed it since."""
    values = sealed_values(request, STEP_COOKIE)
    if values is None:
        return None, "/"
    facts = await read(request, lambda transaction: sign_in.facts_of(transaction, values["person"]))
    if facts is None or _fingerprint(facts) != values["password"]:
        return None, "/"
    return facts, values["next"]


def _fingerprint(facts: sign_in.SignInFacts) -> str:
    return hashlib.sha256(facts.password_hash.encode()).hexdigest()


async def _welcome(request: Request, person: Person, by: str, onward: str) -> Response:
    response = go(request, safe_next(onward))
    await begin_session(request, response, person.id, by)
    return response


@_public.post("/passkey/options/sign-in")
async def passkey_options(request: Request) -> Response:
    """What the browser is to ask a passkey, for anybody who has one here."""
    gate(request).check_challenge(request)
    return await challenge_for(request, "sign-in")


async def challenge_for(request: Request, purpose: str, person_id: int | None = None) -> Response:
    """A challenge for any passkey of this service, or for one of a person."""
    host, challenge = request.headers.get("host", ""), new_challenge()

    def options(transaction: Transaction) -> str:
        party = passkeys.relying_party(transaction, host)
        known = credentials.read_passkeys(transaction, person_id) if person_id is not None else ()
        return passkeys.authentication_options(party, challenge, known)

    response = Response(await read(request, options), media_type="application/json")
    gates.set_challenge(request, response, challenge, purpose)
    return response


async def take_passkey(request: Request, purpose: str, answer: str) -> Person:
    """Whose passkey answered the challenge. Raises `InvalidInput`, `Conflict`."""
    asked = gates.take_challenge(request, purpose)
    if asked is None:
        raise InvalidInput("passkey", "The passkey was not accepted. Try again.")
    host, now = request.headers.get("host", ""), time.time()

    def take(transaction: Transaction) -> Person:
        party = passkeys.relying_party(transaction, host)
        person = passkeys.take_passkey(transaction, party, asked[0], answer, now)
        if not sign_in.may_sign_in(transaction, person):
            raise InvalidInput("passkey", "The passkey was not accepted. Try again.")
        return person

    return await change(request, take, reload=False)


@_public.post("/sign-in/passkey")
async def by_passkey(
    request: Request, passkey: Annotated[str, Form()] = "", onward: Annotated[str, Form(alias="next")] = "/"
) -> Response:
    """The passkey's answer: two factors in one."""
    name = f"passkey {address_of(request)}"
    wait = wait_for_guess(request, name)
    if wait:
        return await waiting(request, wait, lambda text: _form(request, onward, 429, text))
    try:
        person = await take_passkey(request, "sign-in", passkey)
    except InvalidInput as error:
        await guessed(request, name, right=False)
        return await _form(request, onward, 422, problem_of(error, request.state.language).detail)
    _facts, halfway = await _halfway(request)
    response = await _welcome(request, person, "passkey", halfway if _facts is not None else onward)
    drop_challenge(response)
    drop_sealed(response, STEP_COOKIE)
    return response


@_private.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Ends this session."""
    response = go(request, "/sign-in")
    await end_session(request, response)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


# Confirming who one is


@_private.get("/confirm")
async def confirm_page(
    request: Request,
    actor: Annotated[Actor, Depends(signed_in)],
    onward: Annotated[str, Query(alias="next")] = "/account",
) -> Response:
    """Asks for the password or a passkey once more."""
    return await _confirm(request, actor, onward)


async def _confirm(request: Request, actor: Actor, onward: str, status: int = 200, problem: str = "") -> Response:
    facts = await own_facts(request, actor)
    return await page(
        request,
        "people/confirm.html",
        status,
        next=safe_next(onward),
        problem=problem,
        facts=facts,
        factor=facts.factor,
    )


async def own_facts(request: Request, actor: Actor) -> sign_in.SignInFacts:
    """How somebody who is signed in can prove who they are."""
    person_id = actor.person_id
    facts = await read(
        request, lambda transaction: None if person_id is None else sign_in.facts_of(transaction, person_id)
    )
    if facts is None:
        raise InvalidInput("password", WRONG_PASSWORD)
    return facts


@_private.post("/confirm")
async def confirm(
    request: Request,
    actor: Annotated[Actor, Depends(signed_in)],
    password: Annotated[str, Form()] = "",
    code: Annotated[str, Form()] = "",
    onward: Annotated[str, Form(alias="next")] = "/account",
) -> Response:
    """The password, and a code where one is asked for at sign-in too."""
    facts = await own_facts(request, actor)
    name = f"confirm {facts.person.id}"
    wait = wait_for_guess(request, name)
    if wait:
        return await waiting(request, wait, lambda text: _confirm(request, actor, onward, 429, text))
    right = await gate(request).passwords.run(password_matches, facts.password_hash, password)
    wrong = WRONG_PASSWORD
    if right and facts.factor.totp:
        right, wrong = bool(await take_code(request, facts.person, code)), WRONG_CODE
    await guessed(request, name, right=right)
    if not right:
        return await _confirm(request, actor, onward, 422, request.state.translate(wrong))
    return await _confirmed(request, onward)


@_private.post("/confirm/passkey/options")
async def confirm_options(request: Request, actor: Annotated[Actor, Depends(signed_in)]) -> Response:
    """A challenge for one's own passkeys."""
    gate(request).check_challenge(request)
    return await challenge_for(request, f"confirm {actor.person_id}", actor.person_id)


@_private.post("/confirm/passkey")
async def confirm_by_passkey(
    request: Request,
    actor: Annotated[Actor, Depends(signed_in)],
    passkey: Annotated[str, Form()] = "",
    onward: Annotated[str, Form(alias="next")] = "/account",
) -> Response:
    """A passkey's answer."""
    try:
        person = await take_passkey(request, f"confirm {actor.person_id}", passkey)
        if person.id != actor.person_id:
            raise InvalidInput("passkey", "The passkey was not accepted. Try again.")
    except InvalidInput as error:
        return await _confirm(request, actor, onward, 422, problem_of(error, request.state.language).detail)
    session = request.state.session
    if session.lacks_second_factor:
        await change(
            request,
            lambda transaction: strengthen_session(transaction, session.token_hash, "password+passkey"),
            reload=False,
        )
    return await _confirmed(request, onward)


async def _confirmed(request: Request, onward: str) -> Response:
    hashed, now = request.state.session.token_hash, time.time()
    await change(request, lambda transaction: confirm_session(transaction, hashed, now), reload=False)
    response = go(request, safe_next(onward))
    drop_challenge(response)
    return response


async def waiting(request: Request, wait_s: int, form: gates.Form) -> Response:
    """The form again, with how long to wait."""
    response = await form(request.state.translate(WAIT, minutes=max(1, -(-wait_s // 60))))
    response.headers["Retry-After"] = str(wait_s)
    return response
