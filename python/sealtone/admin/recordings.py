"""Recordings: the account's key, what is recorded in a domain, and the recordings themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from sealtone.admin import fields
from sealtone.admin.actor import Actor
from sealtone.admin.domains import domain_of
from sealtone.admin.errors import Conflict, InvalidInput, NotFound
from sealtone.model import Account, Domain, DomainRecording, RecordingFacts, RecordingPolicy
from sealtone.model.recording import NO_KEY
from sealtone.store import Transaction
from sealtone.store import directory as rows
from sealtone.store import recordings as recording_rows
from sealtone.store.recordings import RecordingFilter, RecordingPage


class DomainRecordingChange(NamedTuple):
    """The fields of a form as text; None leaves a field as it is."""

    policy: str | None = None
    notice: str | None = None
    format: str | None = None
    keep_days: str | None = None


def set_recording_key(
    transaction: Transaction, actor: Actor, now_wall: float, account_id: int, recipient: str, *, rotate: bool
) -> Account:
    """From now on an account's recordings are sealed to this public key. `rotate`: in place of the one it has.

    What was recorded before stays sealed to the key before. Raises `NotFound`, `Conflict`.
    """
    actor.authorise(account_id, "such account")
    account = rows.find_account(transaction, account_id)
    if account is None:
        raise NotFound("There is no such account.")
    if account.recording_recipient and not rotate:
        raise Conflict("The account has a recording key already. To take another one: sealtone recordings rotate-key")
    if not account.recording_recipient and rotate:
        raise Conflict("The account has no recording key yet. Make one with: sealtone recordings create-key")
    rows.set_recording_recipient(transaction, account_id, recipient)
    before = {"recording_key": account.recording_recipient} if account.recording_recipient else {}
    _log(transaction, actor, now_wall, account_id, f"account {account.name}", before, {"recording_key": recipient})
    return replace(account, recording_recipient=recipient)


def update_domain_recording(
    transaction: Transaction, actor: Actor, now_wall: float, name: str, form: DomainRecordingChange
) -> Domain:
    """Changes what the form names. Calls in progress keep what they were decided with.

    Raises `InvalidInput`, `NotFound`.
    """
    domain = domain_of(transaction, actor, name)
    was = domain.recording
    policy = was.policy if form.policy is None else fields.recording_policy(form.policy)
    if policy is None:
        raise InvalidInput("recording", "A domain says never, always or on-demand itself.")
    if policy is RecordingPolicy.ALWAYS and policy is not was.policy:
        account = rows.find_account(transaction, domain.account_id)
        if account is None or not account.recording_recipient:
            raise InvalidInput("recording", f"{NO_KEY}.")
    recording = DomainRecording(
        policy,
        was.notice if form.notice is None else fields.consent_notice(form.notice),
        was.format if form.format is None else fields.recording_format(form.format),
        was.keep_days if form.keep_days is None else fields.retention_days(form.keep_days),
    )
    before, after = _shown(was), _shown(recording)
    names = [field for field in before if before[field] != after[field]]
    if names:
        rows.set_domain_recording(transaction, domain.id, recording)
        old, new = ({field: shown[field] for field in names} for shown in (before, after))
        _log(transaction, actor, now_wall, domain.account_id, f"domain {domain.name}", old, new)
    return replace(domain, recording=recording)


def list_recordings(transaction: Transaction, actor: Actor, wanted: RecordingFilter) -> RecordingPage:
    """The recordings that the actor may see, newest first."""
    if actor.account_id is not None:
        wanted = wanted._replace(account_id=actor.account_id)
    return recording_rows.read_recordings(transaction.connection, wanted)


def recording_of(transaction: Transaction, actor: Actor, recording_id: str) -> RecordingFacts:
    """A recording by its id, or the beginning of it. Raises `NotFound`, `Conflict`."""
    found = (
        recording_rows.find_recordings(transaction.connection, recording_id, actor.account_id) if recording_id else ()
    )
    if not found:
        raise NotFound(
            "There is no recording {recording}. `sealtone recordings list` shows their ids.", recording=recording_id
        )
    if len(found) > 1:
        raise Conflict("Several recordings begin with {recording}: write more of the id.", recording=recording_id)
    return found[0]


def begin_deletion(transaction: Transaction, actor: Actor, now_wall: float, recording_id: str) -> RecordingFacts:
    """The first half of deleting: nobody sees it any more. Delete its files then, and `finish_deletion`.

    What is interrupted between the two is done by the server's next purge. Raises `NotFound`, `Conflict`.
    """
    facts = recording_of(transaction, actor, recording_id)
    actor.authorise(facts.account_id, "such recording")
    if facts.ended_at is None:
        raise Conflict("The recording still runs: end it first, or its call.")
    recording_rows.mark_deleting(transaction.connection, [facts.id])
    before = {"call": facts.call_id, "caller": facts.caller, "callee": facts.callee}
    _log(transaction, actor, now_wall, facts.account_id, f"recording {facts.id}", before, {}, "delete")
    return facts


def finish_deletion(transaction: Transaction, ids: list[str]) -> None:
    """The second half: the files are gone, now the rows."""
    recording_rows.delete_recordings(transaction.connection, ids)


def outdated_recordings(transaction: Transaction, now_wall: float, limit: int) -> tuple[RecordingFacts, ...]:
    """What is kept no longer, from now on unseen, and whatever else was left half deleted: for `purge_files`."""
    recording_rows.mark_outdated(transaction.connection, now_wall, limit)
    return recording_rows.deleting_recordings(transaction.connection, limit)


def _shown(recording: DomainRecording) -> dict[str, str]:
    """The fields as the change log shows them."""
    return {
        "recording": recording.policy.value,
        "recording_notice": recording.notice.value,
        "recording_format": recording.format.value,
        "keep_recordings": fields.written_retention(recording.keep_days),
    }


def _log(
    transaction: Transaction,
    actor: Actor,
    now_wall: float,
    account_id: int,
    subject: str,
    before: dict[str, str],
    after: dict[str, str],
    action: str = "change",
) -> None:
    rows.append_change(
        transaction, rows.Change(now_wall, account_id, actor.name, actor.origin, action, subject, before, after)
    )
