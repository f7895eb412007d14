"""Creating, listing, changing and deleting SIP users.

A secret leaves this module once, in the `NewSecret` of the use case that made it; afterwards only its digests exist.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import NamedTuple

from sealtone.admin import fields
from sealtone.admin.actor import Actor
from sealtone.admin.domains import domain_of
from sealtone.admin.errors import Conflict, InvalidInput, NotFound
from sealtone.admin.secret import digests_of, new_secret
from sealtone.model import Domain, LegPolicy, Protection, RecordingPolicy, RecordingTerms, Role, SipUser, Strictness
from sealtone.model.recording import INSISTS_ON_PATH, NO_KEY, insists_on_path
from sealtone.store import Transaction
from sealtone.store import directory as rows
from sealtone.store.bindings import delete_bindings_of
from sealtone.store.sip_users import count_users

MASKED = "••••"
MOST_SIP_USERS = "most_sip_users"
"""The setting: how many an account may have."""
DEFAULT_MOST_SIP_USERS = 10_000


class NewSecret(NamedTuple):
    """A SIP user with the secret that was just given to it, to be shown once."""

    user: SipUser
    secret: str


class ChangedMeanwhile(Conflict):
    """Somebody else has saved a change of the SIP user since the form was shown; `user` is as it is now."""

    def __init__(self, user: SipUser) -> None:
        super().__init__("{user} was changed by somebody else meanwhile. Nothing was saved.", user=user.aor)
        self.user = user


class SipUserChange(NamedTuple):
    """The fields of a form as text; None leaves a field as it is."""

    display_name: str | None = None
    protection: str | None = None
    strictness: str | None = None
    path: str | None = None
    codecs: str | None = None
    max_contacts: int | None = None
    enabled: bool | None = None
    recording: str | None = None
    """"domain" is as the domain has it."""
    language: str | None = None


def create_sip_user(
    transaction: Transaction,
    actor: Actor,
    now_wall: float,
    aor: str,
    form: SipUserChange = SipUserChange(protection="srtp", strictness="prefer"),  # noqa: B008
    secret: str | None = None,
) -> NewSecret:
    """A new SIP user; its secret is generated unless one is given. Raises `InvalidInput`, `NotFound`, `Conflict`."""
    username, domain_name = fields.address_of_record(aor)
    domain = domain_of(transaction, actor, domain_name)
    if rows.find_user(transaction, domain.id, username) is not None:
        raise Conflict("The SIP user {user} exists already.", user=f"{username}@{domain.name}")
    check_room(transaction, domain.account_id)
    return create_in(transaction, actor, now_wall, domain, username, form, secret)


def create_in(
    transaction: Transaction,
    actor: Actor,
    now_wall: float,
    domain: Domain,
    username: str,
    form: SipUserChange,
    secret: str | None = None,
) -> NewSecret:
    """The same where the domain is the actor's, the name is free, and there is room, as the caller knows.

    Raises `InvalidInput`.
    """
    chosen = fields.secret(secret) if secret is not None else new_secret()
    digests = digests_of(username, domain.name, chosen)
    blank = replace(blank_user(transaction, domain, username), ha1_md5=digests.md5, ha1_sha256=digests.sha256)
    user = changed_by(blank, form)
    user = replace(user, id=rows.insert_user(transaction, user, now_wall))
    _log(transaction, actor, now_wall, "create", user, {}, shown_fields(user) | {"secret": MASKED})
    return NewSecret(user, chosen)


def list_sip_users(transaction: Transaction, actor: Actor, domain: str | None = None) -> tuple[SipUser, ...]:
    """The SIP users that the actor may see, of one domain or of all."""
    name = domain_of(transaction, actor, domain, Role.VIEWER).name if domain is not None else None
    users = rows.read_users(transaction, name)
    return tuple(user for user in users if actor.account_id in (None, user.account_id))


def blank_user(transaction: Transaction, domain: Domain, username: str) -> SipUser:
    """A SIP user before anything was chosen for it; it has no secret yet."""
    account = rows.find_account(transaction, domain.account_id)
    return SipUser(
        0,
        domain.account_id,
        domain.id,
        username,
        domain.name,
        policy=LegPolicy(Protection.SRTP, Strictness.PREFER),
        zid=account.zid if account is not None else b"",
        recording=RecordingTerms(None, domain.recording, account.recording_recipient if account is not None else ""),
        announcements=domain.announcements,
    )


def check_room(transaction: Transaction, account_id: int, count: int = 1) -> None:
    """Whether an account may have so many SIP users more. Raises `Conflict`."""
    most = int(rows.read_setting(transaction, MOST_SIP_USERS) or DEFAULT_MOST_SIP_USERS)
    present = count_users(transaction, account_id)
    if present + count > most:
        raise Conflict(
            "An account of this service may have {most} SIP users, and this one has {present} already.",
            most=most,
            present=present,
        )


def version_of(user: SipUser) -> str:
    """What tells one saved state of a SIP user's fields from another; its secret has no part in it."""
    shown = json.dumps([user.id, sorted(shown_fields(user).items())])
    return hashlib.sha256(shown.encode()).hexdigest()[:20]


def update_sip_user(
    transaction: Transaction,
    actor: Actor,
    now_wall: float,
    aor: str,
    form: SipUserChange,
    version: str | None = None,
) -> SipUser:
    """Changes what the form names. Calls in progress keep what they were decided with.

    `version`: of the user that the form was made from (`version_of`); None changes whatever is there. Raises
    `InvalidInput`, `NotFound`, `ChangedMeanwhile`.
    """
    user = user_of(transaction, actor, aor)
    if version is not None and version != version_of(user):
        raise ChangedMeanwhile(user)
    changed = changed_by(user, form)
    before, after = shown_fields(user), shown_fields(changed)
    fields_changed = [name for name in before if before[name] != after[name]]
    if fields_changed:
        rows.update_user(transaction, changed)
        _log(
            transaction,
            actor,
            now_wall,
            "change",
            user,
            {name: before[name] for name in fields_changed},
            {name: after[name] for name in fields_changed},
        )
    return changed


def set_secret(
    transaction: Transaction, actor: Actor, now_wall: float, aor: str, secret: str | None = None
) -> NewSecret:
    """Gives a user a new secret, generated unless one is given; its phones need it before they register again."""
    user = user_of(transaction, actor, aor)
    chosen = fields.secret(secret) if secret is not None else new_secret()
    digests = digests_of(user.username, user.domain, chosen)
    changed = replace(user, ha1_md5=digests.md5, ha1_sha256=digests.sha256)
    rows.update_user(transaction, changed, secret_set_at=now_wall)
    _log(transaction, actor, now_wall, "change", user, {"secret": MASKED}, {"secret": f"{MASKED} (new)"})
    return NewSecret(changed, chosen)


def delete_sip_user(transaction: Transaction, actor: Actor, now_wall: float, aor: str) -> SipUser:
    """Deletes a user with its registrations; call records that name it stay."""
    user = user_of(transaction, actor, aor)
    delete_bindings_of(transaction.connection, [user.aor])
    rows.delete_user(transaction, user.id)
    _log(transaction, actor, now_wall, "delete", user, shown_fields(user), {})
    return user


def user_of(transaction: Transaction, actor: Actor, aor: str, role: Role = Role.ADMIN) -> SipUser:
    """One that the actor may change (or, for `Role.VIEWER`, see). Raises `NotFound` for any other; `Forbidden`."""
    username, domain_name = fields.address_of_record(aor)
    domain = domain_of(transaction, actor, domain_name, role)
    user = rows.find_user(transaction, domain.id, username)
    if user is None:
        raise NotFound("There is no SIP user {user}.", user=f"{username}@{domain.name}")
    return user


def field_errors(user: SipUser, form: SipUserChange) -> dict[str, InvalidInput]:
    """Everything that is wrong with a form, by field; empty where it could be saved."""
    found: dict[str, InvalidInput] = {}
    sound = SipUserChange()
    for name, value in form._asdict().items():
        one = SipUserChange(**{name: value})
        try:
            changed_by(replace(user, recording=user.recording._replace(own=RecordingPolicy.NEVER)), one)
            sound = sound._replace(**{name: value})
        except InvalidInput as error:
            found[error.field] = error
    try:
        changed_by(user, sound)  # what does not go together
    except InvalidInput as error:
        found.setdefault(error.field, error)
    return found


def changed_by(user: SipUser, form: SipUserChange) -> SipUser:
    """The user as the form would have it, unsaved. Raises `InvalidInput`."""
    protection, strictness, path = user.policy
    if form.protection is not None:
        protection = fields.protection(form.protection)
    if form.strictness is not None:
        strictness = fields.strictness(form.strictness)
    if form.path is not None:
        path = fields.media_path(form.path)
    policy = LegPolicy(protection, strictness, path)
    recording = user.recording
    if form.recording is not None:
        recording = recording._replace(own=fields.recording_policy(form.recording))
    if recording.own is RecordingPolicy.ALWAYS:
        _check_recordable(policy, recording)
    return replace(
        user,
        policy=policy,
        recording=recording,
        display_name=user.display_name if form.display_name is None else fields.display_name(form.display_name),
        codecs=user.codecs if form.codecs is None else fields.codecs(form.codecs),
        max_contacts=user.max_contacts if form.max_contacts is None else fields.max_contacts(form.max_contacts),
        enabled=user.enabled if form.enabled is None else form.enabled,
        own_language=user.own_language if form.language is None else fields.own_language(form.language),
    )


def _check_recordable(policy: LegPolicy, recording: RecordingTerms) -> None:
    """Who always wants what cannot be is told when that is saved, and not call by call."""
    if insists_on_path(policy):
        raise InvalidInput("recording", f"{INSISTS_ON_PATH}.")
    if not recording.recipient:
        raise InvalidInput("recording", f"{NO_KEY}.")


def shown_fields(user: SipUser) -> dict[str, str]:
    """The fields as the change log shows them."""
    return {
        "display_name": user.display_name,
        "protection": user.policy.protection.value,
        "strictness": user.policy.strictness.value,
        "path": user.policy.path.value,
        "codecs": ",".join(user.codecs),
        "max_contacts": str(user.max_contacts),
        "enabled": "yes" if user.enabled else "no",
        "recording": user.recording.own.value if user.recording.own is not None else "domain",
        "language": user.own_language.value if user.own_language is not None else "domain",
    }


def _log(
    transaction: Transaction,
    actor: Actor,
    now_wall: float,
    action: str,
    user: SipUser,
    before: dict[str, str],
    after: dict[str, str],
) -> None:
    subject = f"SIP user {user.aor}"
    rows.append_change(
        transaction,
        rows.Change(now_wall, user.account_id, actor.name, actor.origin, action, subject, before, after),
    )
