"""Accounts: listing, making, naming and closing them, and how long their call records are kept."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from sealtone.admin import fields, person_fields
from sealtone.admin.actor import Actor
from sealtone.admin.errors import Conflict, InvalidInput, NotFound
from sealtone.admin.people import new_account
from sealtone.admin.person_log import log
from sealtone.model import Account, Role
from sealtone.store import Transaction, closing, people
from sealtone.store import directory as rows

_NO_SUCH_ACCOUNT = "There is no such account."


class AccountFacts(NamedTuple):
    """An account as the operator sees it: how large it is, and nothing of what is in it."""

    account: Account
    people: int
    domains: int
    sip_users: int


def list_accounts(transaction: Transaction, actor: Actor) -> tuple[Account, ...]:
    """The accounts that the actor may see; closed ones nobody does."""
    return tuple(
        account
        for account in rows.read_accounts(transaction)
        if account.name and actor.account_id in (None, account.id)
    )


def list_all_accounts(transaction: Transaction, actor: Actor) -> tuple[AccountFacts, ...]:
    """Every account, for the operator. Raises `Forbidden`."""
    actor.authorise_operating()
    members = people.count_people(transaction)
    domains, users = people.count_domains(transaction), people.count_sip_users(transaction)
    return tuple(
        AccountFacts(account, members.get(account.id, 0), domains.get(account.id, 0), users.get(account.id, 0))
        for account in rows.read_accounts(transaction)
        if account.name
    )


def account_of(transaction: Transaction, actor: Actor, account_id: int, role: Role = Role.VIEWER) -> Account:
    """One that the actor may see. Raises `NotFound`, `Forbidden`."""
    actor.authorise(account_id, "such account", role)
    account = rows.find_account(transaction, account_id)
    if account is None or not account.name:
        raise NotFound(_NO_SUCH_ACCOUNT)
    return account


def create_account(transaction: Transaction, actor: Actor, now_wall: float, name: str) -> Account:
    """An account without anybody in it yet, by the operator. Raises `Forbidden`, `InvalidInput`."""
    actor.authorise_operating()
    account_id = new_account(transaction, now_wall, name, actor.name, actor.origin)
    return Account(account_id, person_fields.name(name))


def rename_account(transaction: Transaction, actor: Actor, now_wall: float, account_id: int, name: str) -> Account:
    """What its people see it called. Raises `InvalidInput`, `NotFound`, `Forbidden`."""
    account = account_of(transaction, actor, account_id, Role.OWNER)
    called = person_fields.name(name, "account_name")
    if called != account.name:
        people.set_account(transaction, account_id, name=called, enabled=account.enabled)
        _log(transaction, actor, now_wall, account, {"name": account.name}, {"name": called})
    return replace(account, name=called)


def set_account_enabled(
    transaction: Transaction, actor: Actor, now_wall: float, account_id: int, *, enabled: bool
) -> Account:
    """By the operator: off, none of its people sign in, and none of its phones register or call.

    Raises `Forbidden`, `NotFound`; `Conflict` for the account whose people operate the service.
    """
    actor.authorise_operating()
    account = rows.find_account(transaction, account_id)
    if account is None or not account.name:
        raise NotFound(_NO_SUCH_ACCOUNT)
    if not enabled and (account_id == actor.account_id or not people.count_operators(transaction, account_id)):
        raise Conflict("This account operates the service, and cannot be switched off.")
    if account.enabled != enabled:
        people.set_account(transaction, account_id, name=account.name, enabled=enabled)
        before, after = ("no", "yes") if enabled else ("yes", "no")
        _log(transaction, actor, now_wall, account, {"enabled": before}, {"enabled": after})
    return replace(account, enabled=enabled)


def set_second_factor_needed(
    transaction: Transaction, actor: Actor, now_wall: float, account_id: int, *, needed: bool
) -> None:
    """Whether everybody in the account needs a second factor; who has none sets one up at the next page they open.

    Raises `NotFound`, `Forbidden`.
    """
    account = account_of(transaction, actor, account_id, Role.OWNER)
    if people.needs_second_factor(transaction, account_id) != needed:
        people.set_second_factor(transaction, account_id, needed=needed)
        before, after = ("no", "yes") if needed else ("yes", "no")
        _log(transaction, actor, now_wall, account, {"second factor": before}, {"second factor": after})


def set_call_retention(transaction: Transaction, actor: Actor, now_wall: float, account_id: int, days: str) -> Account:
    """Keeps call records for so many days, or "forever". Outdated ones are deleted within the hour, for good.

    Raises `InvalidInput`, `NotFound`.
    """
    account = account_of(transaction, actor, account_id, Role.ADMIN)
    wanted = fields.retention_days(days)
    if wanted != account.keep_calls_days:
        rows.update_account(transaction, account_id, keep_calls_days=wanted)
        before = {"keep_calls": fields.written_retention(account.keep_calls_days)}
        _log(transaction, actor, now_wall, account, before, {"keep_calls": fields.written_retention(wanted)})
    return replace(account, keep_calls_days=wanted)


def close_account(transaction: Transaction, actor: Actor, now_wall: float, account_id: int, typed_name: str) -> Account:
    """Deletes the account with everything in it, for good; `typed_name` is its name, so that nobody does so by mistake.

    Call records and recordings are gone within the hour. Raises `InvalidInput`, `NotFound`, `Forbidden`; `Conflict` for
    the account whose people operate the service, and while a call of it is being recorded.
    """
    account = account_of(transaction, actor, account_id, Role.OWNER)
    if not people.count_operators(transaction, account_id):
        raise Conflict("This account operates the service, and cannot be closed.")
    if " ".join(typed_name.split()) != account.name:
        raise InvalidInput("typed_name", "Type the name of the account exactly as it is shown.")
    if closing.count_running_recordings(transaction, account_id):
        raise Conflict("A call is being recorded. End it first.")
    closing.close_account(transaction, account_id)
    # Of the account itself no change log is left; that it was closed is for the operator to know.
    log(transaction, actor, now_wall, None, f"account {account.name}", {"closed": "no"}, {"closed": "yes"}, "delete")
    return account


def _log(
    transaction: Transaction,
    actor: Actor,
    now_wall: float,
    account: Account,
    before: dict[str, str],
    after: dict[str, str],
) -> None:
    log(transaction, actor, now_wall, account.id, f"account {account.name}", before, after)
