"""The way to the first encrypted call, as a list that ticks itself: each step is done when it has happened.

What has happened once stays ticked (table `milestone`), also when the phone goes offline or the domain is deleted.
What happened before anybody looked is found in the tables.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from sealtone.admin.actor import Actor
from sealtone.model import Role
from sealtone.store import Transaction
from sealtone.store import milestones as rows

_DISMISSED = "dismissed"
_MOST_ACCOUNTS = 200


class Step(StrEnum):
    """In the order in which they are taken."""

    DOMAIN = "domain"
    SIP_USER = "sip-user"
    REGISTERED = "registered"
    CALL = "call"
    PROTECTED_CALL = "protected-call"


class Checklist(NamedTuple):
    """How far an account is. Times are Unix seconds."""

    reached: dict[Step, float]
    dismissed: bool
    domain: str
    """The account's oldest domain; empty: none."""
    aor: str
    """Its oldest SIP user; empty: none."""
    unnoted: bool = False
    """Whether something was found that `note_progress` would note."""

    @property
    def is_done(self) -> bool:
        return len(self.reached) == len(Step)

    @property
    def next_step(self) -> Step | None:
        """The first that is open."""
        return next((step for step in Step if step not in self.reached), None)


def checklist(transaction: Transaction, actor: Actor, account_id: int) -> Checklist:
    """How far the account is, by what was noted and by what the tables tell now."""
    actor.authorise(account_id, "account", Role.VIEWER)
    noted = rows.read_milestones(transaction, account_id)
    reached = {step: noted[step.value] for step in Step if step.value in noted}
    dismissed = _DISMISSED in noted
    domain = rows.first_domain(transaction, account_id)
    user = rows.first_user(transaction, account_id)
    found = _found(transaction, account_id, reached, domain, user)
    return Checklist(
        reached | found, dismissed, domain[0] if domain else "", user[0] if user else "", unnoted=bool(found)
    )


def has_progress(transaction: Transaction, account_id: int, *, registered: bool = False) -> bool:
    """Whether there is anything to note, which needs a transaction that writes; mostly there is nothing.

    `registered`: a phone just has.
    """
    if registered and Step.REGISTERED.value not in rows.read_milestones(transaction, account_id):
        return True
    return bool(_unnoted(transaction, account_id))


def note_registration(transaction: Transaction, account_id: int, at: float) -> None:
    """A phone of the account registered, whether it still is or not."""
    rows.write_milestone(transaction, account_id, Step.REGISTERED.value, at)


def note_progress(transaction: Transaction, account_id: int) -> tuple[Step, ...]:
    """Notes the steps that have happened by now; gives those that were not noted before.

    Called when something happened in the account, so that a step stays done though its trace goes.
    """
    found = _unnoted(transaction, account_id)
    for step, at in found.items():
        rows.write_milestone(transaction, account_id, step.value, at)
    return tuple(found)


def note_all_progress(transaction: Transaction) -> None:
    """The same for the newest accounts that are still on their way, after a time of which nothing is known."""
    last = Step.PROTECTED_CALL.value
    for account_id in rows.accounts_without(transaction, (_DISMISSED, last), _MOST_ACCOUNTS):
        note_progress(transaction, account_id)


def dismiss_checklist(transaction: Transaction, actor: Actor, now_wall: float, account_id: int) -> None:
    """It is not shown any more."""
    actor.authorise(account_id, "account")
    rows.write_milestone(transaction, account_id, _DISMISSED, now_wall)


def restore_checklist(transaction: Transaction, actor: Actor, account_id: int) -> None:
    """It is shown again."""
    actor.authorise(account_id, "account")
    rows.delete_milestone(transaction, account_id, _DISMISSED)


def _unnoted(transaction: Transaction, account_id: int) -> dict[Step, float]:
    noted = rows.read_milestones(transaction, account_id)
    reached = {step: noted[step.value] for step in Step if step.value in noted}
    if len(reached) == len(Step):
        return {}
    domain, user = rows.first_domain(transaction, account_id), rows.first_user(transaction, account_id)
    return _found(transaction, account_id, reached, domain, user)


def _found(
    transaction: Transaction,
    account_id: int,
    reached: dict[Step, float],
    domain: tuple[str, float] | None,
    user: tuple[str, float] | None,
) -> dict[Step, float]:
    """Open steps of which the tables show that they were taken."""
    found: dict[Step, float | None] = {}
    if Step.DOMAIN not in reached and domain is not None:
        found[Step.DOMAIN] = domain[1]
    if Step.SIP_USER not in reached and user is not None:
        found[Step.SIP_USER] = user[1]
    if Step.REGISTERED not in reached and user is not None:
        found[Step.REGISTERED] = rows.first_registration(transaction, account_id)
    for step, protected in ((Step.CALL, False), (Step.PROTECTED_CALL, True)):
        if step not in reached and user is not None:
            found[step] = rows.first_call(transaction, account_id, protected=protected)
    if Step.REGISTERED not in reached and found.get(Step.REGISTERED) is None:
        found[Step.REGISTERED] = found.get(Step.CALL)  # whoever has called has a phone that works
    return {step: at for step, at in found.items() if at is not None}
