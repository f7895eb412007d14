"""Two tenants with one of everything, and programs with keys of every kind."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import httpx
import pytest

from sealtone.admin import Actor, SipUserChange, create_domain, create_sip_user, update_sip_user
from sealtone.admin.api_keys import create_api_key
from sealtone.admin.backup import BACKUPS_FOLDER
from sealtone.admin.domains import park_domain
from sealtone.admin.people import invite
from sealtone.admin.phone_links import make_phone_link
from sealtone.admin.recording_files import folder_of
from sealtone.admin.sign_up import invite_account
from sealtone.admin.webhook_targets import TargetRules, set_target_rules
from sealtone.admin.webhooks import create_webhook, send_test
from sealtone.model import ConsentNotice, RecordingFacts, RecordingFormat
from sealtone.model.people import Role
from sealtone.store.directory import last_change
from sealtone.store.recordings import save_recording
from sealtone.store.records import insert_calls
from sealtone.store.sessions import insert_session
from store.records import call
from web.conftest import Panel

OPERATOR = Actor("root", "command line")
KEY = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"


@dataclass
class Tenant:
    """What an account has; every name of it holds the account's own."""

    name: str
    account_id: int
    domain_id: int = 0
    things: dict[str, Any] = field(default_factory=dict)
    """By the names that paths of the API give them."""


@dataclass
class Api:
    """The API of a panel."""

    panel: Panel

    def key(
        self,
        *scopes: str,
        role: Role | str = Role.OWNER,
        account: str = "alpha",
        operator: bool = False,
        expires_at: float | None = None,
    ) -> str:
        """A token of a new key of a new person."""
        person_id = self.panel.person(role, account, operator)
        owner = self.panel.account(account)
        # Whoever made it was an owner and operator then: what bounds the key is what its person may now.
        maker = Actor(f"{account}@test", "192.0.2.9", owner, Role.OWNER, person_id, operator=True)
        with self.panel.database.write() as transaction:
            return create_api_key(
                transaction, maker, time.time(), f"{account} key", scopes or ("all",), expires_at
            ).token

    def program(self, *scopes: str, **more: Any) -> httpx.AsyncClient:
        """A program with such a key."""
        return self.program_with(self.key(*scopes, **more))

    def program_with(self, token: str) -> httpx.AsyncClient:
        client = self.panel.visitor()
        client.headers["Authorization"] = f"Bearer {token}"
        client.base_url = httpx.URL(f"{client.base_url}/api/v1")
        return client

    async def spec(self) -> dict[str, Any]:
        async with self.panel.visitor() as client:
            found: dict[str, Any] = (await client.get("/api/v1/openapi.json")).json()
        return found

    def tenant(self, name: str) -> Tenant:
        """An account with one of everything."""
        panel, now = self.panel, time.time()
        tenant = Tenant(name, panel.account(name))
        owner = Actor(f"owner@{name}.test", "192.0.2.9", tenant.account_id, Role.OWNER)
        member = panel.person(Role.VIEWER, name)
        with panel.database.write() as transaction:
            domain = create_domain(transaction, OPERATOR, now, f"{name}.example", tenant.account_id)
            park_domain(transaction, owner, now, f"parked-{name}.example", tenant.account_id)
            # Deliveries stay on this machine, where nobody takes them.
            set_target_rules(transaction, OPERATOR, now, TargetRules((ip_network("127.0.0.0/8"),)))
            user = create_sip_user(transaction, owner, now, f"1000@{name}.example").user
            hook = create_webhook(
                transaction, owner, now, tenant.account_id, f"https://127.0.0.1:8443/{name}", ["call.ended"]
            ).webhook
            delivery = send_test(transaction, owner, now, hook.id)
            key = create_api_key(transaction, owner, now, f"{name} spare", ["read"]).key
            record = call(tenant.account_id, started_at=now - 100, account_id=tenant.account_id)._replace(
                caller=f"1000@{name}.example", callee=f"1001@{name}.example", dialled=f"1001@{name}.example"
            )
            record = record._replace(legs=tuple(leg._replace(aor=f"1000@{name}.example") for leg in record.legs))
            insert_calls(transaction.connection, [record])
            update_sip_user(transaction, owner, now, user.aor, SipUserChange(display_name=f"Anna of {name}"))
            change_id = last_change(transaction)
            invitation = invite(transaction, owner, now, tenant.account_id, f"guest@{name}.test", "viewer").link
            founder = invite_account(transaction, OPERATOR, now, f"founder@{name}.test").link
            phone_link = make_phone_link(transaction, owner, now, user.aor).link
            number = f"session-of-{name}"
            insert_session(
                transaction,
                token_hash=name.encode(),
                number=number,
                person_id=member,
                signed_in_by="password",
                now_wall=now,
                expires_at=now + 3600,
                address="192.0.2.9",
                user_agent=f"browser of {name}",
            )
            recording = RecordingFacts(
                id=f"recording-{name}",
                call_id=record.id,
                account_id=tenant.account_id,
                domain_id=domain.id,
                caller=record.caller,
                callee=record.callee,
                path=f"{tenant.account_id}/recording-{name}.opus.age",
                format=RecordingFormat.OPUS,
                notice=ConsentNotice.TONE,
                recipient=KEY,
                started_by=record.caller,
                started_at=now - 90,
                ended_at=now - 60,
                seconds=30.0,
                octets=1000,
            )
            save_recording(transaction.connection, recording)
        tenant.domain_id = domain.id
        file = folder_of(panel.folder) / recording.path
        file.parent.mkdir(parents=True)
        file.write_bytes(f"sealed for {name}".encode())
        backup = panel.folder / BACKUPS_FOLDER / "sealtone-20261126T093000Z.zip"
        backup.parent.mkdir(exist_ok=True)
        backup.write_bytes(b"sealed")
        tenant.things = {
            "domains/domain": domain.name,
            "sip-users/aor": user.aor,
            "sip-users/number": phone_link.number,
            "webhooks/id": hook.id,
            "webhooks/delivery": delivery.id,
            "api-keys/id": key.id,
            "calls/id": record.id,
            "live-calls/id": f"live-{name}",
            "recordings/id": recording.id,
            "people/id": member,
            "changes/id": change_id,
            "invitations/number": invitation.number,
            "sessions/number": number,
            "service/account": tenant.account_id,
            "service/number": founder.number,
            "service/name": backup.name,
        }
        return tenant


@pytest.fixture
def api(panel: Panel) -> Api:
    return Api(panel)
