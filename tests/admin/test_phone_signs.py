"""What registrations tell of NAT and of routers that rewrite them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealtone.admin import Actor, create_domain, create_sip_user
from sealtone.admin.codec_overlap import codec_overlap
from sealtone.admin.errors import NotFound
from sealtone.admin.phone_signs import Alg, Nat, judge, phone_signs
from sealtone.admin.sip_users import SipUserChange
from sealtone.registrar import Binding
from sealtone.store import Database
from sealtone.store.bindings import BindingChange, write_bindings
from sealtone.store.directory import insert_account
from sealtone.store.domains import PhoneRow

OPERATOR = Actor("root", "command line")
OUTSIDE, INSIDE = "203.0.114.7", "192.168.1.20"


def phone(contact: str, transport: str = "udp", seen: tuple[str, int] = (OUTSIDE, 5060)) -> PhoneRow:
    return PhoneRow("1000@office.example", contact, transport, *seen, "Phone")


@pytest.mark.parametrize(
    ("one", "nat", "alg"),
    [
        (phone(f"sip:1000@{OUTSIDE}:5060"), Nat.NONE, Alg.NO_SIGN),
        (phone(f"sip:1000@{OUTSIDE}"), Nat.NONE, Alg.NO_SIGN),
        (phone(f"sip:1000@{INSIDE}:5060"), Nat.KEEPS_PORT, Alg.NO_SIGN),
        (phone(f"sip:1000@{INSIDE}:5062"), Nat.CHANGES_PORT, Alg.NO_SIGN),
        (phone(f"sip:1000@{OUTSIDE}:5062"), Nat.UNKNOWN, Alg.POSSIBLE),
        (phone(f"sip:1000@{INSIDE}:5062", seen=(INSIDE, 5060)), Nat.NONE, Alg.NO_SIGN),
        (phone(f"sip:1000@{OUTSIDE}:41000", "tls", (OUTSIDE, 42000)), Nat.NONE, Alg.IMPOSSIBLE),
        (phone("sip:1000@phone.invalid", "tls"), Nat.UNKNOWN, Alg.IMPOSSIBLE),
        (phone("sip:1000@[2001:4860::7]:5060", seen=("2001:4860::7", 5060)), Nat.NONE, Alg.NO_SIGN),
        (phone("no uri at all"), Nat.UNKNOWN, Alg.NO_SIGN),
    ],
)
def test_one_registration_tells_what_it_can_and_no_more(one: PhoneRow, nat: Nat, alg: Alg) -> None:
    (signs,) = judge([one])
    assert (signs.nat, signs.alg) == (nat, alg)


def test_an_address_that_changes_only_without_tls_was_changed_by_a_router() -> None:
    with_tls = phone(f"sip:1000@{INSIDE}:41000", "tls", (OUTSIDE, 42000))
    without = phone(f"sip:1000@{OUTSIDE}:5060")
    assert [one.alg for one in judge([with_tls, without])] == [Alg.IMPOSSIBLE, Alg.LIKELY]
    assert [one.alg for one in judge([without])] == [Alg.NO_SIGN]


def test_an_account_sees_its_own_phones_alone_and_only_while_they_are_registered(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with database.write() as transaction:
        accounts = [insert_account(transaction, name, 1.0) for name in "AB"]
        for account, domain in zip(accounts, ("a.example", "b.example"), strict=True):
            create_domain(transaction, OPERATOR, 1.0, domain, account)
            create_sip_user(transaction, OPERATOR, 1.0, f"1000@{domain}")
            registered = Binding(
                aor=f"1000@{domain}",
                contact=f"sip:1000@{INSIDE}:5060",
                call_id="c",
                cseq=1,
                expires_at=100.0,
                registered_at=1.0,
                transport="udp",
                received=(OUTSIDE, 5060),
            )
            write_bindings(transaction.connection, [BindingChange([registered], [])])
        owner = Actor("anna", "192.0.2.1", accounts[0])
        assert [one.aor for one in phone_signs(transaction, owner, 50.0)] == ["1000@a.example"]
        assert phone_signs(transaction, owner, 200.0) == ()
        assert len(phone_signs(transaction, OPERATOR, 50.0)) == 2
        with pytest.raises(NotFound):
            codec_overlap(transaction, owner, "1000@a.example", "1000@b.example")
    database.close()


@pytest.mark.parametrize(
    ("first", "second", "path", "shared", "converted", "silent"),
    [
        ("opus,pcma", "pcma,opus", "server", ("opus", "pcma"), False, False),
        ("g729", "", "server", ("g729",), False, False),
        ("g729", "opus", "server", (), True, False),
        ("g729", "opus", "sealed", (), False, True),
    ],
)
def test_what_two_users_share_and_what_follows_where_they_share_none(
    tmp_path: Path, first: str, second: str, path: str, shared: tuple[str, ...], converted: bool, silent: bool
) -> None:
    database = Database(tmp_path)
    with database.write() as transaction:
        create_domain(transaction, OPERATOR, 1.0, "a.example", insert_account(transaction, "A", 1.0))
        for name, codecs in (("1000", first), ("1001", second)):
            form = SipUserChange(codecs=codecs, protection="zrtp", path=path)
            create_sip_user(transaction, OPERATOR, 1.0, f"{name}@a.example", form)
        found = codec_overlap(transaction, OPERATOR, "1000@a.example", "1001@a.example")
    database.close()
    assert found[2:] == (shared, converted, silent)
