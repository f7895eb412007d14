"""Sending e-mail to a real SMTP server: what is encrypted, what is verified, and what the operator is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from net.smtp_sink import SmtpSink, server_context, sinking
from sealtone.net.mail import Mail, MailError, MailSecurity, MailServer, send_mail

MAIL = Mail("ann@example.org", "Привет", "Hello.\n\n.A line with a dot\n")


@pytest.fixture
def sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmtpSink:
    context, authority = server_context(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    return SmtpSink(context)


def to(sink: SmtpSink, security: MailSecurity = MailSecurity.STARTTLS, **more: str) -> MailServer:
    values = {"host": "localhost", "username": "", "password": "", "sender": "server@example.org"} | more
    return MailServer(port=sink.port, security=security, **values)


@pytest.mark.parametrize("security", [MailSecurity.STARTTLS, MailSecurity.TLS])
def test_a_message_goes_encrypted_with_sender_recipient_subject_and_text(
    sink: SmtpSink, security: MailSecurity
) -> None:
    sink.starts_in_tls = security is MailSecurity.TLS
    sink.account = ("user", "a secret password")
    with sinking(sink):
        send_mail(to(sink, security, username="user", password="a secret password"), MAIL)
        message = sink.received()
    assert (message["From"], message["To"], message["Subject"]) == ("server@example.org", "ann@example.org", "Привет")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().replace("\r\n", "\n") == MAIL.text
    assert not [line for line in sink.plain_commands if not line.upper().startswith(("EHLO", "STARTTLS"))]


def test_a_server_that_does_not_encrypt_gets_neither_password_nor_message(sink: SmtpSink) -> None:
    sink.offers_starttls = False
    sink.account = ("user", "secret")
    with sinking(sink), pytest.raises(MailError, match="does not offer"):
        send_mail(to(sink, username="user", password="secret"), MAIL)
    assert sink.messages.empty()
    assert not [line for line in sink.plain_commands if "AUTH" in line]


@pytest.mark.parametrize("security", [MailSecurity.STARTTLS, MailSecurity.TLS])
def test_a_certificate_of_nobody_known_or_of_another_name_is_not_trusted(
    sink: SmtpSink, security: MailSecurity, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink.starts_in_tls = security is MailSecurity.TLS
    with sinking(sink):
        with pytest.raises(MailError, match="certificate"):
            send_mail(to(sink, security, host="127.0.0.1"), MAIL)
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(MailError, match="certificate"):
            send_mail(to(sink, security), MAIL)
    assert sink.messages.empty()


def test_what_the_server_says_is_told_without_the_password(sink: SmtpSink) -> None:
    sink.account = ("user", "right")
    with sinking(sink):
        with pytest.raises(MailError, match="user name and password") as refused:
            send_mail(to(sink, username="user", password="wrong one"), MAIL)
        assert "wrong one" not in str(refused.value)
        sink.account = ("", "")
        sink.refuses = "ann@example.org"
        with pytest.raises(MailError, match="550 unknown here"):
            send_mail(to(sink), MAIL)
    with pytest.raises(MailError):
        send_mail(to(sink), MAIL)  # nobody listens any more
    assert "wrong one" not in repr(to(sink, username="user", password="wrong one"))


def test_a_subject_or_recipient_with_line_breaks_is_not_sent(sink: SmtpSink) -> None:
    with sinking(sink):
        for mail in (MAIL._replace(subject="a\nBcc: eve@example.org"), MAIL._replace(recipient="a@b.c\r\nBcc: x@y.z")):
            with pytest.raises(MailError):
                send_mail(to(sink), mail)
    assert sink.messages.empty()
