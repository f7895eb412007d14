"""The service's own settings: who may sign up, by which name it is reached, and how it sends e-mail."""

from __future__ import annotations

import ipaddress
import json
from enum import StrEnum
from typing import NamedTuple

from sealtone.admin import fields, person_fields
from sealtone.admin.actor import Actor
from sealtone.admin.errors import InvalidInput
from sealtone.net.mail import MailSecurity, MailServer
from sealtone.store import Transaction
from sealtone.store import directory as rows

_SMTP_CONTEXT = "setting smtp"
_MASKED = "••••"
_MOST_PORT = 65_535
_LONGEST_CREDENTIAL = 256
_MOST_SIP_USERS = 1_000_000
DEFAULT_MOST_SIP_USERS = 10_000
_LOOPBACK_NAMES = ("localhost", "localhost.localdomain")


class SignUp(StrEnum):
    """Who may make a new account. People of an account are invited into it under every one of them."""

    OPEN = "open"
    """Anybody."""
    INVITED = "invited"
    """Whoever has a link from the operator. The default: nobody gets in unasked, and the operator can ask somebody
    without changing a setting first."""
    CLOSED = "closed"
    """Nobody; links that were given out do not work meanwhile."""


class ServiceSettings(NamedTuple):
    """What the operator has chosen."""

    sign_up: SignUp = SignUp.INVITED
    public_name: str = ""
    """The host name by which people and phones reach this server; empty: by whatever name they ask for."""
    zone: str = ""
    """The domain under which accounts get subdomains of their own; empty: none."""
    most_sip_users: int = DEFAULT_MOST_SIP_USERS
    """Of one account."""
    mail: MailServer | None = None
    """How e-mail is sent; None: not at all."""

    @property
    def sends_mail(self) -> bool:
        """Whether e-mails with links can be sent: for these the public name is needed too."""
        return self.mail is not None and bool(self.public_name)


class ServiceChange(NamedTuple):
    """The fields of a form as text; None leaves a field as it is."""

    sign_up: str | None = None
    public_name: str | None = None
    zone: str | None = None
    most_sip_users: str | None = None


class MailForm(NamedTuple):
    """How to send e-mail, as entered."""

    host: str
    port: str = ""
    security: str = MailSecurity.STARTTLS.value
    username: str = ""
    password: str | None = None
    """None keeps the one that is saved."""
    sender: str = ""


def service_settings(transaction: Transaction) -> ServiceSettings:
    """The settings as they are; nobody needs to be asked for permission to read them here."""
    defaults = ServiceSettings()
    return ServiceSettings(
        SignUp(rows.read_setting(transaction, "sign_up") or defaults.sign_up.value),
        rows.read_setting(transaction, "public_name") or "",
        rows.read_setting(transaction, "zone") or "",
        int(rows.read_setting(transaction, "most_sip_users") or defaults.most_sip_users),
        _mail_server(transaction),
    )


def update_service(transaction: Transaction, actor: Actor, now_wall: float, form: ServiceChange) -> ServiceSettings:
    """Changes what the form names. Raises `Forbidden`, `InvalidInput`."""
    actor.authorise_operating()
    present = service_settings(transaction)
    changed = present._replace(
        sign_up=present.sign_up if form.sign_up is None else _sign_up(form.sign_up),
        public_name=present.public_name if form.public_name is None else _host_name("public_name", form.public_name),
        zone=present.zone if form.zone is None else _host_name("zone", form.zone),
        most_sip_users=present.most_sip_users if form.most_sip_users is None else _most_sip_users(form.most_sip_users),
    )
    before, after = _shown(present), _shown(changed)
    names = [name for name in before if before[name] != after[name]]
    for name in names:
        rows.write_setting(transaction, name, after[name])
    if names:
        was, is_now = ({name: shown[name] for name in names} for shown in (before, after))
        _log(transaction, actor, now_wall, "service", was, is_now)
    return changed


def set_mail(transaction: Transaction, actor: Actor, now_wall: float, form: MailForm) -> MailServer:
    """How e-mail is sent from now on. Raises `Forbidden`, `InvalidInput`."""
    actor.authorise_operating()
    present = _mail_server(transaction)
    server = mail_server_of(form, present)
    values = {**server._asdict(), "security": server.security.value}
    rows.write_setting(transaction, "smtp", transaction.vault.seal(json.dumps(values), _SMTP_CONTEXT).hex())
    before, after = _shown_mail(present), _shown_mail(server)
    if present is not None and present.password != server.password:
        after["password"] = f"{_MASKED} (new)"
    names = [name for name in after if before.get(name, "") != after[name]]
    if names:
        was, is_now = ({name: shown.get(name, "") for name in names} for shown in (before, after))
        _log(transaction, actor, now_wall, "e-mail", was, is_now)
    return server


def remove_mail(transaction: Transaction, actor: Actor, now_wall: float) -> None:
    """No e-mail is sent from now on. Raises `Forbidden`."""
    actor.authorise_operating()
    present = _mail_server(transaction)
    if present is not None:
        rows.delete_setting(transaction, "smtp")
        _log(transaction, actor, now_wall, "e-mail", _shown_mail(present), {}, "delete")


def mail_server_of(form: MailForm, present: MailServer | None = None) -> MailServer:
    """What the form describes; a password that is left out is the present one, for the same server and user only.

    So nobody who may change the settings makes the server show its password to another host. Raises `InvalidInput`.
    """
    security = _mail_security(form.security)
    host = _mail_host(form.host, security)
    username = _credential("username", form.username.strip())
    password = form.password
    if password is None:
        same = present is not None and (present.host, present.username) == (host, username)
        password = present.password if present is not None and same else ""
        if username and not password:
            raise InvalidInput("password", "Enter the password that belongs to this server and user name.")
    if username and not password:
        raise InvalidInput("password", "Enter the password, or leave the user name empty too.")
    return MailServer(
        host,
        _port(form.port, security),
        security,
        username,
        _credential("password", password) if username else "",
        person_fields.email(form.sender, "sender"),
    )


def _mail_server(transaction: Transaction) -> MailServer | None:
    sealed = rows.read_setting(transaction, "smtp")
    if sealed is None:
        return None
    values = json.loads(transaction.vault.open_sealed(bytes.fromhex(sealed), _SMTP_CONTEXT))
    return MailServer(**values | {"security": MailSecurity(values["security"])})


def _sign_up(text: str) -> SignUp:
    try:
        return SignUp(text.strip().lower())
    except ValueError:
        raise InvalidInput("sign_up", "Choose open, invited or closed.") from None


def _host_name(field: str, text: str) -> str:
    if not text.strip():
        return ""
    try:
        return fields.domain_name(text)
    except InvalidInput as error:
        raise InvalidInput(field, error.template, **error.values) from None


def _most_sip_users(text: str) -> int:
    text = text.strip()
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(_MOST_SIP_USERS)) else 0
    if not 1 <= number <= _MOST_SIP_USERS:
        raise InvalidInput("most_sip_users", "Enter a number from 1 to {most}.", most=_MOST_SIP_USERS)
    return number


def _mail_security(text: str) -> MailSecurity:
    try:
        return MailSecurity(text.strip().lower())
    except ValueError:
        raise InvalidInput("security", "Choose starttls, tls or none.") from None


def _mail_host(text: str, security: MailSecurity) -> str:
    text = text.strip().lower()
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        host = text if text in _LOOPBACK_NAMES else _host_name("host", text)
        is_here = text in _LOOPBACK_NAMES
    else:
        host, is_here = str(address), address.is_loopback
    if not host:
        raise InvalidInput("host", "Enter the name of the mail server, such as smtp.example.org.")
    if security is MailSecurity.NONE and not is_here:
        raise InvalidInput("security", "Without encryption only a mail server on this machine (localhost) can be used.")
    return host


def _port(text: str, security: MailSecurity) -> int:
    text = text.strip()
    if not text:
        return security.usual_port
    port = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(_MOST_PORT)) else 0
    if not 1 <= port <= _MOST_PORT:
        raise InvalidInput("port", "A port is a number from 1 to 65535.")
    return port


def _credential(field: str, text: str) -> str:
    if len(text) > _LONGEST_CREDENTIAL or not (text.isprintable() or not text):
        raise InvalidInput(field, "At most {most} printable characters are allowed.", most=_LONGEST_CREDENTIAL)
    return text


def _shown(settings: ServiceSettings) -> dict[str, str]:
    """The fields as the change log shows them."""
    return {
        "sign_up": settings.sign_up.value,
        "public_name": settings.public_name,
        "zone": settings.zone,
        "most_sip_users": str(settings.most_sip_users),
    }


def _shown_mail(server: MailServer | None) -> dict[str, str]:
    if server is None:
        return {}
    return {
        "server": f"{server.host}:{server.port}",
        "security": server.security.value,
        "username": server.username,
        "password": _MASKED if server.password else "",
        "sender": server.sender,
    }


def _log(
    transaction: Transaction,
    actor: Actor,
    now_wall: float,
    subject: str,
    before: dict[str, str],
    after: dict[str, str],
    action: str = "change",
) -> None:
    rows.append_change(
        transaction, rows.Change(now_wall, None, actor.name, actor.origin, action, subject, before, after)
    )
