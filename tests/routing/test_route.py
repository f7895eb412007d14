"""Whom a request is for, and that no tenant reaches another."""

from __future__ import annotations

import pytest

from sealtone.model import Account, Domain, SipUser, Snapshot
from sealtone.routing import Forbidden, NotFound, ToService, ToUser, Unavailable, route
from sealtone.sip.uri import SipUri

ALICE = SipUser(1, 1, 1, "1000", "office.example")
BOB = SipUser(2, 1, 1, "1001", "office.example")
NAMED = SipUser(3, 1, 1, "bob smith", "office.example")
ABROAD = SipUser(4, 1, 1, "+4930123456", "office.example")
BRANCH = SipUser(5, 1, 2, "2000", "branch.example")
OFF = SipUser(6, 1, 1, "1009", "office.example", enabled=False)
RIVAL = SipUser(7, 2, 3, "1001", "rival.example")
CLOSED = SipUser(8, 1, 4, "3000", "closed.example")
SNAPSHOT = Snapshot(
    [Account(1, "one"), Account(2, "two")],
    [
        Domain(1, 1, "office.example"),
        Domain(2, 1, "branch.example", services={"777": "echo"}),
        Domain(3, 2, "rival.example"),
        Domain(4, 1, "closed.example", enabled=False),
    ],
    [ALICE, BOB, NAMED, ABROAD, BRANCH, OFF, RIVAL, CLOSED],
    local_names=["SIP.office.example", "198.51.100.1", "2001:db8::1"],
)


def phones(aor: str) -> list[str]:
    return [f"phone of {aor}"]


@pytest.mark.parametrize(
    ("uri", "user"),
    [
        ("sip:1001@office.example", BOB),
        ("sip:1001@OFFICE.example:5060;transport=tcp", BOB),
        ("sip:1001@office.example.", BOB),
        ("sip:%31001@office.example", BOB),
        ("sip:bob%20smith@office.example", NAMED),
        ("sip:1001@198.51.100.1", BOB),
        ("sip:1001@[2001:db8::1]:5060", BOB),
        ("sip:1001@sip.office.example", BOB),
        ("sip:1-0-0-1@office.example;user=phone", BOB),
        ("sip:bob%20smith@office.example;user=phone", NAMED),
        ("sip:+49-30-123456;phone-context=x@office.example;user=phone", ABROAD),
        ("sip:2000@branch.example", BRANCH),
        ("sip:1000@office.example", ALICE),
        ("tel:+49-30-12.34.56", ABROAD),
        ("tel:1001;phone-context=office.example", BOB),
        ("tel:2000;phone-context=branch.example", BRANCH),
        ("tel:1001;phone-context=+49", BOB),
    ],
)
def test_a_user_of_the_callers_account_is_found(uri: str, user: SipUser) -> None:
    assert route(uri, ALICE, SNAPSHOT, phones) == ToUser(user.aor, user, (f"phone of {user.aor}",))


def test_a_parsed_uri_is_taken_too_and_sips_is_remembered() -> None:
    found = route(SipUri.parse("sips:1001@office.example"), ALICE, SNAPSHOT, phones)
    assert isinstance(found, ToUser)
    assert found.is_sips


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("sip:*43@office.example", "echo"),
        ("sip:echo@office.example", "echo"),
        ("sip:%2A43@office.example", "echo"),
        ("tel:*43;phone-context=office.example", "echo"),
        ("sip:777@branch.example", "echo"),
    ],
)
def test_a_service_number_reaches_its_service(uri: str, name: str) -> None:
    assert route(uri, ALICE, SNAPSHOT, phones) == ToService(name)


def test_a_domains_own_service_numbers_replace_the_usual_ones() -> None:
    assert isinstance(route("sip:*43@branch.example", ALICE, SNAPSHOT, phones), NotFound)


@pytest.mark.parametrize(
    "uri",
    [
        "sip:1001@rival.example",
        "sip:9999@rival.example",
        "sip:echo@rival.example",
        "sip:1001@nowhere.example",
        "sip:1001@203.0.113.1",
        "tel:1001;phone-context=rival.example",
        "tel:1001;phone-context=nowhere.example",
        "sips:1001@RIVAL.example",
    ],
)
def test_another_tenant_and_an_unknown_domain_get_one_and_the_same_refusal(uri: str) -> None:
    assert route(uri, ALICE, SNAPSHOT, phones) == Forbidden("This server does not call other domains")


@pytest.mark.parametrize(
    "uri",
    [
        "sip:9999@office.example",
        "sip:office.example",
        "sip:1001 @office.example",
        "http://office.example",
        "sip:1001%00@office.example",
        "tel:+10000",
        "sip:BOB%20SMITH@office.example",
        "",
    ],
)
def test_a_number_that_nobody_has_is_not_found(uri: str) -> None:
    target = route(uri, ALICE, SNAPSHOT, phones)
    assert isinstance(target, NotFound)
    assert target.status == 404


def test_a_user_without_a_phone_or_switched_off_is_unavailable() -> None:
    assert route("sip:1001@office.example", ALICE, SNAPSHOT, lambda aor: ()) == Unavailable(
        "That user has no phone registered"
    )
    assert route("sip:1009@office.example", ALICE, SNAPSHOT, phones) == Unavailable("That user is switched off")
    assert route("sip:3000@closed.example", ALICE, SNAPSHOT, phones) == Unavailable("That domain is switched off")


@pytest.mark.parametrize(
    ("caller", "snapshot"),
    [
        (OFF, SNAPSHOT),
        (CLOSED, SNAPSHOT),
        (ALICE, Snapshot([Account(1, "one", enabled=False)], [Domain(1, 1, "office.example")], [ALICE, BOB])),
        (ALICE, Snapshot([Account(1, "one")], [], [ALICE, BOB])),
        (ALICE, Snapshot()),
    ],
)
def test_a_caller_that_is_switched_off_reaches_nobody(caller: SipUser, snapshot: Snapshot) -> None:
    assert isinstance(route("sip:1001@office.example", caller, snapshot, phones), Forbidden)


def test_a_user_whose_record_names_another_account_than_its_domain_is_not_reached() -> None:
    stray = SipUser(9, 2, 1, "1002", "office.example")
    snapshot = Snapshot([Account(1, "one"), Account(2, "two")], [Domain(1, 1, "office.example")], [ALICE, stray])
    assert isinstance(route("sip:1002@office.example", ALICE, snapshot, phones), NotFound)


def test_the_secrets_of_a_user_are_not_in_its_repr() -> None:
    user = SipUser(1, 1, 1, "1000", "office.example", "0123456789abcdef", "fedcba9876543210")
    assert "0123456789abcdef" not in repr(user)
    assert "fedcba9876543210" not in repr(user)
    assert user.aor == "1000@office.example"
