"""What comes by e-mail, through a real SMTP server: sign-up, a forgotten password, invitations, a new address."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from net.smtp_sink import SmtpSink, server_context, sinking
from sealtone.admin.service import MailForm, ServiceChange, service_settings, set_mail, update_service
from sealtone.store import people as rows
from web.conftest import Panel
from web.people.somebody import PASSWORD, Somebody, sign_in, somebody, visit

FORM = {"name": "Cat", "email": "cat@example.com", "account_name": "Cat Ltd", "password": PASSWORD}


@pytest.fixture
def sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmtpSink]:
    context, authority = server_context(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with sinking(SmtpSink(context)) as sink:
        yield sink


@pytest.fixture
def operator(panel: Panel, sink: SmtpSink) -> Somebody:
    """Who has opened the sign-up and set up the mail server."""
    operator, now = somebody(panel, "operator@example.org", operator=True), time.time()
    with panel.database.write() as transaction:
        form = ServiceChange(sign_up="open", public_name="sip.example.org")
        update_service(transaction, operator.actor, now, form)
        set_mail(transaction, operator.actor, now, MailForm("localhost", str(sink.port), sender="server@example.org"))
    return operator


async def received(sink: SmtpSink) -> EmailMessage:
    return await asyncio.to_thread(sink.received)


def link_in(message: EmailMessage) -> str:
    found = re.search(r"https://sip\.example\.org(/\S+)", message.get_content())
    assert found is not None, message.get_content()
    return found[1]


async def test_an_account_is_made_once_its_address_is_confirmed_and_nobody_learns_who_has_one(
    panel: Panel, sink: SmtpSink, operator: Somebody
) -> None:
    client = await visit(panel, "/sign-up")
    answer = await client.send_form("/sign-up", FORM)
    message = await received(sink)
    assert message["To"] == "cat@example.com"
    url = link_in(message)
    with panel.database.read() as transaction:
        assert rows.find_person_by_email(transaction, "cat@example.com") is None
    assert (await client.get(url)).status_code == 200  # looked at, as programs do: nothing happens
    done = await client.send_form(url)
    assert done.headers["location"] == "/"
    assert "Cat Ltd" in (await client.get("/")).text
    assert (await client.get(url)).status_code == 404
    with panel.database.read() as transaction:
        cat = rows.find_person_by_email(transaction, "cat@example.com")
        assert cat is not None
        assert cat.email_verified_at is not None
    stranger = await visit(panel, "/sign-up")
    again = await stranger.send_form("/sign-up", FORM | {"password": "another password"})
    section = [page.text.split("<section", 1)[1].split("</section>")[0] for page in (answer, again)]
    assert section[0] == section[1]
    warned = await received(sink)
    assert "already" in warned["Subject"]
    assert "/sign-up/" not in warned.get_content()
    fresh = await visit(panel)
    assert (await sign_in(fresh, "cat@example.com", PASSWORD)).status_code == 303


async def test_a_forgotten_password_is_set_anew_by_a_link_under_the_public_name(
    panel: Panel, sink: SmtpSink, operator: Somebody
) -> None:
    somebody(panel)
    client = await visit(panel, "/forgotten")
    answers = []
    for address in ("nobody@example.org", "ann@example.org"):
        # A Host of somebody else's choice leads nobody there.
        answer = await client.send_form("/forgotten", {"email": address}, headers={"Host": "evil.example"})
        answers.append(answer.text.split("<section", 1)[1].split("</section>")[0].replace(address, "X"))
    assert answers[0] == answers[1]
    message = await received(sink)
    assert message["To"] == "ann@example.org"
    assert "evil.example" not in message.get_content()
    url = link_in(message)
    assert (await client.send_form(url, {"password": "quite another one"})).headers["location"] == "/sign-in"
    assert (await sign_in(client, password="quite another one")).status_code == 303
    assert "changed" in (await received(sink))["Subject"]
    assert sink.messages.empty()


async def test_one_address_is_not_written_to_without_end(panel: Panel, sink: SmtpSink, operator: Somebody) -> None:
    somebody(panel)
    client = await visit(panel, "/forgotten")
    for _ in range(6):
        assert (await client.send_form("/forgotten", {"email": "ann@example.org"})).status_code == 200
    urls = [link_in(await received(sink)) for _ in range(3)]
    await asyncio.sleep(0.3)
    assert sink.messages.empty()
    works = [(await client.get(url)).status_code for url in urls]
    assert works == [404, 404, 200]  # the latest that was sent


async def test_an_invitation_is_sent_and_shown(panel: Panel, sink: SmtpSink, operator: Somebody) -> None:
    client = panel.signed_in_as(operator.person.id)
    answer = await client.send_form("/account/people/invite", {"email": "eve@example.org", "role": "admin"})
    assert "It is on its way by e-mail too." in answer.text
    url = link_in(await received(sink))
    assert f"https://panel.test{url}<" in answer.text
    answer = await client.send_form("/service/accounts/invite", {"email": "dan@example.org"})
    url = link_in(await received(sink))
    fresh = await visit(panel, url)
    assert (await fresh.send_form(url, FORM)).headers["location"] == "/"


async def test_a_new_address_counts_once_it_is_confirmed_and_the_old_one_is_told(
    panel: Panel, sink: SmtpSink, operator: Somebody
) -> None:
    client = panel.signed_in_as(somebody(panel).person.id)
    await client.send_form("/account/email", {"email": "anna@example.org"})
    message = await received(sink)
    assert message["To"] == "anna@example.org"
    url = link_in(message)
    with panel.database.read() as transaction:
        assert rows.find_person_by_email(transaction, "anna@example.org") is None
    assert (await client.send_form(url)).headers["location"] == "/account"
    told = await received(sink)
    assert (told["To"], told["Subject"]) == ("ann@example.org", "Your way to sign in has changed")
    with panel.database.read() as transaction:
        anna = rows.find_person_by_email(transaction, "anna@example.org")
        assert anna is not None
        assert anna.email_verified_at is not None


async def test_the_operator_tries_the_settings_and_is_told_what_the_server_said(
    panel: Panel, sink: SmtpSink, operator: Somebody
) -> None:
    client = panel.signed_in_as(operator.person.id)
    answer = await client.send_form("/service/mail/test", {"recipient": "operator@example.org"})
    assert "has taken a message" in answer.text
    assert (await received(sink))["Subject"] == "Test message"
    sink.refuses = "operator@example.org"
    answer = await client.send_form("/service/mail/test", {"recipient": "operator@example.org"})
    assert answer.status_code == 502
    assert "550 unknown here" in answer.text


async def test_mail_settings_are_sealed_and_their_password_goes_to_no_other_server(
    panel: Panel, sink: SmtpSink, operator: Somebody
) -> None:
    client = panel.signed_in_as(operator.person.id)
    form = {
        "host": "localhost", "port": str(sink.port), "security": "starttls", "username": "user",
        "password": "the mail password", "sender": "server@example.org",
    }  # fmt: skip
    assert (await client.send_form("/service/mail", form)).status_code == 303
    assert "the mail password" not in (await client.get("/service/mail")).text
    without = form | {"password": ""}
    assert (await client.send_form("/service/mail", without)).status_code == 303
    answer = await client.send_form("/service/mail", without | {"host": "smtp.evil.example"})
    assert answer.status_code == 422
    assert 'id="password-error"' in answer.text
    for field, value in (("host", ""), ("port", "70000"), ("sender", "nobody"), ("security", "ssl3")):
        answer = await client.send_form("/service/mail", form | {field: value})
        assert f'id="{field}-error"' in answer.text, field
        assert "the mail password" not in answer.text
    answer = await client.send_form("/service/mail", form | {"security": "none", "host": "smtp.example.org"})
    assert 'id="security-error"' in answer.text
    with panel.database.read() as transaction:
        saved = service_settings(transaction).mail
        assert saved is not None
        assert (saved.host, saved.password) == ("localhost", "the mail password")
    files = b"".join(file.read_bytes() for file in panel.folder.iterdir() if file.is_file())
    assert b"the mail password" not in files


async def test_only_the_operator_sees_the_service(panel: Panel) -> None:
    owner = somebody(panel)
    client = panel.signed_in_as(owner.person.id)
    for url in ("/service/sign-up", "/service/accounts", "/service/mail"):
        assert (await client.get(url)).status_code == 403
        assert (await client.send_form(url, {"sign_up": "open"})).status_code in (403, 405)
    assert (await client.send_form("/service/mail/test", {"recipient": "x@example.org"})).status_code == 403
    assert (await client.send_form("/service/accounts/1/enabled", {"enabled": "no"})).status_code == 403
