"""The route tester: what a call would come to, without anything ringing."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from sealtone import admin
from sealtone.admin import Actor, AdminError, InvalidInput
from sealtone.admin.listening import SCHEMES, who_could_listen_in_words
from sealtone.model import Role
from sealtone.store import Transaction
from sealtone.web.asking import Pages, page, read, server_or_none, signed_in
from sealtone.web.user_words import CODECS

router = Pages(prefix="/sip-users", area="users")
Who = Annotated[Actor, Depends(signed_in)]


@router.get("/test-call")
async def trial(
    request: Request,
    actor: Who,
    caller: str = "",
    dialled: str = "",
    caller_transport: str = "",
    caller_protection: str = "",
    caller_codecs: str = "",
    callee_transport: str = "",
    callee_protection: str = "",
    callee_codecs: str = "",
) -> Response:
    """“If 1000 calls 1001 now”."""
    typed = {
        name: value
        for name, value in dict(request.query_params).items()
        if name.startswith(("caller", "callee", "dialled"))
    }
    context: dict[str, Any] = {"form": typed, "tried": None, "schemes": SCHEMES, "codecs": CODECS}
    if not caller and not dialled:
        return await page(request, "users/test_call.html", **context)
    status = await server_or_none(request, "status")
    seen = await _registered(request, actor, caller, dialled)
    codecs = (status or {}).get("codecs") or {}
    try:
        tried = await read(
            request,
            lambda transaction: admin.try_call(
                transaction,
                actor,
                _complete(transaction, actor, caller),
                dialled,
                seen,
                codecs,
                admin.PhoneForm(caller_transport, caller_protection, caller_codecs),
                admin.PhoneForm(callee_transport, callee_protection, callee_codecs),
            ),
        )
    except InvalidInput as error:
        shown = InvalidInput("caller", error.template, **error.values) if error.field in ("user", "username") else error
        return await page(request, "users/test_call.html", 422, error=shown, **context)
    except admin.NotFound as error:
        shown = InvalidInput("caller", error.template, **error.values)
        return await page(request, "users/test_call.html", 422, error=shown, **context)
    context["tried"] = tried
    outlooks = [one for one in (tried.outlook, tried.if_registered) if one is not None and one.audience is not None]
    names = tried.caller.username, tried.callee.username if tried.callee is not None else tried.dialled
    words = who_could_listen_in_words(outlooks[0].audience, *names) if outlooks and outlooks[0].audience else ()
    return await page(
        request,
        "users/test_call.html",
        words=words,
        shown=outlooks[0] if outlooks else None,
        server_is_away=status is None,
        **context,
    )


def _complete(transaction: Transaction, actor: Actor, caller: str) -> str:
    """A number alone means the account's only domain, or the first that has it."""
    caller = caller.strip()
    if "@" in caller or not caller:
        return caller
    domains = admin.list_domains(transaction, actor)
    for domain in domains:
        try:
            return admin.user_of(transaction, actor, f"{caller}@{domain.name}", Role.VIEWER).aor
        except AdminError:
            continue
    return f"{caller}@{domains[0].name}" if domains else caller


async def _registered(request: Request, actor: Actor, caller: str, dialled: str) -> Any:
    """Where the phones of the two are, as the server sees them."""

    def query(transaction: Transaction) -> list[str]:
        try:
            aor = _complete(transaction, actor, caller)
            user = admin.user_of(transaction, actor, aor, Role.VIEWER)
            return [user.aor, *admin.trial_call.aors_meant(transaction, user, dialled)]
        except AdminError:
            return []

    aors = await read(request, query)
    return admin.registrations_by_aor(await server_or_none(request, "registrations", aors=aors) or ())
