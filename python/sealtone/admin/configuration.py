"""What an account, or the whole service, is set up as: written as YAML, and taken up again.

Taking a file up makes what is missing and changes what differs; nothing is deleted. It goes through the use cases of
each thing, in one transaction, so that a file is taken up whole or not at all, and taking up what was just written
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import yaml

from sealtone.admin import fields
from sealtone.admin.accounts import create_account, list_accounts, set_call_retention
from sealtone.admin.actor import Actor
from sealtone.admin.domains import DomainChange, create_domain, set_domain_enabled, update_domain
from sealtone.admin.errors import AdminError, InvalidInput, NotFound
from sealtone.admin.recording_access import recipient
from sealtone.admin.recordings import DomainRecordingChange, set_recording_key, update_domain_recording
from sealtone.admin.sip_users import MASKED, NewSecret, SipUserChange, create_sip_user, shown_fields, update_sip_user
from sealtone.model import Account, Domain, Role, SipUser
from sealtone.store import Transaction
from sealtone.store import directory as rows

_FORMAT = 1
_LARGEST = 64 * 1024 * 1024
_DEEPEST = 12
_HA1 = {"ha1_md5": 32, "ha1_sha256": 64}
_NEVER = "forever"


class ConfigurationError(AdminError):
    """The file cannot be taken up; the message names the line. Nothing was changed."""


class Taken(NamedTuple):
    """What taking a file up changed, or would change. `secrets` are those of new users that came without."""

    changes: tuple[rows.Change, ...]
    secrets: tuple[NewSecret, ...]


def export_configuration(transaction: Transaction, actor: Actor, *, with_secrets: bool = False) -> str:
    """What the actor may see, as YAML. `with_secrets`: with HA1, which is as good as a user's secret.

    Raises `Forbidden` where the role is too small for secrets.
    """
    accounts = []
    users: dict[int, list[SipUser]] = {}
    for user in rows.read_users(transaction):
        users.setdefault(user.domain_id, []).append(user)
    for account in list_accounts(transaction, actor):
        actor.authorise(account.id, "such account", Role.OWNER if with_secrets else Role.VIEWER)
        accounts.append(_account(transaction, account, users, with_secrets=with_secrets))
    document = {"sealtone": _FORMAT, "accounts": accounts}
    text: str = yaml.safe_dump(document, allow_unicode=True, sort_keys=False, default_flow_style=False, width=120)
    return text


def import_configuration(transaction: Transaction, actor: Actor, now_wall: float, text: str) -> Taken:
    """Takes a file up, whole. `preview_import` tells what it would come to.

    Raises `ConfigurationError` with the line; the transaction has to be rolled back then.
    """
    document = _read(text)
    before = rows.last_change(transaction)
    secrets: list[NewSecret] = []
    present = {account.name: account for account in list_accounts(transaction, actor)}
    for wanted in document.items_of("accounts"):
        name = wanted.text("name")
        account = present.get(name)
        with _Naming(wanted):
            if account is None and actor.account_id is not None:
                raise _at(
                    wanted.line, "Your account is called “{name}”: name it so in the file.", name=", ".join(present)
                )
            if account is None:
                account = create_account(transaction, actor, now_wall, name)
            _take_account(transaction, actor, now_wall, account, wanted)
        for domain in wanted.items_of("domains"):
            with _Naming(domain):
                _take_domain(transaction, actor, now_wall, account, domain)
            for user in domain.items_of("users"):
                with _Naming(user):
                    secrets += _take_user(transaction, actor, now_wall, domain.text("name"), user)
    changes = rows.read_changes(transaction, limit=rows.last_change(transaction) - before)
    return Taken(tuple(reversed(changes)), tuple(secrets))


def preview_import(transaction: Transaction, actor: Actor, now_wall: float, text: str) -> Taken:
    """What taking a file up would change, in a transaction that may write; nothing is. Raises `ConfigurationError`."""
    attempt = transaction.connection.begin_nested()
    try:
        return import_configuration(transaction, actor, now_wall, text)
    finally:
        attempt.rollback()


# writing


def _account(
    transaction: Transaction, account: Account, users: Mapping[int, list[SipUser]], *, with_secrets: bool
) -> dict[str, Any]:
    written: dict[str, Any] = {"name": account.name, "keep_calls": _days(account.keep_calls_days)}
    if account.recording_recipient:
        written["recording_key"] = account.recording_recipient
    written["domains"] = [
        _domain(domain) | {"users": [_user(user, with_secrets=with_secrets) for user in users.get(domain.id, ())]}
        for domain in rows.read_domains(transaction, account.id)
    ]
    return written


def _domain(domain: Domain) -> dict[str, Any]:
    wishes, recording = domain.announcements, domain.recording
    return {
        "name": domain.name,
        "enabled": domain.enabled,
        "language": wishes.language.value,
        "music_on_hold": wishes.music_on_hold,
        "open_notice": wishes.open_notice.value,
        "open_notice_to": wishes.open_notice_to.value,
        "recording": recording.policy.value,
        "recording_notice": recording.notice.value,
        "recording_format": recording.format.value,
        "keep_recordings": _days(recording.keep_days),
    }


def _user(user: SipUser, *, with_secrets: bool) -> dict[str, Any]:
    shown = shown_fields(user)
    written: dict[str, Any] = {"username": user.username} | {name: shown[name] for name in _TEXTS if name in shown}
    written["codecs"] = list(user.codecs)
    written["max_contacts"] = user.max_contacts
    written["enabled"] = user.enabled
    if with_secrets:
        written |= {"ha1_md5": user.ha1_md5, "ha1_sha256": user.ha1_sha256}
    return written


def _days(days: int | None) -> int | str:
    return _NEVER if days is None else days


_TEXTS = ("display_name", "protection", "strictness", "path", "recording", "language")
_KEYS = {
    "": ("sealtone", "accounts"),
    "accounts": ("name", "keep_calls", "recording_key", "domains"),
    "domains": (
        "name",
        "enabled",
        "language",
        "music_on_hold",
        "open_notice",
        "open_notice_to",
        "recording",
        "recording_notice",
        "recording_format",
        "keep_recordings",
        "users",
    ),
    "users": ("username", *_TEXTS, "codecs", "max_contacts", "enabled", *_HA1),
}
_LISTS = ("accounts", "domains", "users")


# reading


class _Item:
    """A mapping of the file with the lines that its keys stand in."""

    def __init__(self, node: yaml.nodes.MappingNode, kind: str) -> None:
        self.line = node.start_mark.line + 1
        self._values: dict[str, yaml.nodes.Node] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            name = key.value if isinstance(key, yaml.nodes.ScalarNode) else ""
            if name not in _KEYS[kind]:
                raise _at(
                    line, "{name} is no key here. The keys are: {keys}.", name=name or "–", keys=", ".join(_KEYS[kind])
                )
            if name in self._values:
                raise _at(line, "{name} stands there twice.", name=name)
            self._values[name] = value

    def items_of(self, name: str) -> Iterator[_Item]:
        node = self._values.get(name)
        if node is None or (isinstance(node, yaml.nodes.ScalarNode) and node.tag.endswith(":null")):
            return
        if not isinstance(node, yaml.nodes.SequenceNode):
            raise _at(node.start_mark.line + 1, "{name} is a list.", name=name)
        for entry in node.value:
            if not isinstance(entry, yaml.nodes.MappingNode):
                raise _at(entry.start_mark.line + 1, "Each of {name} has keys of its own.", name=name)
            yield _Item(entry, name)

    def text(self, name: str) -> str:
        found = self.optional(name)
        if found is None:
            raise _at(self.line, "{name} is missing.", name=name)
        return found

    def optional(self, name: str) -> str | None:
        node = self._values.get(name)
        if node is None:
            return None
        if not isinstance(node, yaml.nodes.ScalarNode):
            raise _at(node.start_mark.line + 1, "{name} is a single value.", name=name)
        return str(node.value)

    def yes_or_no(self, name: str) -> bool | None:
        found = self.optional(name)
        if found is None:
            return None
        # As YAML 1.1 has them. "off" is a word of open_notice too, so that words are told apart by key, not by YAML.
        if found.lower() in ("true", "yes", "on"):
            return True
        if found.lower() in ("false", "no", "off"):
            return False
        raise _at(self.line, "{name} is true or false.", name=name)

    def whole(self, name: str) -> int | None:
        found = self.optional(name)
        if found is None:
            return None
        if not (found.isascii() and found.isdigit() and len(found) < 10):
            raise _at(self.line, "{name} is a number.", name=name)
        return int(found)

    def words(self, name: str) -> str | None:
        """A list, as fields have it: with commas."""
        node = self._values.get(name)
        if node is None:
            return None
        if not isinstance(node, yaml.nodes.SequenceNode):
            return self.optional(name)
        if not all(isinstance(entry, yaml.nodes.ScalarNode) for entry in node.value):
            raise _at(node.start_mark.line + 1, "{name} is a list of words.", name=name)
        return ",".join(entry.value for entry in node.value)


class _Naming:
    """Tells the line where what it holds was wrong."""

    def __init__(self, item: _Item) -> None:
        self._item = item

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, AdminError) and not isinstance(error, ConfigurationError):
            why = (
                InvalidInput(error.field, "{field}: {why}", field=error.field, why=error)
                if isinstance(error, InvalidInput)
                else error
            )
            raise ConfigurationError("Line {line}: {message}", line=self._item.line, message=why) from error


def _read(text: str) -> _Item:
    if len(text) > _LARGEST:
        raise ConfigurationError("The file is larger than any configuration.")
    try:
        _check_shape(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark is not None else 1
        raise _at(line, "This is no YAML: {why}.", why=error.problem) from error
    except yaml.YAMLError as error:
        raise ConfigurationError("This is no YAML: {why}.", why=error) from error
    if not isinstance(node, yaml.nodes.MappingNode):
        raise ConfigurationError("The file has no keys. It begins with “sealtone: 1”.")
    document = _Item(node, "")
    if document.text("sealtone") != str(_FORMAT):
        raise ConfigurationError("This file is of another version: “sealtone: {format}” is known here.", format=_FORMAT)
    return document


def _check_shape(text: str) -> None:
    """Aliases could make a short file endless, and depth could exhaust the stack: neither has a use here."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _at(_line(event), "Anchors and aliases are not read here.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise _at(_line(event), "This is nested too deep.")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 1


def _at(line: int, template: str, /, **values: object) -> ConfigurationError:
    """A message within a message: both can be translated."""
    return ConfigurationError("Line {line}: {message}", line=line, message=AdminError(template, **values))


# taking up


def _take_account(transaction: Transaction, actor: Actor, now_wall: float, account: Account, item: _Item) -> None:
    days, key = item.optional("keep_calls"), item.optional("recording_key")
    if days is not None and days != str(_days(account.keep_calls_days)):
        set_call_retention(transaction, actor, now_wall, account.id, days)
    if key is not None and key != account.recording_recipient:
        rotate = bool(account.recording_recipient)
        set_recording_key(transaction, actor, now_wall, account.id, recipient(key), rotate=rotate)


def _take_domain(transaction: Transaction, actor: Actor, now_wall: float, account: Account, item: _Item) -> None:
    name = fields.domain_name(item.text("name"))
    domain = rows.find_domain(transaction, name)
    if actor.account_id is not None and not actor.operator and (domain is None or domain.account_id != account.id):
        # Whether it is somebody else's is nobody's business.
        raise NotFound("There is no domain {name} in this account. Add it and prove that it is yours first.", name=name)
    if domain is None:
        domain = create_domain(transaction, actor, now_wall, name, account.id)
    if domain.account_id != account.id:
        raise ConfigurationError("The domain {name} is another account's.", name=name)
    enabled = item.yes_or_no("enabled")
    if enabled is not None:
        set_domain_enabled(transaction, actor, now_wall, name, enabled=enabled)
    sounds = DomainChange(
        item.optional("language"),
        item.yes_or_no("music_on_hold"),
        item.optional("open_notice"),
        item.optional("open_notice_to"),
    )
    update_domain(transaction, actor, now_wall, name, sounds)
    recording = DomainRecordingChange(
        item.optional("recording"),
        item.optional("recording_notice"),
        item.optional("recording_format"),
        item.optional("keep_recordings"),
    )
    update_domain_recording(transaction, actor, now_wall, name, recording)


def _take_user(transaction: Transaction, actor: Actor, now_wall: float, domain: str, item: _Item) -> list[NewSecret]:
    """Gives the secret of a user that is new and came without."""
    name = fields.domain_name(domain)
    aor = f"{fields.username(item.text('username'))}@{name}"
    form = SipUserChange(
        **{field: item.optional(field) for field in _TEXTS},
        codecs=item.words("codecs"),
        max_contacts=item.whole("max_contacts"),
        enabled=item.yes_or_no("enabled"),
    )
    digests = _digests(item)
    owner = rows.find_domain(transaction, name)
    user = rows.find_user(transaction, owner.id, item.text("username")) if owner is not None else None
    made: list[NewSecret] = []
    if user is None:
        new = create_sip_user(transaction, actor, now_wall, aor, form)
        user = new.user
        made = [] if digests else [new]
    else:
        user = update_sip_user(transaction, actor, now_wall, aor, form)
    if digests and digests != {kind: getattr(user, kind) for kind in _HA1}:
        rows.update_user(
            transaction,
            replace(user, ha1_md5=digests["ha1_md5"], ha1_sha256=digests["ha1_sha256"]),
            secret_set_at=now_wall,
        )
        told = {"secret": f"{MASKED} (of a file)"}
        change = rows.Change(
            now_wall, user.account_id, actor.name, actor.origin, "change", f"SIP user {aor}", {"secret": MASKED}, told
        )
        rows.append_change(transaction, change)
    return made


def _digests(item: _Item) -> Mapping[str, str]:
    found = {name: value.lower() for name in _HA1 if (value := item.optional(name)) is not None}
    if not found:
        return {}
    for name, length in _HA1.items():
        value = found.get(name, "")
        if len(value) != length or set(value) - set("0123456789abcdef"):
            raise _at(
                item.line,
                "{name} has {length} hexadecimal digits; ha1_md5 and ha1_sha256 come together.",
                name=name,
                length=length,
            )
    return found
