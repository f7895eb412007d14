"""SIP users by the page, by the dozen, and as CSV files."""

import csv
import io
from collections.abc import Iterator

import pytest

from postgres import Place
from sealtone.admin import (
    Actor,
    ChangedMeanwhile,
    Conflict,
    Forbidden,
    ImportRefused,
    InvalidInput,
    NotFound,
    SipUserChange,
    create_domain,
    create_sip_user,
    create_sip_users,
    delete_sip_users,
    export_csv,
    field_errors,
    first_use,
    import_users,
    list_sip_users,
    page_of_sip_users,
    plan_import,
    secrets_csv,
    set_secret,
    update_sip_user,
    update_sip_users,
    user_of,
    usernames_of,
    version_of,
)
from sealtone.admin.sip_user_csv import plain_cell, safe_cell
from sealtone.model import Protection, Role, Strictness
from sealtone.registrar import Binding
from sealtone.sip.digest import ha1
from sealtone.store import Transaction
from sealtone.store.bindings import BindingChange, write_bindings
from sealtone.store.directory import insert_account, read_changes, write_setting
from sealtone.store.sip_users import UserFilter

OPERATOR = Actor("root", "command line")
OWNER = Actor("anna@office.example", "192.0.2.7", 1)
VIEWER = Actor("vera@office.example", "192.0.2.8", 1, Role.VIEWER)
STRANGER = Actor("sam@other.example", "192.0.2.9", 2)
SRTP = SipUserChange(protection="srtp", strictness="require")


@pytest.fixture
def transaction(place: Place) -> Iterator[Transaction]:
    database = place.database()
    with database.write() as transaction:
        assert first_use(transaction, 1.0, "office.example")
        other = insert_account(transaction, "Other", 2.0)
        assert other == 2
        create_domain(transaction, OPERATOR, 3.0, "other.example", 2)
        create_sip_user(transaction, STRANGER, 3.0, "1000@other.example")
        yield transaction
    database.close()


def registered(aor: str, at: float = 10.0, lasts: float = 100.0, agent: str = "Linphone") -> Binding:
    return Binding(
        aor, f"sip:{aor}", "c", 1, at + lasts, at, "tls", ("192.0.2.50", 5070), user_agent=agent
    )  # fmt: skip


def aors(page: object) -> list[str]:
    return [one.user.aor for one in page.users]  # type: ignore[attr-defined]


# Pages


def test_pages_follow_each_other_without_gap_or_repetition(transaction: Transaction) -> None:
    create_sip_users(transaction, OWNER, 5.0, "office.example", "2000-2044", SRTP)
    seen: list[str] = []
    after = None
    while True:
        page = page_of_sip_users(transaction, OWNER, 6.0, UserFilter(limit=7, after=after))
        seen += aors(page)
        after = page.after
        if after is None:
            break
    assert seen == [user.aor for user in list_sip_users(transaction, OWNER)]
    assert len(seen) == 49


def test_a_page_shows_only_what_belongs_to_the_account(transaction: Transaction) -> None:
    assert aors(page_of_sip_users(transaction, STRANGER, 6.0, UserFilter(account_id=1))) == ["1000@other.example"]
    with pytest.raises(NotFound):
        page_of_sip_users(transaction, STRANGER, 6.0, UserFilter(domain="office.example"))


def test_users_are_found_by_number_name_protection_and_state(transaction: Transaction) -> None:
    update_sip_user(transaction, OWNER, 5.0, "1001@office.example", SipUserChange(display_name="50 % Anna_x"))
    update_sip_user(transaction, OWNER, 5.0, "1002@office.example", SipUserChange(protection="zrtp"))
    update_sip_user(transaction, OWNER, 5.0, "1003@office.example", SipUserChange(enabled=False))
    live = registered("1000@office.example")
    write_bindings(transaction.connection, [BindingChange([live])])

    def found(**wanted: str) -> list[str]:
        return [aor[:4] for aor in aors(page_of_sip_users(transaction, OWNER, 20.0, UserFilter(**wanted)))]  # type: ignore[arg-type]

    assert found(text="ANNA") == ["1001"]
    assert found(text="%") == ["1001"]
    assert found(text="a_x") == ["1001"]
    assert found(text="_") == ["1001"]
    assert found(text="1002@off") == ["1002"]
    assert found(protection="zrtp") == ["1002"]
    assert found(state="online") == ["1000"]
    assert found(state="offline") == ["1001", "1002"]
    assert found(state="off") == ["1003"]
    assert found(text="nobody") == []


def test_when_a_phone_was_seen_last_is_known_after_its_registration_ended(transaction: Transaction) -> None:
    live = registered("1000@office.example")
    write_bindings(transaction.connection, [BindingChange([live])])
    (online,) = page_of_sip_users(transaction, OWNER, 20.0, UserFilter(text="1000@")).users
    assert (online.state, online.last_seen) == ("online", None)
    assert (online.phones[0].address, online.phones[0].client) == ("192.0.2.50:5070", "Linphone")
    write_bindings(transaction.connection, [BindingChange((), [live])])
    (offline,) = page_of_sip_users(transaction, OWNER, 20.0, UserFilter(text="1000@")).users
    assert (offline.state, offline.phones) == ("offline", ())
    assert offline.last_seen is not None
    assert offline.last_seen[:] == (10.0, "tls", "192.0.2.50", "Linphone")
    again = registered("1000@office.example", at=90.0, agent="Zoiper")
    write_bindings(transaction.connection, [BindingChange([again]), BindingChange((), [again])])
    (later,) = page_of_sip_users(transaction, OWNER, 95.0, UserFilter(text="1000@")).users
    assert later.last_seen is not None
    assert (later.last_seen.at, later.last_seen.user_agent) == (90.0, "Zoiper")
    delete_sip_users(transaction, OWNER, 99.0, ["1000@office.example"])
    create_sip_user(transaction, OWNER, 99.0, "1000@office.example")
    (new,) = page_of_sip_users(transaction, OWNER, 99.0, UserFilter(text="1000@")).users
    assert new.last_seen is None


# Saving a form over somebody else's change


def test_a_form_is_not_saved_over_what_somebody_else_changed_meanwhile(transaction: Transaction) -> None:
    aor = "1000@office.example"
    shown = version_of(user_of(transaction, OWNER, aor))
    update_sip_user(transaction, OPERATOR, 5.0, aor, SipUserChange(codecs="opus"))
    with pytest.raises(ChangedMeanwhile) as refused:
        update_sip_user(transaction, OWNER, 6.0, aor, SipUserChange(display_name="Anna"), shown)
    assert refused.value.user.codecs == ("opus",)
    assert user_of(transaction, OWNER, aor).display_name == ""
    now = version_of(refused.value.user)
    saved = update_sip_user(transaction, OWNER, 7.0, aor, SipUserChange(display_name="Anna"), now)
    assert (saved.display_name, saved.codecs) == ("Anna", ("opus",))


def test_a_new_secret_does_not_stand_in_the_way_of_an_open_form(transaction: Transaction) -> None:
    aor = "1000@office.example"
    shown = version_of(user_of(transaction, OWNER, aor))
    set_secret(transaction, OWNER, 5.0, aor)
    update_sip_user(transaction, OWNER, 6.0, aor, SipUserChange(display_name="Anna"), shown)


def test_every_wrong_field_of_a_form_is_named_at_once(transaction: Transaction) -> None:
    user = user_of(transaction, OWNER, "1000@office.example")
    form = SipUserChange("x" * 65, "zrtp", "require", "sealed", "opus,mp3", 0, True, "always", "en")
    assert set(field_errors(user, form)) == {"display_name", "codecs", "max_contacts", "recording"}
    assert field_errors(user, SRTP) == {}


# Many at once


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1000-1003", ["1000", "1001", "1002", "1003"]),
        ("1000 – 1001; 7,anna", ["1000", "1001", "7", "anna"]),
        ("007-010", ["007", "008", "009", "010"]),
        ("anna-2", ["anna-2"]),
        ("5, 5 4-6", ["5", "4", "6"]),
    ],
)
def test_ranges_and_lists_are_read_as_a_person_means_them(text: str, names: list[str]) -> None:
    assert list(usernames_of(text)) == names


@pytest.mark.parametrize("text", ["", " , ", "1003-1000", "1-2000", "a b@c", "0-999999999999", "1-900 1000-2000"])
def test_what_is_no_list_of_numbers_is_refused_at_its_field(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        usernames_of(text)
    assert refused.value.field == "numbers"


def test_a_range_of_users_gets_secrets_that_are_shown_once(transaction: Transaction) -> None:
    made = create_sip_users(transaction, OWNER, 5.0, "office.example", "1100-1149", SRTP, "Room {number}")
    assert [one.user.username for one in made] == [str(number) for number in range(1100, 1150)]
    assert len({one.secret for one in made}) == 50
    assert made[3].user.display_name == "Room 1103"
    assert made[3].user.policy[:2] == (Protection.SRTP, Strictness.REQUIRE)
    listed = list(csv.DictReader(io.StringIO(secrets_csv(made))))
    assert listed[0] == {"user": "1100@office.example", "name": "Room 1100", "secret": made[0].secret}
    saved = user_of(transaction, OWNER, "1100@office.example")
    assert saved.ha1_sha256 == ha1("1100", "office.example", made[0].secret, "SHA-256")


def test_nobody_is_made_of_a_range_in_which_somebody_exists(transaction: Transaction) -> None:
    with pytest.raises(InvalidInput, match=r"1003, 1000|1000, 1001, 1002, 1003"):
        create_sip_users(transaction, OWNER, 5.0, "office.example", "0998-1010, 1000-1003", SRTP)
    assert len(list_sip_users(transaction, OWNER)) == 4


def test_an_account_has_no_more_users_than_the_service_permits(transaction: Transaction) -> None:
    write_setting(transaction, "most_sip_users", "6")
    with pytest.raises(Conflict, match=r"may have 6 SIP users, and this one has 4"):
        create_sip_users(transaction, OWNER, 5.0, "office.example", "1-3", SRTP)
    create_sip_users(transaction, OWNER, 5.0, "office.example", "1-2", SRTP)
    with pytest.raises(Conflict):
        create_sip_user(transaction, OWNER, 5.0, "3@office.example")
    assert plan_import(transaction, OWNER, "user\n4@office.example\n").errors
    create_sip_user(transaction, STRANGER, 5.0, "3@other.example")


def test_many_are_changed_or_deleted_together_or_none(transaction: Transaction) -> None:
    two = ["1000@office.example", "1001@office.example"]
    update_sip_users(transaction, OWNER, 5.0, two, SipUserChange(enabled=False))
    assert [user.enabled for user in list_sip_users(transaction, OWNER)] == [False, False, True, True]
    assert len(read_changes(transaction, limit=2)) == 2
    assert delete_sip_users(transaction, OWNER, 6.0, two) == 2
    assert len(list_sip_users(transaction, OWNER)) == 2
    with pytest.raises(InvalidInput):
        delete_sip_users(transaction, OWNER, 6.0, [])
    for actor, error in ((STRANGER, NotFound), (VIEWER, Forbidden)):
        with pytest.raises(error):
            update_sip_users(transaction, actor, 7.0, ["1002@office.example"], SRTP)
        with pytest.raises(error):
            delete_sip_users(transaction, actor, 7.0, ["1002@office.example"])


# CSV


def test_what_is_exported_can_be_imported_and_changes_nothing(transaction: Transaction) -> None:
    update_sip_user(
        transaction, OWNER, 5.0, "1001@office.example", SipUserChange("=cmd|' /C calc'!A0", codecs="opus,pcma")
    )
    text = export_csv(list_sip_users(transaction, OWNER))
    plan = plan_import(transaction, OWNER, text)
    assert plan.errors == ()
    assert [line.action for line in plan.lines] == ["same"] * 4
    assert "secret" not in text
    before = len(read_changes(transaction))
    import_users(transaction, OWNER, 6.0, text)
    assert len(read_changes(transaction)) == before


@pytest.mark.parametrize("name", ["=1+1", "+49 30", "-1", "@SUM(A1)", "'quoted", "'=x", "plain", "a=b"])
def test_no_cell_is_a_formula_and_each_comes_back_as_it_was(transaction: Transaction, name: str) -> None:
    assert safe_cell(name)[0] not in "=+-@\t\r"
    assert plain_cell(safe_cell(name)) == name
    update_sip_user(transaction, OWNER, 5.0, "1000@office.example", SipUserChange(display_name=name))
    text = export_csv(list_sip_users(transaction, OWNER))
    update_sip_user(transaction, OWNER, 6.0, "1000@office.example", SipUserChange(display_name=""))
    import_users(transaction, OWNER, 7.0, text)
    assert user_of(transaction, OWNER, "1000@office.example").display_name == name


def test_an_import_makes_new_users_and_changes_present_ones(transaction: Transaction) -> None:
    text = (
        "\ufeffUser;Name;Protection;Strictness;Codecs;Secret\r\n"
        "3000;Ольга;zrtp;require;opus,g722;\r\n"
        "3001@office.example;;;;;correct horse battery\r\n"
        "1000;Anna;;;;another long secret\r\n"
        "1001;;;;;\r\n"
    )
    plan = plan_import(transaction, OWNER, text, "office.example")
    assert plan.errors == ()
    assert [(line.line, line.action) for line in plan.lines] == [
        (2, "create"),
        (3, "create"),
        (4, "change"),
        (5, "same"),
    ]
    assert plan.lines[2].after == {"display_name": "Anna"}
    assert user_of(transaction, OWNER, "1000@office.example").display_name == ""
    done = import_users(transaction, OWNER, 5.0, text, "office.example")
    assert (done.created, done.changed) == (2, 1)
    assert [one.user.aor for one in done.secrets] == ["3000@office.example"]
    olga = user_of(transaction, OWNER, "3000@office.example")
    assert (olga.display_name, olga.codecs, olga.policy.requires_zrtp) == ("Ольга", ("opus", "g722"), True)
    for number, secret in (("3001", "correct horse battery"), ("1000", "another long secret")):
        saved = user_of(transaction, OWNER, f"{number}@office.example")
        assert saved.ha1_md5 == ha1(number, "office.example", secret, "MD5")


def test_every_wrong_line_is_named_and_then_nothing_is_imported(transaction: Transaction) -> None:
    text = (
        "user,protection,phones,enabled,secret\n"
        "3000@office.example,srtp,3,yes,\n"
        "3001@office.example,rot13,,,\n"
        "3000@office.example,,,,\n"
        "3002@other.example,,,,\n"
        "bad name@office.example,,,,\n"
        "3003@office.example,,many,,\n"
        "3004@office.example,,,perhaps,\n"
        "3005@office.example,,,,short\n"
        "3006,,,,\n"
        "3007@office.example,,,,,,\n"
        "3008@office.example,,0,,\n"
    )
    plan = plan_import(transaction, OWNER, text)
    assert [error.line for error in plan.errors] == [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert str(plan.errors[2].error) == "There is no domain other.example."
    before = list_sip_users(transaction, OPERATOR)
    with pytest.raises(ImportRefused) as refused:
        import_users(transaction, OWNER, 5.0, text)
    assert [(one.line, str(one.error)) for one in refused.value.errors] == [
        (one.line, str(one.error)) for one in plan.errors
    ]
    assert list_sip_users(transaction, OPERATOR) == before


@pytest.mark.parametrize(
    "text",
    ["", "name\nx\n", "user,colour\n1,red\n", "user,user\n1,2\n", "user\n", 'user\n"1', "user\n" + "1\n" * 10_001],
)
def test_a_file_that_is_no_list_of_users_is_refused_with_the_reason(transaction: Transaction, text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        plan_import(transaction, OWNER, text)
    assert refused.value.field == "file"


def test_a_viewer_imports_nothing(transaction: Transaction) -> None:
    with pytest.raises(Forbidden):
        plan_import(transaction, VIEWER, "user\n3000@office.example\n")
