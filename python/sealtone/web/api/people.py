"""The people of the account, invitations into it, and the sessions of whoever asks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from sealtone.admin import Conflict, NotFound, sign_in
from sealtone.admin import people as cases
from sealtone.admin.api_keys import KeyUser, Scope
from sealtone.admin.links import NewLink
from sealtone.model import Role
from sealtone.model.people import Person
from sealtone.store import Transaction
from sealtone.store.credentials import SessionRow
from sealtone.web.api.conditional import answer, check_version
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.paging import Cursor, Limit, answer_page
from sealtone.web.api.schemas.base import Page
from sealtone.web.api.schemas.people import (
    InvitationOut,
    InvitationWithLink,
    NewInvitation,
    PasswordLink,
    PasswordLinkIn,
    PersonOut,
    PersonPatch,
    SessionOut,
    invitation_out,
    password_link_out,
    person_out,
    session_out,
    with_link,
)
from sealtone.web.api.work import Caller, change, now, owner_of, read, write
from sealtone.web.security import IDLE_S

router = APIRouter(route_class=Operation, tags=["People"])
Number = Annotated[int, Path(ge=1, le=2**53)]
Name = Annotated[str, Path(max_length=200)]
_LOOK = details(Scope.READ, Scope.PEOPLE)
_ALONE = details(Scope.PEOPLE)
_CHANGE_VERSION = details(Scope.PEOPLE, versioned=True)


@router.get(
    "/people",
    operation_id="listPeople",
    summary="List people",
    response_model=Page[PersonOut],
    openapi_extra=_LOOK,
)
async def list_people(request: Request, user: Caller, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """The people of the account, the longest there first."""
    found = await read(request, lambda transaction: cases.list_people(transaction, user.actor))
    return answer_page(Page[PersonOut], found, lambda one: one.id, person_out, cursor, limit, int)


@router.get(
    "/people/{id}",
    operation_id="getPerson",
    summary="Show a person",
    response_model=PersonOut,
    openapi_extra=_LOOK,
)
async def get_person(request: Request, user: Caller, id: Number) -> Response:  # noqa: A002
    """One person of the account."""
    return answer(person_out(await read(request, lambda transaction: _person(transaction, user, id))))


@router.patch(
    "/people/{id}",
    operation_id="updatePerson",
    summary="Change what a person may do",
    response_model=PersonOut,
    openapi_extra=_CHANGE_VERSION,
)
async def update_person(request: Request, user: Caller, id: Number, form: PersonPatch) -> Response:  # noqa: A002
    """For owners. The last owner stays one. Who operates the service is set by those who do so already, with a key for
    that."""

    def save(transaction: Transaction) -> Person:
        person = _person(transaction, user, id)
        check_version(request, person_out(person))
        user.actor.authorise(person.account_id, f"person {id}", Role.OWNER)
        if form.role is not None:
            person = cases.change_role(transaction, user.actor, now(), id, form.role.value)
        if form.enabled is not None:
            person = cases.set_person_enabled(transaction, user.actor, now(), id, enabled=form.enabled)
        if form.operator is not None:
            person = cases.set_operator(transaction, user.actor, now(), id, operator=form.operator)
        return person

    return answer(person_out(await change(request, save)))


@router.delete(
    "/people/{id}",
    operation_id="removePerson",
    summary="Remove a person",
    status_code=204,
    openapi_extra=_CHANGE_VERSION,
)
async def remove_person(request: Request, user: Caller, id: Number) -> Response:  # noqa: A002
    """For owners. Their sessions end, and the API keys they made open nothing any more."""

    def remove(transaction: Transaction) -> None:
        check_version(request, person_out(_person(transaction, user, id)))
        cases.remove_person(transaction, user.actor, now(), id)

    await change(request, remove)
    return Response(status_code=204)


@router.post(
    "/people/{id}/password-link",
    operation_id="createPasswordLink",
    summary="Make a link for a person's new password",
    status_code=201,
    response_model=PasswordLink,
    openapi_extra=_ALONE,
)
async def create_password_link(
    request: Request,
    user: Caller,
    id: Number,  # noqa: A002
    form: PasswordLinkIn,
) -> Response:
    """For owners: a link that works once within a day, shown this once. Earlier ones of that person work no longer."""

    def make(transaction: Transaction) -> NewLink:
        person = _person(transaction, user, id)
        bare = form.without_second_factor
        return cases.password_link(transaction, user.actor, now(), person.id, without_second_factor=bare)

    made = await write(request, make)
    return answer(password_link_out(made.link, made.token), 201, {"Cache-Control": "no-store"})


@router.get(
    "/invitations",
    operation_id="listInvitations",
    summary="List open invitations",
    response_model=Page[InvitationOut],
    openapi_extra=_ALONE,
)
async def list_invitations(request: Request, user: Caller, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """For owners: who was invited and has not come yet."""
    found = await read(request, lambda transaction: cases.list_invitations(transaction, user.actor, now()))
    return answer_page(Page[InvitationOut], found, lambda one: one.number, invitation_out, cursor, limit, str)


@router.post(
    "/invitations",
    operation_id="createInvitation",
    summary="Invite somebody",
    status_code=201,
    response_model=InvitationWithLink,
    openapi_extra=_ALONE,
)
async def create_invitation(request: Request, user: Caller, form: NewInvitation) -> Response:
    """For owners: a link that works once within seven days, shown this once. No e-mail is sent from here; a newer
    invitation of the same address replaces it."""

    def make(transaction: Transaction) -> NewLink:
        return cases.invite(transaction, user.actor, now(), owner_of(user), form.email, form.role.value)

    made = await write(request, make)
    return answer(with_link(made.link, made.token), 201, {"Cache-Control": "no-store"})


@router.delete(
    "/invitations/{number}",
    operation_id="revokeInvitation",
    summary="Revoke an invitation",
    status_code=204,
    openapi_extra=_ALONE,
)
async def revoke_invitation(request: Request, user: Caller, number: Name) -> Response:
    """For owners: its link does not work any more."""

    def revoke(transaction: Transaction) -> None:
        cases.revoke_invitation(transaction, user.actor, now(), number)

    await write(request, revoke)
    return Response(status_code=204)


@router.get(
    "/sessions",
    operation_id="listSessions",
    summary="List one's own sessions",
    response_model=Page[SessionOut],
    openapi_extra=_ALONE,
)
async def list_sessions(request: Request, user: Caller, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """Where the person who made the API key is signed in to the panel."""
    person_id = user.key.person_id

    def query(transaction: Transaction) -> tuple[SessionRow, ...]:
        if person_id is None:  # a key of the command line, which nobody signs in with
            return ()
        return sign_in.list_sessions(transaction, user.actor, person_id, now(), now() - IDLE_S)

    found = await read(request, query)
    return answer_page(Page[SessionOut], found, lambda one: one.number, session_out, cursor, limit, str)


@router.delete(
    "/sessions/{number}",
    operation_id="endSession",
    summary="End one of one's own sessions",
    status_code=204,
    openapi_extra=_ALONE,
)
async def end_session(request: Request, user: Caller, number: Name) -> Response:
    """Whoever uses it has to sign in again."""

    def end(transaction: Transaction) -> None:
        if user.key.person_id is None:
            raise NotFound("There is no such session.")
        sign_in.end_session(transaction, user.actor, user.key.person_id, number)

    await write(request, end)
    return Response(status_code=204)


@router.delete(
    "/sessions",
    operation_id="endSessions",
    summary="End all of one's own sessions",
    status_code=204,
    openapi_extra=_ALONE,
)
async def end_sessions(request: Request, user: Caller) -> Response:
    """The person who made the API key is signed out everywhere."""

    def end(transaction: Transaction) -> None:
        if user.key.person_id is None:
            raise Conflict("This API key was made on the command line: nobody is signed in by it.")
        sign_in.end_sessions(transaction, user.actor, user.key.person_id)

    await write(request, end)
    return Response(status_code=204)


def _person(transaction: Transaction, user: KeyUser, person_id: int) -> Person:
    for person in cases.list_people(transaction, user.actor):
        if person.id == person_id:
            return person
    raise NotFound(f"There is no person {person_id}.")
