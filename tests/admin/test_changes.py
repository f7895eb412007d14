"""The change log: how far a change was taken up, who sees it, and taking it back field by field."""

import csv
import io
from collections.abc import Iterator

import pytest

from postgres import Place
from sealtone.admin import (
    Actor,
    Conflict,
    DomainChange,
    Forbidden,
    InvalidInput,
    NotFound,
    SipUserChange,
    change_of,
    changes_csv,
    count_waiting,
    create_domain,
    create_sip_user,
    delete_sip_user,
    first_use,
    page_of_changes,
    reversal_of,
    revert_change,
    set_call_retention,
    set_domain_enabled,
    set_secret,
    update_domain,
    update_domain_recording,
    update_sip_user,
    user_of,
)
from sealtone.admin.domains import domain_of
from sealtone.admin.recordings import DomainRecordingChange
from sealtone.model import Language, RecordingPolicy, Role
from sealtone.store import Transaction
from sealtone.store.changes import ChangeFilter, begin_applying, settle
from sealtone.store.directory import find_account, insert_account, last_change

OWNER = Actor("anna@office.example", "192.0.2.7", 1)
VIEWER = Actor("vera@office.example", "192.0.2.8", 1, Role.VIEWER)
STRANGER = Actor("sam@other.example", "192.0.2.9", 2)
OPERATOR = Actor("root", "command line")
AOR = "1000@office.example"


@pytest.fixture
def transaction(place: Place) -> Iterator[Transaction]:
    database = place.database()
    with database.write() as transaction:
        assert first_use(transaction, 1.0, "office.example")
        insert_account(transaction, "Other", 2.0)
        settle(transaction, begin_applying(transaction), 2.0)
        yield transaction
    database.close()


def changed(transaction: Transaction, **form: object) -> int:
    update_sip_user(transaction, OWNER, 5.0, AOR, SipUserChange(**form))  # type: ignore[arg-type]
    return last_change(transaction)


# How far


def test_a_change_is_pending_then_applying_then_done(transaction: Transaction) -> None:
    number = changed(transaction, display_name="Anna")
    assert change_of(transaction, OWNER, number).state == "pending"
    assert count_waiting(transaction, OWNER) == 1
    ids = begin_applying(transaction)
    assert ids == (number,)
    assert change_of(transaction, OWNER, number).state == "applying"
    later = changed(transaction, display_name="Bert")
    assert settle(transaction, ids, 7.0) == ((number, 1, "done"),)
    found = change_of(transaction, OWNER, number)
    assert (found.state, found.settled_at, found.failure) == ("done", 7.0, "")
    assert change_of(transaction, OWNER, later).state == "pending"
    assert begin_applying(transaction) == (later,)


def test_a_change_that_failed_says_why_and_is_tried_again(transaction: Transaction) -> None:
    number = changed(transaction, display_name="Anna")
    settle(transaction, begin_applying(transaction), 7.0, "The disk is full.")
    found = change_of(transaction, OWNER, number)
    assert (found.state, found.failure) == ("failed", "The disk is full.")
    settle(transaction, begin_applying(transaction), 9.0)
    found = change_of(transaction, OWNER, number)
    assert (found.state, found.failure, found.settled_at) == ("done", "", 9.0)
    assert count_waiting(transaction, OWNER) == 0


def test_more_changes_than_a_statement_has_parameters_are_settled_together(transaction: Transaction) -> None:
    for turn in range(1201):
        update_sip_user(transaction, OWNER, 5.0, AOR, SipUserChange(display_name=str(turn)))
    assert len(settle(transaction, begin_applying(transaction), 7.0)) == 1201
    assert count_waiting(transaction, OWNER) == 0


# Who sees what


def test_an_account_sees_its_own_changes_and_pages_through_them(transaction: Transaction) -> None:
    create_domain(transaction, OPERATOR, 3.0, "other.example", 2)
    numbers = [changed(transaction, display_name=str(turn)) for turn in range(9)]
    seen: list[int] = []
    before = None
    while True:
        page = page_of_changes(transaction, OWNER, ChangeFilter(subject=f"SIP user {AOR}", before_id=before, limit=4))
        seen += [change.id for change in page.changes]
        before = page.before_id
        if before is None:
            break
    assert seen[:9] == numbers[::-1]
    (theirs,) = page_of_changes(transaction, STRANGER, ChangeFilter(account_id=1)).changes
    assert theirs.subject == "domain other.example"
    with pytest.raises(NotFound) as missing:
        change_of(transaction, STRANGER, numbers[0])
    assert str(missing.value) == f"There is no change {numbers[0]}."
    with pytest.raises(NotFound) as nowhere:
        change_of(transaction, STRANGER, 999)
    assert str(nowhere.value) == "There is no change 999."


def test_changes_are_found_by_who_what_when_and_state(transaction: Transaction) -> None:
    number = changed(transaction, display_name="x")
    update_sip_user(transaction, OPERATOR, 50.0, "1001@office.example", SipUserChange(enabled=False))

    def found(**wanted: object) -> list[int]:
        return [change.id for change in page_of_changes(transaction, OWNER, ChangeFilter(**wanted)).changes]  # type: ignore[arg-type]

    assert found(text="ANNA@") == [number]
    assert found(text="192.0.2.7") == [number]
    assert found(state="pending") == [number + 1, number]
    assert found(action="create", text=AOR) == [2]
    assert found(since=40.0) == [number + 1]
    assert found(since=4.0, until=50.0) == [number]
    for wrong in ({"state": "x"}, {"action": "x"}):
        with pytest.raises(InvalidInput):
            found(**wrong)


def test_the_log_for_a_spreadsheet_holds_no_formula(transaction: Transaction) -> None:
    update_sip_user(transaction, Actor("=cmd", "+1", 1), 5.0, AOR, SipUserChange(display_name="=1+1"))
    text = changes_csv(page_of_changes(transaction, OWNER, ChangeFilter(limit=1)).changes)
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["who"], row["from"], row["after"], row["time"]) == (
        "'=cmd",
        "'+1",
        "display_name==1+1",
        "1970-01-01T00:00:05Z",
    )


# Taking back


def test_taking_a_change_back_restores_its_fields_as_a_new_change(transaction: Transaction) -> None:
    number = changed(transaction, display_name="Anna", protection="zrtp", strictness="require", codecs="opus,g729")
    made = revert_change(transaction, OWNER, 9.0, number)
    user = user_of(transaction, OWNER, AOR)
    assert (user.display_name, user.policy.protection, user.policy.strictness, user.codecs) == (
        "",
        "srtp",
        "prefer",
        (),
    )
    new = change_of(transaction, OWNER, made)
    assert (new.reverts, new.actor, new.at, new.state) == (number, OWNER.name, 9.0, "pending")
    old = change_of(transaction, OWNER, number)
    assert old.reverted_by == made
    with pytest.raises(Conflict, match=f"taken back already, by change {made}"):
        revert_change(transaction, OWNER, 10.0, number)
    revert_change(transaction, OWNER, 11.0, made)
    assert user_of(transaction, OWNER, AOR).codecs == ("opus", "g729")


def test_only_what_still_is_as_the_change_left_it_goes_back(transaction: Transaction) -> None:
    number = changed(transaction, display_name="Anna", codecs="opus", max_contacts=3)
    changed(transaction, codecs="pcma", max_contacts=10)
    reversal = reversal_of(transaction, OWNER, change_of(transaction, OWNER, number))
    assert reversal.fields == {"display_name": ""}
    assert sorted(map(str, reversal.obstacles)) == [
        "The field codecs was changed since: it is “pcma” now, and this change had made it “opus”.",
        "The field max_contacts is “10” again already.",
    ]
    revert_change(transaction, OWNER, 9.0, number)
    user = user_of(transaction, OWNER, AOR)
    assert (user.display_name, user.codecs, user.max_contacts) == ("", ("pcma",), 10)


def test_a_secret_and_a_deleted_user_are_not_brought_back_and_the_reason_is_said(transaction: Transaction) -> None:
    set_secret(transaction, OWNER, 5.0, AOR)
    with pytest.raises(Conflict, match="A secret cannot be brought back"):
        revert_change(transaction, OWNER, 6.0, last_change(transaction))
    delete_sip_user(transaction, OWNER, 7.0, AOR)
    with pytest.raises(Conflict, match="its secret was not kept"):
        revert_change(transaction, OWNER, 8.0, last_change(transaction))


def test_taking_back_a_creation_deletes_the_user_unless_it_was_changed(transaction: Transaction) -> None:
    create_sip_user(transaction, OWNER, 5.0, "2000@office.example")
    first = last_change(transaction)
    create_sip_user(transaction, OWNER, 5.0, "2001@office.example")
    second = last_change(transaction)
    update_sip_user(transaction, OWNER, 6.0, "2001@office.example", SipUserChange(codecs="opus"))
    made = revert_change(transaction, OWNER, 7.0, first)
    assert change_of(transaction, OWNER, made).action == "delete"
    with pytest.raises(NotFound):
        user_of(transaction, OWNER, "2000@office.example")
    with pytest.raises(Conflict, match="was changed since"):
        revert_change(transaction, OWNER, 8.0, second)


def test_what_does_not_go_together_any_more_is_refused_and_nothing_saved(transaction: Transaction) -> None:
    from sealtone.admin import set_recording_key

    changed(transaction, protection="zrtp", strictness="require", path="sealed")
    number = changed(transaction, path="server")
    recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    set_recording_key(transaction, OWNER, 6.0, 1, recipient, rotate=False)
    changed(transaction, recording="always")
    with pytest.raises(Conflict, match="requires ZRTP on a sealed or direct path"):
        revert_change(transaction, OWNER, 9.0, number)
    assert user_of(transaction, OWNER, AOR).policy.path == "server"


def test_a_domains_and_an_accounts_changes_go_back_too(transaction: Transaction) -> None:
    name = "office.example"
    update_domain(transaction, OWNER, 5.0, name, DomainChange("ru", False, "notice", "both"))
    sounds = last_change(transaction)
    update_domain_recording(transaction, OWNER, 5.0, name, DomainRecordingChange("never", "none", "flac", "7"))
    recording = last_change(transaction)
    set_domain_enabled(transaction, OWNER, 5.0, name, enabled=False)
    switched = last_change(transaction)
    set_call_retention(transaction, OWNER, 5.0, 1, "30")
    kept = last_change(transaction)
    before = domain_of(transaction, OWNER, name)
    assert before.announcements.language is Language.RUSSIAN
    for number in (sounds, recording, switched, kept):
        revert_change(transaction, OWNER, 9.0, number)
    after = domain_of(transaction, OWNER, name)
    assert (after.enabled, after.announcements.language) == (True, Language.ENGLISH)
    assert after.announcements.music_on_hold
    assert (after.recording.policy, after.recording.keep_days) == (RecordingPolicy.ON_DEMAND, 90)
    account = find_account(transaction, 1)
    assert account is not None
    assert account.keep_calls_days == 365


def test_nobody_takes_back_what_they_may_not_change(transaction: Transaction) -> None:
    number = changed(transaction, display_name="Anna")
    with pytest.raises(Forbidden):
        revert_change(transaction, VIEWER, 9.0, number)
    with pytest.raises(NotFound):
        revert_change(transaction, STRANGER, 9.0, number)
    assert user_of(transaction, OWNER, AOR).display_name == "Anna"
