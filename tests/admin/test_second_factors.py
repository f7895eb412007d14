"""Passwords, codes, recovery codes and passkeys on a real database."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admin.authenticator import Authenticator
from postgres import Place
from sealtone.admin import Actor, Conflict, Forbidden, InvalidInput, NotFound, first_use, passkeys, people
from sealtone.admin import accounts as account_cases
from sealtone.admin import second_factors as factors
from sealtone.admin.passwords import check_password, hash_password, is_outdated, password_matches
from sealtone.admin.people import Newcomer
from sealtone.model import Person
from sealtone.store import Database, Transaction, credentials
from sealtone.store import people as rows

PARTY = passkeys.RelyingParty("sip.example.org", "https://sip.example.org:8443")


@pytest.fixture
def transaction(place: Place) -> Iterator[Transaction]:
    database = place.database()
    with database.write() as transaction:
        first_use(transaction, 1.0, "office.example")
        yield transaction
    database.close()


@pytest.fixture
def owner(transaction: Transaction) -> Person:
    link = people.owner_link(transaction, 10.0)
    assert link is not None
    newcomer = Newcomer("Ann", "ann@example.org", "", "some hash")
    return people.accept_owner(transaction, 11.0, link.token, newcomer, "192.0.2.1", "sip.example.org:8443")


def actor_of(person: Person) -> Actor:
    return Actor(person.email, "192.0.2.1", person.account_id, person.role, person.id, person.operator)


def test_a_password_matches_its_hash_and_no_other_in_any_composition() -> None:
    hashed = hash_password("crème brûlée 7")
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert password_matches(hashed, "crème brûlée 7")
    assert password_matches(hashed, unicodedata.normalize("NFD", "crème brûlée 7"))
    assert not password_matches(hashed, "creme brulee 7")
    assert not password_matches(hashed, "crème brûlée 7" + "x" * 1000)
    assert not password_matches("", "crème brûlée 7")
    assert not password_matches("nonsense", "crème brûlée 7")
    assert hash_password("crème brûlée 7") != hashed
    assert not is_outdated(hashed)
    assert is_outdated(hashed.replace("m=65536", "m=1024"))


@pytest.mark.parametrize(
    "password",
    ["short", "123456789", "Password123", "password!!!", "1234567890", "qwertyuiop", "QwertyUiop", "aaaaaaaaaaaa",
     "abababababab", "letmein12345", "ann@example.org", "annsmith2024", "Smith-Ann-1", "пароль12345", "йцукенгшщз",
     "          ", "........................", "x" * 257],
)  # fmt: skip
def test_a_password_that_is_tried_first_is_refused_at_its_field(password: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_password(password, "Ann Smith", "annsmith@example.org")
    assert refused.value.field == "password"
    assert password not in str(refused.value)


@pytest.mark.parametrize(
    "password", ["correct horse battery staple", "k7mf-92qx-hw3n", "грузовик и облако", "Ann likes 9 green trams"]
)
def test_a_good_password_needs_no_particular_kinds_of_characters(password: str) -> None:
    check_password(password, "Ann Smith", "ann@example.org")


def test_a_code_is_taken_once_and_so_is_every_earlier_one(transaction: Transaction, owner: Person) -> None:
    secret = factors.new_totp_secret()
    now = 1_700_000_000.0
    totp = pyotp.TOTP(secret)
    codes = factors.set_up_totp(transaction, actor_of(owner), now, owner.id, secret, totp.at(int(now)))
    assert len(set(codes)) == 10
    assert not factors.take_totp(transaction, owner.id, totp.at(int(now)), now)  # that set it up, and no more
    later = now + 60
    assert factors.take_totp(transaction, owner.id, totp.at(int(later)), later)
    assert not factors.take_totp(transaction, owner.id, totp.at(int(later)), later)
    assert not factors.take_totp(transaction, owner.id, totp.at(int(later - 30)), later)
    assert factors.take_totp(
        transaction, owner.id, f" {totp.at(int(later + 30))[:3]} {totp.at(int(later + 30))[3:]}", later
    )
    assert not factors.take_totp(transaction, owner.id, totp.at(int(later + 120)), later + 30)
    with pytest.raises(Conflict):
        factors.set_up_totp(transaction, actor_of(owner), now, owner.id, secret, totp.at(int(now)))


def test_codes_taken_before_are_not_taken_again_after_setting_up_anew(transaction: Transaction, owner: Person) -> None:
    secret, now = factors.new_totp_secret(), 1_700_000_000.0
    code = pyotp.TOTP(secret).at(int(now))
    factors.set_up_totp(transaction, actor_of(owner), now, owner.id, secret, code)
    factors.remove_totp(transaction, actor_of(owner), now, owner.id)
    with pytest.raises(InvalidInput):
        factors.set_up_totp(transaction, actor_of(owner), now, owner.id, secret, code)


@settings(max_examples=60)
@given(st.integers(0, 2**33), st.integers(-10, 10))
def test_a_code_is_right_in_its_own_step_and_the_ones_beside_it(now: int, off: int) -> None:
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    step = now // 30 + off
    if step < 0:
        return
    found = factors.totp_step(secret, pyotp.TOTP(secret).generate_otp(step), now)
    assert (found == step) if abs(off) <= 1 else (found is None or found != step)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "٠١٢٣٤٥", "12345\n", "-12345"])
def test_what_is_no_code_is_refused(transaction: Transaction, owner: Person, code: str) -> None:
    with pytest.raises(InvalidInput):
        factors.set_up_totp(transaction, actor_of(owner), 100.0, owner.id, factors.new_totp_secret(), code)


def test_a_recovery_code_works_once_however_it_is_typed(transaction: Transaction, owner: Person) -> None:
    secret, now = factors.new_totp_secret(), 1_700_000_000.0
    code = pyotp.TOTP(secret).at(int(now))
    first, second, *_ = factors.set_up_totp(transaction, actor_of(owner), now, owner.id, secret, code)
    assert factors.take_recovery_code(transaction, owner, f" {first.upper().replace('-', ' ')}", now, "192.0.2.1")
    assert not factors.take_recovery_code(transaction, owner, first, now, "192.0.2.1")
    assert credentials.count_recovery_codes(transaction, owner.id) == 9
    new = factors.replace_recovery_codes(transaction, actor_of(owner), now, owner.id)
    assert not factors.take_recovery_code(transaction, owner, second, now, "192.0.2.1")
    assert factors.take_recovery_code(transaction, owner, new[0], now, "192.0.2.1")


def test_neither_codes_nor_the_secret_stand_in_the_files(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with database.write() as transaction:
        first_use(transaction, 1.0)
        link = people.owner_link(transaction, 10.0)
        assert link is not None
        newcomer = Newcomer("Ann", "ann@example.org", "", "some hash")
        owner = people.accept_owner(transaction, 11.0, link.token, newcomer, "192.0.2.1")
        secret, now = factors.new_totp_secret(), 1_700_000_000.0
        code = pyotp.TOTP(secret).at(int(now))
        codes = factors.set_up_totp(transaction, actor_of(owner), now, owner.id, secret, code)
    with database.read() as transaction:
        assert rows.read_totp(transaction, owner.id) == secret
    database.close()
    files = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    for text in (secret, *codes, *(code.replace("-", "") for code in codes)):
        assert text.encode() not in files


def enrol(transaction: Transaction, person: Person, device: Authenticator, name: str = "Phone") -> credentials.Passkey:
    challenge = os.urandom(32)
    options = passkeys.registration_options(PARTY, challenge, person.webauthn_handle, person.email, person.name)
    new = passkeys.verify_new_passkey(PARTY, challenge, device.create(options))
    return passkeys.add_passkey(transaction, actor_of(person), 20.0, person.id, new, name)


def test_a_passkey_signs_in_its_person_and_nobody_by_a_copy_or_an_old_answer(
    transaction: Transaction, owner: Person
) -> None:
    device = Authenticator(PARTY.origin)
    enrol(transaction, owner, device)
    challenge = os.urandom(32)
    answer = device.get(passkeys.authentication_options(PARTY, challenge))
    assert passkeys.take_passkey(transaction, PARTY, challenge, answer, 30.0).id == owner.id
    with pytest.raises(InvalidInput):  # the same answer: its counter has not grown
        passkeys.take_passkey(transaction, PARTY, challenge, answer, 31.0)
    another = os.urandom(32)
    with pytest.raises(InvalidInput):
        passkeys.take_passkey(transaction, PARTY, another, answer, 31.0)
    device.count = 0  # as a copy would have it
    stale = device.get(passkeys.authentication_options(PARTY, another))
    with pytest.raises(InvalidInput):
        passkeys.take_passkey(transaction, PARTY, another, stale, 32.0)


@pytest.mark.parametrize("fault", ["origin", "party", "user", "key", "handle", "id", "nonsense", "empty", "large"])
def test_an_answer_with_a_fault_opens_nothing_and_the_words_are_the_same(
    transaction: Transaction, owner: Person, fault: str
) -> None:
    device = Authenticator(PARTY.origin)
    enrol(transaction, owner, device)
    challenge = os.urandom(32)
    party = PARTY
    match fault:
        case "origin":
            device.origin = "https://evil.example"
        case "party":
            party = passkeys.RelyingParty("evil.example", PARTY.origin)
        case "user":
            device.verifies_user = False
        case "key":
            device.key = Authenticator(PARTY.origin).key
        case "handle":
            device.handle = b"somebody else"
        case "id":
            device.credential_id = os.urandom(32)
    answer = device.get(passkeys.authentication_options(party, challenge))
    answer = {"nonsense": "{]", "empty": "", "large": " " * 20_000}.get(fault, answer)
    with pytest.raises(InvalidInput) as refused:
        passkeys.take_passkey(transaction, PARTY, challenge, answer, 30.0)
    assert str(refused.value) == "The passkey was not accepted. Try again."


def test_a_passkey_is_not_made_for_another_page_or_without_verifying_its_user(
    transaction: Transaction, owner: Person
) -> None:
    challenge = os.urandom(32)
    options = passkeys.registration_options(PARTY, challenge, owner.webauthn_handle, owner.email, owner.name)
    for device in (Authenticator("https://evil.example"), Authenticator(PARTY.origin, verifies_user=False)):
        with pytest.raises(InvalidInput):
            passkeys.verify_new_passkey(PARTY, challenge, device.create(options))
    with pytest.raises(InvalidInput):
        passkeys.verify_new_passkey(PARTY, os.urandom(32), Authenticator(PARTY.origin).create(options))


def test_the_only_way_in_is_not_taken_away(transaction: Transaction, owner: Person) -> None:
    passkey = enrol(transaction, owner, Authenticator(PARTY.origin))
    people.set_password(transaction, actor_of(owner), 30.0, owner.id, "")
    with pytest.raises(Conflict):
        passkeys.remove_passkey(transaction, actor_of(owner), 31.0, owner.id, passkey.credential_id)
    second = enrol(transaction, owner, Authenticator(PARTY.origin), "Key")
    passkeys.rename_passkey(transaction, actor_of(owner), 32.0, owner.id, second.credential_id, "  Blue   key ")
    assert [each.name for each in passkeys.list_passkeys(transaction, actor_of(owner), owner.id)] == [
        "Phone",
        "Blue key",
    ]
    passkeys.remove_passkey(transaction, actor_of(owner), 33.0, owner.id, passkey.credential_id)
    with pytest.raises(NotFound):
        passkeys.remove_passkey(transaction, actor_of(owner), 33.0, owner.id, passkey.credential_id)


def test_where_the_account_wants_a_second_factor_the_last_one_stays(transaction: Transaction, owner: Person) -> None:
    account_cases.set_second_factor_needed(transaction, actor_of(owner), 20.0, owner.account_id, needed=True)
    assert factors.second_factor_of(transaction, owner).is_missing
    passkey = enrol(transaction, owner, Authenticator(PARTY.origin))
    assert factors.second_factor_of(transaction, owner).is_asked_for
    with pytest.raises(Conflict):
        passkeys.remove_passkey(transaction, actor_of(owner), 31.0, owner.id, passkey.credential_id)


def test_passkeys_are_their_persons_alone(transaction: Transaction, owner: Person) -> None:
    passkey = enrol(transaction, owner, Authenticator(PARTY.origin))
    link = people.invite(transaction, actor_of(owner), 20.0, owner.account_id, "eve@example.org", "owner")
    eve = people.accept_invitation(transaction, 21.0, link.token, Newcomer("Eve", password_hash="h"), "192.0.2.2")
    with pytest.raises(Forbidden):
        passkeys.remove_passkey(transaction, actor_of(eve), 30.0, owner.id, passkey.credential_id)
    with pytest.raises(NotFound):
        passkeys.remove_passkey(transaction, actor_of(eve), 30.0, eve.id, passkey.credential_id)
    with pytest.raises(Forbidden):
        factors.remove_totp(transaction, actor_of(eve), 30.0, owner.id)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("sip.example.org", "https://sip.example.org"),
        ("SIP.example.org:443", "https://sip.example.org"),
        ("sip.example.org:8443", "https://sip.example.org:8443"),
        ("localhost:8443", "https://localhost:8443"),
        ("office.example", "https://office.example"),
        ("192.0.2.1", None),
        ("[2001:db8::1]:443", None),
        ("evil.example", None),
        ("", None),
    ],
)
def test_passkeys_are_for_names_of_this_service_only(
    transaction: Transaction, owner: Person, host: str, origin: str | None
) -> None:
    if origin is None:
        with pytest.raises(Conflict):
            passkeys.relying_party(transaction, host)
    else:
        assert passkeys.relying_party(transaction, host).origin == origin
