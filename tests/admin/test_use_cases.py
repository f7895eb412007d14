"""The use cases on a real database: what they save, refuse and log."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from postgres import Place
from sealtone.admin import (
    Actor,
    Conflict,
    DomainChange,
    FirstUse,
    InvalidInput,
    NotFound,
    SipUserChange,
    create_domain,
    create_sip_user,
    delete_domain,
    delete_sip_user,
    first_use,
    list_accounts,
    list_domains,
    list_sip_users,
    new_secret,
    secrets_shown,
    set_call_retention,
    set_domain_enabled,
    set_secret,
    update_domain,
    update_sip_user,
)
from sealtone.model import Announcements, Language, NoticeTo, OpenNotice, Protection, Strictness
from sealtone.sip.digest import ha1
from sealtone.store import Database, Transaction
from sealtone.store.directory import insert_account, load_snapshot, read_changes

OPERATOR = Actor("root", "command line")


@pytest.fixture
def transaction(place: Place) -> Iterator[Transaction]:
    database = place.database()
    with database.write() as transaction:
        yield transaction
    database.close()


@pytest.fixture
def started(transaction: Transaction) -> FirstUse:
    made = first_use(transaction, 1.0, "office.example")
    assert made is not None
    return made


def test_the_first_use_makes_a_domain_and_four_users_once(transaction: Transaction) -> None:
    made = first_use(transaction, 1.0)
    assert made is not None
    assert made.domain.name == "sealtone.local"
    assert [created.user.username for created in made.users] == ["1000", "1001", "1002", "1003"]
    assert len({created.secret for created in made.users}) == 4
    for created in made.users:
        assert created.user.policy[:2] == (Protection.SRTP, Strictness.PREFER)
    secrets_shown(transaction)
    assert first_use(transaction, 2.0) is None
    assert len(list_sip_users(transaction, OPERATOR)) == 4


def test_secrets_that_were_never_shown_are_given_again_as_far_as_they_still_hold(transaction: Transaction) -> None:
    made = first_use(transaction, 1.0)
    assert made is not None
    assert first_use(transaction, 2.0) == made
    set_secret(transaction, OPERATOR, 3.0, "1001@sealtone.local")
    again = first_use(transaction, 4.0)
    assert again is not None
    assert again.users == (made.users[0], *made.users[2:])
    delete_domain(transaction, OPERATOR, 5.0, "sealtone.local", with_users=True)
    assert first_use(transaction, 6.0) is None


def test_the_snapshot_knows_the_digests_of_the_secret_shown(transaction: Transaction, started: FirstUse) -> None:
    created = started.users[2]
    user = load_snapshot(transaction, ["192.0.2.1"], 3).user("1002@office.example")
    assert user is not None
    assert user.ha1_md5 == ha1("1002", "office.example", created.secret, "MD5")
    assert user.ha1_sha256 == ha1("1002", "office.example", created.secret, "SHA-256")
    assert user == created.user


def test_no_secret_or_digest_stands_in_the_files(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with database.write() as transaction:
        made = first_use(transaction, 1.0)
        assert made is not None
        changed = set_secret(transaction, OPERATOR, 2.0, "1000@sealtone.local", "correct horse battery")
    database.close()
    files = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    for created in (*made.users, changed):
        for text in (created.secret, created.user.ha1_md5, created.user.ha1_sha256):
            assert text.encode() not in files
            assert text not in repr(created.user)
        assert bytes.fromhex(created.user.ha1_md5) not in files


def test_a_generated_secret_has_eighty_bits_and_no_letters_that_look_alike() -> None:
    secrets = {new_secret() for _ in range(500)}
    assert len(secrets) == 500
    symbols = set("".join(secrets)) - {"-"}
    assert not symbols & set("lo01LO")
    assert 16 * math.log2(len(symbols)) >= 80
    assert all(len(secret.replace("-", "")) == 16 for secret in secrets)


def test_every_change_is_logged_with_who_and_the_fields_before_and_after(
    transaction: Transaction, started: FirstUse
) -> None:
    update_sip_user(
        transaction, OPERATOR, 5.0, "1000@office.example", SipUserChange(strictness="require", codecs="opus, PCMU")
    )
    (change,) = read_changes(transaction, limit=1)
    assert (change.at, change.actor, change.origin, change.action) == (5.0, "root", "command line", "change")
    assert change.subject == "SIP user 1000@office.example"
    assert change.before == {"strictness": "prefer", "codecs": ""}
    assert change.after == {"strictness": "require", "codecs": "opus,pcmu"}


def test_what_a_domain_says_and_plays_is_saved_logged_and_reaches_its_users(
    transaction: Transaction, started: FirstUse
) -> None:
    form = DomainChange("ru", music_on_hold=False, open_notice="notice", open_notice_to="both")
    update_domain(transaction, OPERATOR, 5.0, "office.example", form)
    update_domain(transaction, OPERATOR, 6.0, "office.example", DomainChange(open_notice="tone"))
    last, first = read_changes(transaction, limit=2)
    assert (first.subject, first.action) == ("domain office.example", "change")
    assert first.before == {"language": "en", "music_on_hold": "yes", "open_notice": "off", "open_notice_to": "caller"}
    assert first.after == {"language": "ru", "music_on_hold": "no", "open_notice": "notice", "open_notice_to": "both"}
    assert (last.before, last.after) == ({"open_notice": "notice"}, {"open_notice": "tone"})
    snapshot = load_snapshot(transaction)
    wishes = Announcements(Language.RUSSIAN, False, OpenNotice.TONE, NoticeTo.BOTH)
    domain, user = snapshot.domain("office.example"), snapshot.user("1000@office.example")
    assert domain is not None
    assert user is not None
    assert domain.announcements == user.announcements == wishes
    assert set_domain_enabled(transaction, OPERATOR, 7.0, "office.example", enabled=False).announcements == wishes


def test_a_user_may_be_spoken_to_in_another_language_than_the_domains(
    transaction: Transaction, started: FirstUse
) -> None:
    def spoken() -> Language:
        user = load_snapshot(transaction).user("1000@office.example")
        assert user is not None
        return user.language

    assert spoken() is Language.ENGLISH
    update_sip_user(transaction, OPERATOR, 5.0, "1000@office.example", SipUserChange(language="ru"))
    assert spoken() is Language.RUSSIAN
    (change,) = read_changes(transaction, limit=1)
    assert (change.before, change.after) == ({"language": "domain"}, {"language": "ru"})
    update_sip_user(transaction, OPERATOR, 6.0, "1000@office.example", SipUserChange(language="domain"))
    assert spoken() is Language.ENGLISH


@pytest.mark.parametrize(
    "form", [DomainChange(language="de"), DomainChange(open_notice="on"), DomainChange(open_notice_to="callee")]
)
def test_a_domain_takes_no_other_words_than_it_knows_and_names_those(
    transaction: Transaction, started: FirstUse, form: DomainChange
) -> None:
    with pytest.raises(InvalidInput, match=r"is no (language|open_notice|open_notice_to): .* or .* is"):
        update_domain(transaction, OPERATOR, 5.0, "office.example", form)


def test_a_change_of_nothing_is_not_logged(transaction: Transaction, started: FirstUse) -> None:
    logged = read_changes(transaction)
    update_sip_user(transaction, OPERATOR, 5.0, "1000@office.example", SipUserChange(strictness="prefer"))
    set_domain_enabled(transaction, OPERATOR, 5.0, "office.example", enabled=True)
    update_domain(transaction, OPERATOR, 5.0, "office.example", DomainChange("en", True, "off", "caller"))
    assert read_changes(transaction) == logged


def test_the_change_log_holds_no_secret(transaction: Transaction, started: FirstUse) -> None:
    new = set_secret(transaction, OPERATOR, 6.0, "1001@office.example")
    text = repr(read_changes(transaction))
    assert "••••" in text
    for created in (*started.users, new):
        for secret in (created.secret, created.user.ha1_md5, created.user.ha1_sha256):
            assert secret not in text


def test_a_new_secret_replaces_the_old_one(transaction: Transaction, started: FirstUse) -> None:
    new = set_secret(transaction, OPERATOR, 6.0, "1001@office.example")
    user = load_snapshot(transaction).user("1001@office.example")
    assert user is not None
    assert user.ha1_md5 == new.user.ha1_md5 != started.users[1].user.ha1_md5


def test_a_user_and_a_domain_exist_once(transaction: Transaction, started: FirstUse) -> None:
    with pytest.raises(Conflict, match="exists already"):
        create_sip_user(transaction, OPERATOR, 2.0, "1000@OFFICE.example")
    with pytest.raises(Conflict, match="exists already"):
        create_domain(transaction, OPERATOR, 2.0, "Office.Example.", started.domain.account_id)


def test_a_domain_with_users_is_deleted_only_when_both_are_meant(transaction: Transaction, started: FirstUse) -> None:
    with pytest.raises(Conflict, match="4 SIP users"):
        delete_domain(transaction, OPERATOR, 2.0, "office.example")
    delete_domain(transaction, OPERATOR, 2.0, "office.example", with_users=True)
    assert list_domains(transaction, OPERATOR) == ()
    assert list_sip_users(transaction, OPERATOR) == ()


def test_a_deleted_user_is_gone_and_the_log_says_what_it_was(transaction: Transaction, started: FirstUse) -> None:
    delete_sip_user(transaction, OPERATOR, 3.0, "1003@office.example")
    assert load_snapshot(transaction).user("1003@office.example") is None
    (change,) = read_changes(transaction, limit=1)
    assert (change.action, change.before["protection"], change.after) == ("delete", "srtp", {})
    with pytest.raises(NotFound):
        delete_sip_user(transaction, OPERATOR, 3.0, "1003@office.example")


def test_another_tenants_things_look_as_if_they_were_not_there(transaction: Transaction, started: FirstUse) -> None:
    stranger = Actor("eve", "192.0.2.9", insert_account(transaction, "Other", 1.0))
    assert list_domains(transaction, stranger) == ()
    assert list_sip_users(transaction, stranger) == ()
    attempts = [
        lambda: delete_domain(transaction, stranger, 2.0, "office.example", with_users=True),
        lambda: set_domain_enabled(transaction, stranger, 2.0, "office.example", enabled=False),
        lambda: create_sip_user(transaction, stranger, 2.0, "1009@office.example"),
        lambda: set_secret(transaction, stranger, 2.0, "1000@office.example"),
        lambda: update_domain(transaction, stranger, 2.0, "office.example", DomainChange(language="ru")),
        lambda: update_sip_user(transaction, stranger, 2.0, "1000@office.example", SipUserChange(enabled=False)),
        lambda: delete_sip_user(transaction, stranger, 2.0, "1000@office.example"),
        lambda: list_sip_users(transaction, stranger, "office.example"),
    ]
    absent = Actor("eve", "192.0.2.9")
    with pytest.raises(NotFound) as unknown:
        delete_domain(transaction, absent, 2.0, "absent.example")
    for attempt in attempts:
        with pytest.raises(NotFound) as caught:
            attempt()
        assert str(caught.value) == str(unknown.value).replace("absent", "office")


@pytest.mark.parametrize(
    ("aor", "field"),
    [
        ("1000", "user"),
        ("@office.example", "username"),
        ("a b@office.example", "username"),
        ("a\r\nX: y@office.example", "username"),
        ("x" * 65 + "@office.example", "username"),
        ("1000@", "domain"),
        ("1000@-bad.example", "domain"),
        ("1000@127.0.0.1", "domain"),
        ("1000@" + "a." * 130 + "example", "domain"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused_at_its_field(transaction: Transaction, aor: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        create_sip_user(transaction, OPERATOR, 1.0, aor)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("form", "field"),
    [
        (SipUserChange(protection="zip"), "protection"),
        (SipUserChange(strictness="maybe"), "strictness"),
        (SipUserChange(codecs="opus,op us"), "codecs"),
        (SipUserChange(codecs="opus,OPUS"), "codecs"),
        (SipUserChange(display_name="a\nb"), "display_name"),
        (SipUserChange(max_contacts=0), "max_contacts"),
    ],
)
def test_a_field_with_a_fault_saves_nothing(
    transaction: Transaction, started: FirstUse, form: SipUserChange, field: str
) -> None:
    before = list_sip_users(transaction, OPERATOR)
    with pytest.raises(InvalidInput) as caught:
        update_sip_user(transaction, OPERATOR, 1.0, "1000@office.example", form)
    assert caught.value.field == field
    assert list_sip_users(transaction, OPERATOR) == before


def test_a_weak_secret_is_refused(transaction: Transaction, started: FirstUse) -> None:
    with pytest.raises(InvalidInput, match="12 to 128"):
        set_secret(transaction, OPERATOR, 1.0, "1000@office.example", "1234")


def test_an_internationalised_domain_is_kept_in_its_ascii_form(transaction: Transaction, started: FirstUse) -> None:
    made = create_domain(transaction, OPERATOR, 1.0, "bücher.example", started.domain.account_id)
    assert made.name == "xn--bcher-kva.example"


def test_how_long_calls_are_kept_is_saved_and_logged_with_what_it_was(
    transaction: Transaction, started: FirstUse
) -> None:
    (account,) = list_accounts(transaction, OPERATOR)
    assert account.keep_calls_days == 365
    assert set_call_retention(transaction, OPERATOR, 5.0, account.id, " 30 ").keep_calls_days == 30
    assert set_call_retention(transaction, OPERATOR, 6.0, account.id, "30").keep_calls_days == 30
    assert set_call_retention(transaction, OPERATOR, 7.0, account.id, "Forever").keep_calls_days is None
    assert [kept.keep_calls_days for kept in list_accounts(transaction, OPERATOR)] == [None]
    last, before = read_changes(transaction, 2)
    assert (last.at, last.before, last.after) == (7.0, {"keep_calls": "30 days"}, {"keep_calls": "forever"})
    assert (before.at, before.before, before.after) == (5.0, {"keep_calls": "365 days"}, {"keep_calls": "30 days"})
    assert before.account_id == account.id


@pytest.mark.parametrize("days", ["", "0", "-1", "1.5", "never", "36501", "9" * 5000, "\u0661"])
def test_a_time_to_keep_calls_that_is_none_is_refused(transaction: Transaction, started: FirstUse, days: str) -> None:
    with pytest.raises(InvalidInput, match="1 to 36500"):
        set_call_retention(transaction, OPERATOR, 5.0, started.domain.account_id, days)


def test_nobody_decides_how_long_another_tenant_keeps_calls(transaction: Transaction, started: FirstUse) -> None:
    other = insert_account(transaction, "Other", 2.0)
    tenant = Actor("anna@other.example", "192.0.2.9", other)
    assert [account.id for account in list_accounts(transaction, tenant)] == [other]
    for account_id in (started.domain.account_id, 999):
        with pytest.raises(NotFound):
            set_call_retention(transaction, tenant, 5.0, account_id, "1")
