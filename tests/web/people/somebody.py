"""People who can sign in, and what they do on the pages."""

from __future__ import annotations

import time
from dataclasses import dataclass

import httpx
import pyotp

from sealtone.admin import Actor, people, second_factors
from sealtone.admin.passwords import hash_password
from sealtone.admin.people import Newcomer
from sealtone.model import Person, Role
from web.conftest import Client, Panel

PASSWORD = "seven green trams"
_HASHES: dict[str, str] = {}


def hashed(password: str) -> str:
    """Its hash, made once for all tests."""
    if password not in _HASHES:
        _HASHES[password] = hash_password(password)
    return _HASHES[password]


@dataclass
class Somebody:
    """A person with a password, and TOTP where it was set up."""

    person: Person
    secret: str = ""
    recovery: tuple[str, ...] = ()

    @property
    def actor(self) -> Actor:
        person = self.person
        return Actor(person.email, "192.0.2.9", person.account_id, person.role, person.id, person.operator)

    def code(self, steps: int = 0) -> str:
        """The app's code now, or some steps later."""
        return pyotp.TOTP(self.secret).at(int(time.time()) + steps * second_factors.STEP_S)


def somebody(
    panel: Panel,
    email: str = "ann@example.org",
    role: Role = Role.OWNER,
    account: str = "First",
    *,
    operator: bool = False,
    totp: bool = False,
) -> Somebody:
    """A new person of an account, with `PASSWORD`."""
    account_id, now = panel.account(account), time.time()
    with panel.database.write() as transaction:
        newcomer = Newcomer(email.partition("@")[0].title(), password_hash=hashed(PASSWORD))
        person = people.add_newcomer(transaction, now, newcomer, email, account_id, role, "test", operator=operator)
        made = Somebody(person)
        if totp:
            made.secret = second_factors.new_totp_secret()
            # Set up with the code of the step before, so that the present one is still good.
            made.recovery = second_factors.set_up_totp(
                transaction, made.actor, now - second_factors.STEP_S, person.id, made.secret, made.code(-1)
            )
    return made


async def visit(panel: Panel, url: str = "/sign-in", **headers: str) -> Client:
    """A browser that has opened a page, as one has before it sends a form."""
    client = panel.visitor(**headers)
    await client.get(url)
    return client


async def sign_in(client: Client, email: str = "ann@example.org", password: str = PASSWORD) -> httpx.Response:
    """Sends the sign-in form."""
    return await client.send_form("/sign-in", {"email": email, "password": password})
