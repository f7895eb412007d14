"""The pages for API keys and webhooks, and the page that tells how the API is used."""

from __future__ import annotations

import re

import pytest

from sealtone.model.people import Role
from web.conftest import Panel


async def test_a_key_is_shown_once_and_works_until_it_is_revoked(panel: Panel) -> None:
    async with panel.signed_in(Role.ADMIN) as client:
        made = await client.send_form("/account/api-keys", {"name": "billing", "scopes": ["read"], "days": "30"})
        assert made.status_code == 200
        token = re.search(r"stk_[\w-]{43}", made.text)
        assert token is not None
        listed = await client.get("/account/api-keys")
        assert token[0] not in listed.text
        assert token[0][:12] in listed.text
        headers = {"Authorization": f"Bearer {token[0]}"}
        async with panel.visitor() as program:
            assert (await program.get("/api/v1/domains", headers=headers)).status_code == 200
            assert (await client.send_form("/account/api-keys/1/revoke")).status_code == 303
            assert (await program.get("/api/v1/domains", headers=headers)).status_code == 401


async def test_a_form_with_errors_keeps_what_was_typed_and_makes_nothing(panel: Panel) -> None:
    async with panel.signed_in(Role.ADMIN) as client:
        answer = await client.send_form("/account/api-keys", {"name": "", "scopes": ["users"], "days": "30"})
        assert answer.status_code == 422
        assert 'id="name-error"' in answer.text
        assert re.search(r'value="users" checked', answer.text)
        answer = await client.send_form("/account/webhooks", {"url": "http://10.0.0.1/", "events": ["call.ended"]})
        assert answer.status_code == 422
        assert 'id="url-error"' in answer.text
        assert "http://10.0.0.1/" in answer.text


async def test_a_viewer_sees_and_cannot_change(panel: Panel) -> None:
    async with panel.signed_in(Role.VIEWER) as client:
        for path in ("/account/api-keys", "/account/webhooks"):
            answer = await client.get(path)
            assert answer.status_code == 200
            assert f'action="{path}"' not in answer.text
        form = {"name": "x", "scopes": ["read"], "days": ""}
        assert (await client.send_form("/account/api-keys", form)).status_code == 403
        form = {"url": "https://crm.example/", "events": ["call.ended"]}
        assert (await client.send_form("/account/webhooks", form)).status_code == 403


async def test_a_webhook_is_made_changed_tested_and_deleted(panel: Panel) -> None:
    async with panel.signed_in(Role.ADMIN) as client, panel.signed_in(Role.OWNER, "Other") as stranger:
        form = {"url": "https://crm.office.test/events", "events": ["call.ended"]}
        made = await client.send_form("/account/webhooks", form)
        secret = re.search(r"whsec_[\w-]{43}", made.text)
        assert secret is not None
        shown = await client.get("/account/webhooks/1")
        assert secret[0] not in shown.text
        assert (await stranger.get("/account/webhooks/1")).status_code == 404
        assert (await client.send_form("/account/webhooks/1/test")).status_code == 303
        assert "webhook.test" in (await client.get("/account/webhooks/1")).text
        fresh = await client.send_form("/account/webhooks/1/secret")
        again = re.search(r"whsec_[\w-]{43}", fresh.text)
        assert again is not None
        assert again[0] != secret[0]
        off = {"url": form["url"], "events": ["call.ended", "sas.differs"]}
        assert (await client.send_form("/account/webhooks/1", off)).status_code == 303
        assert 'id="enabled" name="enabled" value="on" checked' not in (await client.get("/account/webhooks/1")).text
        assert (await client.send_form("/account/webhooks/1/delete")).status_code == 303
        assert (await client.get("/account/webhooks/1")).status_code == 404


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_anybody_may_read_how_the_api_is_used(panel: Panel, language: str) -> None:
    async with panel.visitor(**{"Accept-Language": language}) as client:
        answer = await client.get("/api/docs")
        assert answer.status_code == 200
        assert "listSipUsers" in answer.text
        assert 'id="problem-not-found"' in answer.text
        assert "<script>" not in answer.text
