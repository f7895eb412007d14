"""The SIP messages of a call, for whoever wants to know what went on: a verdict in plain words first."""

from __future__ import annotations

from typing import NamedTuple

from sealtone.admin.actor import Actor
from sealtone.admin.calls import call_of
from sealtone.admin.errors import InvalidInput, NotFound
from sealtone.admin.verdict import Verdict, verdict_of
from sealtone.model import Role
from sealtone.model.ladder import KeepLadders, Ladder
from sealtone.model.record import CallRecord
from sealtone.store import Transaction
from sealtone.store import directory as rows
from sealtone.store.ladders import read_ladder


class CallLadder(NamedTuple):
    """What is known of how a call went."""

    record: CallRecord
    verdict: Verdict
    ladder: Ladder | None
    """None where the messages were not kept; `keeps` says what the account keeps now."""
    keeps: KeepLadders


def ladder_of(transaction: Transaction, actor: Actor, call_id: str) -> CallLadder:
    """A call's messages. Those of another account's phone are not shown. Raises `NotFound`."""
    record = call_of(transaction, actor, call_id)
    ladder = read_ladder(transaction.connection, record.id)
    if ladder is not None:
        known = {leg.sip_call_id for leg in record.legs if leg.sip_call_id}
        shown = tuple(message for message in ladder.messages if message.leg in known)
        ladder = Ladder(shown, ladder.left_out)
    account = rows.find_account(transaction, record.account_id) if record.account_id is not None else None
    keeps = account.keep_ladders if account is not None else KeepLadders.ALL
    return CallLadder(record, verdict_of(record), ladder, keeps)


def set_keep_ladders(transaction: Transaction, actor: Actor, now_wall: float, account_id: int, keep: str) -> None:
    """Of which calls an account's SIP messages are kept from now on: all, failed or none.

    Raises `InvalidInput`, `NotFound`, `Forbidden`.
    """
    actor.authorise(account_id, "such account", Role.ADMIN)
    account = rows.find_account(transaction, account_id)
    if account is None:
        raise NotFound("There is no such account.")
    try:
        wanted = KeepLadders(keep)
    except ValueError:
        raise InvalidInput("keep_ladders", "Say all, failed or none.") from None
    if wanted is account.keep_ladders:
        return
    rows.set_keep_ladders(transaction, account_id, wanted)
    rows.append_change(
        transaction,
        rows.Change(
            now_wall,
            account_id,
            actor.name,
            actor.origin,
            "change",
            f"account {account.name}",
            {"keep_ladders": account.keep_ladders.value},
            {"keep_ladders": wanted.value},
        ),
    )
