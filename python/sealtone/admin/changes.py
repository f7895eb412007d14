"""The change log: who changed what, how far it has been taken up, and taking it back.

What a change did is taken back field by field, as a new change, where the field still is as that change left it. What
cannot be taken back says why: a secret is not kept, so a deleted SIP user can only be made anew with another one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from sealtone.admin.accounts import set_call_retention
from sealtone.admin.actor import Actor
from sealtone.admin.domains import DomainChange, domain_of, set_domain_enabled, update_domain
from sealtone.admin.errors import AdminError, Conflict, InvalidInput, NotFound
from sealtone.admin.fields import written_retention
from sealtone.admin.recordings import DomainRecordingChange, update_domain_recording
from sealtone.admin.sip_user_csv import safe_cell
from sealtone.admin.sip_users import (
    MASKED,
    SipUserChange,
    delete_sip_user,
    shown_fields,
    update_sip_user,
    user_of,
)
from sealtone.model import Role
from sealtone.store import Transaction
from sealtone.store import directory as rows
from sealtone.store.changes import (
    ACTIONS,
    STATES,
    ChangeFilter,
    ChangePage,
    LoggedChange,
    find_change,
    mark_reverting,
    read_change_page,
    waiting_changes,
)

MOST_ON_A_PAGE = 200
_USER, _DOMAIN, _ACCOUNT = "SIP user ", "domain ", "account "


class Reversal(NamedTuple):
    """What taking a change back would do, and what of it cannot be done."""

    fields: dict[str, str]
    """What each field would be set to."""
    deletes: str
    """The SIP user that would be deleted, where the change made it; else empty."""
    obstacles: tuple[AdminError, ...]
    """Why nothing, or not all, of it can be taken back."""

    @property
    def is_possible(self) -> bool:
        return bool(self.fields or self.deletes)


def page_of_changes(transaction: Transaction, actor: Actor, wanted: ChangeFilter) -> ChangePage:
    """The changes that the actor may see, newest first. Raises `InvalidInput`."""
    if wanted.state and wanted.state not in STATES:
        raise InvalidInput("state", "Choose pending, applying, done or failed.")
    if wanted.action and wanted.action not in ACTIONS:
        raise InvalidInput("action", "Choose create, change or delete.")
    if actor.account_id is not None:
        wanted = wanted._replace(account_id=actor.account_id)
    return read_change_page(transaction, wanted._replace(limit=max(1, min(wanted.limit, MOST_ON_A_PAGE))))


def change_of(transaction: Transaction, actor: Actor, change_id: int, role: Role = Role.VIEWER) -> LoggedChange:
    """One change. Raises `NotFound` for what is not the actor's; `Forbidden`."""
    found = find_change(transaction, change_id)
    if found is None or (found.account_id is None and actor.account_id is not None):
        raise NotFound("There is no change {number}.", number=change_id)
    if found.account_id is not None:
        actor.authorise(found.account_id, f"change {change_id}", role)
    return found


def count_waiting(transaction: Transaction, actor: Actor) -> int:
    """How many of the actor's changes are not in force yet."""
    return waiting_changes(transaction, actor.account_id)


def reversal_of(transaction: Transaction, actor: Actor, change: LoggedChange) -> Reversal:
    """What taking the change back would do now; changes nothing."""
    if change.reverted_by is not None:
        return _impossible(Conflict("It was taken back already, by change {number}.", number=change.reverted_by))
    if change.subject.startswith(_USER):
        return _reversal_for_user(transaction, actor, change)
    if change.subject.startswith(_DOMAIN) and change.action == "change":
        return _reversal_for_domain(transaction, actor, change)
    if change.subject.startswith(_ACCOUNT) and change.action == "change":
        return _reversal_for_account(transaction, change)
    return _impossible(Conflict("A change of this kind cannot be taken back here."))


def revert_change(transaction: Transaction, actor: Actor, now_wall: float, change_id: int) -> int:
    """Takes a change back as far as that can be; gives the number of the change that does so.

    Raises `NotFound`, `Forbidden`, and `Conflict` with the reasons where nothing of it can be taken back.
    """
    change = change_of(transaction, actor, change_id, Role.ADMIN)
    reversal = reversal_of(transaction, actor, change)
    if not reversal.is_possible:
        first = reversal.obstacles[0] if reversal.obstacles else Conflict("There is nothing to take back.")
        raise Conflict(first.template, **first.values)
    last = rows.last_change(transaction)
    try:
        if reversal.deletes:
            delete_sip_user(transaction, actor, now_wall, reversal.deletes)
        else:
            _apply(transaction, actor, now_wall, change, reversal.fields)
    except InvalidInput as error:
        # What was sound then does not go together with what was changed since.
        raise Conflict(error.template, **error.values) from error
    made = mark_reverting(transaction, change.id, last, change.account_id)
    if made is None:
        raise Conflict("There is nothing to take back.")
    return made


def changes_csv(changes: Iterable[LoggedChange]) -> str:
    """The change log for a spreadsheet; no cell is taken for a formula there."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(
        ("number", "time", "who", "from", "action", "what", "before", "after", "state", "reason", "reverts")
    )
    for change in changes:
        cells = (
            str(change.id),
            datetime.fromtimestamp(change.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            change.actor,
            change.origin,
            change.action,
            change.subject,
            "; ".join(f"{name}={value}" for name, value in change.before.items()),
            "; ".join(f"{name}={value}" for name, value in change.after.items()),
            change.state,
            change.failure,
            str(change.reverts or ""),
        )
        writer.writerow([safe_cell(cell) for cell in cells])
    return out.getvalue()


# Of each kind of thing


def _reversal_for_user(transaction: Transaction, actor: Actor, change: LoggedChange) -> Reversal:
    aor = change.subject.removeprefix(_USER)
    if change.action == "delete":
        return _impossible(
            Conflict(
                "A deleted SIP user cannot be brought back: its secret was not kept. "
                "Make it anew with the same settings; it gets a new secret."
            )
        )
    try:
        user = user_of(transaction, actor, aor, Role.VIEWER)
    except NotFound as error:
        return _impossible(error)
    present = shown_fields(user)
    if change.action == "create":
        changed = [name for name, value in change.after.items() if name in present and present[name] != value]
        if changed:
            return _impossible(
                Conflict("{user} was changed since, so its creation is not taken back. Delete it instead.", user=aor)
            )
        return Reversal({}, aor, ())
    return _field_by_field(change, present)


def _reversal_for_domain(transaction: Transaction, actor: Actor, change: LoggedChange) -> Reversal:
    try:
        domain = domain_of(transaction, actor, change.subject.removeprefix(_DOMAIN), Role.VIEWER)
    except NotFound as error:
        return _impossible(error)
    sounds, recording = domain.announcements, domain.recording
    present = {
        "enabled": "yes" if domain.enabled else "no",
        "language": sounds.language.value,
        "music_on_hold": "yes" if sounds.music_on_hold else "no",
        "open_notice": sounds.open_notice.value,
        "open_notice_to": sounds.open_notice_to.value,
        "recording": recording.policy.value,
        "recording_notice": recording.notice.value,
        "recording_format": recording.format.value,
        "keep_recordings": written_retention(recording.keep_days),
    }
    return _field_by_field(change, present)


def _reversal_for_account(transaction: Transaction, change: LoggedChange) -> Reversal:
    account = rows.find_account(transaction, change.account_id) if change.account_id is not None else None
    if account is None:
        return _impossible(NotFound("There is no such account."))
    return _field_by_field(change, {"keep_calls": written_retention(account.keep_calls_days)})


def _field_by_field(change: LoggedChange, present: dict[str, str]) -> Reversal:
    """Each field that still is as the change left it goes back; the others say why not."""
    fields: dict[str, str] = {}
    obstacles: list[AdminError] = []
    for name, was in change.before.items():
        after = change.after.get(name, "")
        if MASKED in was or MASKED in after:
            obstacles.append(Conflict("A secret cannot be brought back: it was not kept. Make a new one instead."))
        elif name not in present:
            obstacles.append(Conflict("The field {field} cannot be taken back here.", field=name))
        elif present[name] == was:
            obstacles.append(Conflict("The field {field} is “{value}” again already.", field=name, value=was))
        elif present[name] != after:
            obstacles.append(
                Conflict(
                    "The field {field} was changed since: it is “{now}” now, and this change had made it “{after}”.",
                    field=name,
                    now=present[name],
                    after=after,
                )
            )
        else:
            fields[name] = was
    return Reversal(fields, "", tuple(obstacles))


def _apply(
    transaction: Transaction, actor: Actor, now_wall: float, change: LoggedChange, fields: dict[str, str]
) -> None:
    kind = next(prefix for prefix in (_USER, _DOMAIN, _ACCOUNT) if change.subject.startswith(prefix))
    _APPLIERS[kind](transaction, actor, now_wall, change, fields)


def _apply_to_user(
    transaction: Transaction, actor: Actor, now_wall: float, change: LoggedChange, fields: dict[str, str]
) -> None:
    form = SipUserChange(
        fields.get("display_name"),
        fields.get("protection"),
        fields.get("strictness"),
        fields.get("path"),
        fields.get("codecs"),
        int(fields["max_contacts"]) if "max_contacts" in fields else None,
        _yes(fields.get("enabled")),
        fields.get("recording"),
        fields.get("language"),
    )
    update_sip_user(transaction, actor, now_wall, change.subject.removeprefix(_USER), form)


def _apply_to_domain(
    transaction: Transaction, actor: Actor, now_wall: float, change: LoggedChange, fields: dict[str, str]
) -> None:
    name = change.subject.removeprefix(_DOMAIN)
    enabled = _yes(fields.get("enabled"))
    if enabled is not None:
        set_domain_enabled(transaction, actor, now_wall, name, enabled=enabled)
    sounds = DomainChange(
        fields.get("language"),
        _yes(fields.get("music_on_hold")),
        fields.get("open_notice"),
        fields.get("open_notice_to"),
    )
    if sounds != DomainChange():
        update_domain(transaction, actor, now_wall, name, sounds)
    recording = DomainRecordingChange(
        fields.get("recording"),
        fields.get("recording_notice"),
        fields.get("recording_format"),
        _days(fields.get("keep_recordings")),
    )
    if recording != DomainRecordingChange():
        update_domain_recording(transaction, actor, now_wall, name, recording)


def _apply_to_account(
    transaction: Transaction, actor: Actor, now_wall: float, change: LoggedChange, fields: dict[str, str]
) -> None:
    days = _days(fields.get("keep_calls"))
    if days is not None and change.account_id is not None:
        set_call_retention(transaction, actor, now_wall, change.account_id, days)


_APPLIERS: dict[str, Callable[[Transaction, Actor, float, LoggedChange, dict[str, str]], None]] = {
    _USER: _apply_to_user,
    _DOMAIN: _apply_to_domain,
    _ACCOUNT: _apply_to_account,
}


def _impossible(why: AdminError) -> Reversal:
    return Reversal({}, "", (why,))


def _yes(text: str | None) -> bool | None:
    return None if text is None else text == "yes"


def _days(text: str | None) -> str | None:
    return None if text is None else text.removesuffix(" days")
