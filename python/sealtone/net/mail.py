"""Sending an e-mail by SMTP (RFC 5321): encrypted, the certificate verified, or to this machine itself.

Everything here waits for the network: call it on a thread.
"""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from enum import StrEnum
from typing import NamedTuple

from sealtone.net.errors import NetError

_TIMEOUT_S = 20.0


class MailError(NetError):
    """The message was not taken; the words say by whom and why, and are fit for the operator."""


class MailSecurity(StrEnum):
    """How the connection to the mail server is protected."""

    STARTTLS = "starttls"
    """RFC 3207; refused where the server does not offer it."""
    TLS = "tls"
    """From the first octet (RFC 8314)."""
    NONE = "none"
    """To a mail server on this machine only."""

    @property
    def usual_port(self) -> int:
        """Where a server listens for it."""
        return {MailSecurity.STARTTLS: 587, MailSecurity.TLS: 465, MailSecurity.NONE: 25}[self]


class MailServer(NamedTuple):
    """How e-mail is sent."""

    host: str
    port: int
    security: MailSecurity
    username: str
    """Empty: without authentication."""
    password: str
    sender: str
    """The address in From, and where failures are returned to."""

    def __repr__(self) -> str:
        return f"MailServer({self.host}:{self.port} {self.security} {self.username} from {self.sender})"


class Mail(NamedTuple):
    """One message to one person, in plain text."""

    recipient: str
    subject: str
    text: str


def send_mail(server: MailServer, mail: Mail) -> None:
    """Hands the message to the server; returns once it was accepted. Raises `MailError`."""
    try:
        message = _message(server, mail)
        with _connected(server) as connection:
            if server.username:
                connection.login(server.username, server.password)
            connection.send_message(message, server.sender, [mail.recipient])
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise MailError(f"{server.host}:{server.port}: {_reason(error)}") from None


def _message(server: MailServer, mail: Mail) -> EmailMessage:
    """Line breaks in a header are refused by `EmailMessage` itself (ValueError)."""
    message = EmailMessage()
    message["From"] = server.sender
    message["To"] = mail.recipient
    message["Subject"] = mail.subject
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 5: no holiday notices in return
    message.set_content(mail.text)
    return message


def _connected(server: MailServer) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if server.security is MailSecurity.TLS:
        return smtplib.SMTP_SSL(server.host, server.port, timeout=_TIMEOUT_S, context=context)
    connection = smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT_S)
    if server.security is MailSecurity.STARTTLS:
        try:
            connection.starttls(context=context)
        except BaseException:
            connection.close()
            raise
    return connection


def _reason(error: Exception) -> str:
    """In words, without what the server was told."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate cannot be trusted ({error.verify_message})"
        case smtplib.SMTPNotSupportedError():
            return "it does not offer what is wanted (encryption by STARTTLS, or a way to sign in)"
        case smtplib.SMTPAuthenticationError():
            return f"it does not accept the user name and password ({_said(error.smtp_code, error.smtp_error)})"
        case smtplib.SMTPRecipientsRefused():
            code, said = next(iter(error.recipients.values()))
            return f"it does not take a message for this address ({_said(code, said)})"
        case smtplib.SMTPResponseException():
            return f"it said {_said(error.smtp_code, error.smtp_error)}"
        case smtplib.SMTPServerDisconnected():
            return "it ended the connection"
        case TimeoutError():
            return "it does not answer"
        case OSError():
            return error.strerror or str(error)
        case _:
            return str(error)


def _said(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {''.join(character if character.isprintable() else ' ' for character in words)[:200]}"
