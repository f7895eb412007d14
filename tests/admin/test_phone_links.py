"""Links that set up a phone, and the checklist of an account, on a real database."""

from collections.abc import Iterator

import pytest

from postgres import Place
from sealtone.admin import (
    Actor,
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    SipUserChange,
    create_domain,
    create_sip_user,
    delete_sip_user,
    set_domain_enabled,
    set_secret,
    update_sip_user,
)
from sealtone.admin.onboarding import Step, checklist, dismiss_checklist, note_progress, restore_checklist
from sealtone.admin.phone_calls import phone_to_call
from sealtone.admin.phone_links import (
    LIFETIME_S,
    MOST_OPEN,
    list_phone_links,
    make_phone_link,
    redeem_phone_link,
    revoke_phone_link,
)
from sealtone.model import CallState, Role
from sealtone.registrar import Binding
from sealtone.sip.digest import ha1
from sealtone.store import Transaction
from sealtone.store.bindings import BindingChange, delete_bindings_of, write_bindings
from sealtone.store.directory import insert_account, read_changes
from sealtone.store.records import insert_calls
from store.records import call

AOR = "1000@office.example"
NOW = 1_000_000.0
OPERATOR = Actor("root", "command line")


@pytest.fixture
def transaction(place: Place) -> Iterator[Transaction]:
    database = place.database()
    with database.write() as transaction:
        yield transaction
    database.close()


@pytest.fixture
def ours(transaction: Transaction) -> Actor:
    account = insert_account(transaction, "ours", NOW)
    actor = Actor("admin@office.example", "192.0.2.7", account, Role.ADMIN)
    create_domain(transaction, OPERATOR, NOW, "office.example", account)
    create_sip_user(transaction, actor, NOW, AOR, secret="long enough secret")
    return actor


@pytest.fixture
def theirs(transaction: Transaction) -> Actor:
    return Actor("eve@other.example", "192.0.2.8", insert_account(transaction, "theirs", NOW), Role.OWNER)


def test_a_link_gives_the_users_digest_once(transaction: Transaction, ours: Actor) -> None:
    made = make_phone_link(transaction, ours, NOW, AOR)
    user = redeem_phone_link(transaction, NOW + 1, made.token, "192.0.2.9")
    assert user is not None
    assert user.ha1_sha256 == ha1("1000", "office.example", "long enough secret", "SHA-256")
    assert redeem_phone_link(transaction, NOW + 2, made.token, "192.0.2.9") is None


def test_making_a_link_changes_no_secret_and_a_new_secret_is_what_an_open_link_gives(
    transaction: Transaction, ours: Actor
) -> None:
    made = make_phone_link(transaction, ours, NOW, AOR)
    set_secret(transaction, ours, NOW + 1, AOR, "another long secret")
    user = redeem_phone_link(transaction, NOW + 2, made.token, "192.0.2.9")
    assert user is not None
    assert user.ha1_md5 == ha1("1000", "office.example", "another long secret", "MD5")


def test_a_link_ends_after_ten_minutes_when_revoked_and_with_its_user(transaction: Transaction, ours: Actor) -> None:
    late, revoked, orphaned, switched = (make_phone_link(transaction, ours, NOW, AOR) for _ in range(4))
    assert redeem_phone_link(transaction, NOW + LIFETIME_S, late.token, "") is None
    revoke_phone_link(transaction, ours, NOW + 1, AOR, revoked.link.number)
    assert redeem_phone_link(transaction, NOW + 2, revoked.token, "") is None
    update_sip_user(transaction, ours, NOW + 2, AOR, SipUserChange(enabled=False))
    assert redeem_phone_link(transaction, NOW + 3, switched.token, "") is None
    delete_sip_user(transaction, ours, NOW + 4, AOR)
    create_sip_user(transaction, ours, NOW + 5, AOR)
    assert redeem_phone_link(transaction, NOW + 6, orphaned.token, "") is None
    assert redeem_phone_link(transaction, NOW + 6, "no such token", "") is None
    assert redeem_phone_link(transaction, NOW + 6, "x" * 100_000, "") is None


def test_a_link_of_a_domain_that_is_switched_off_gives_nothing(transaction: Transaction, ours: Actor) -> None:
    made = make_phone_link(transaction, ours, NOW, AOR)
    set_domain_enabled(transaction, ours, NOW, "office.example", enabled=False)
    assert redeem_phone_link(transaction, NOW + 1, made.token, "") is None


def test_open_links_are_listed_without_what_opens_them_and_there_is_a_limit(
    transaction: Transaction, ours: Actor
) -> None:
    made = [make_phone_link(transaction, ours, NOW + number, AOR) for number in range(MOST_OPEN)]
    with pytest.raises(Conflict, match="are open already"):
        make_phone_link(transaction, ours, NOW + 20, AOR)
    listed = list_phone_links(transaction, ours, NOW + 20, AOR)
    assert [link.number for link in listed] == [each.link.number for each in reversed(made)]
    assert not any(each.token in repr(listed) for each in made)
    assert list_phone_links(transaction, ours, NOW + LIFETIME_S + 20, AOR) == ()
    make_phone_link(transaction, ours, NOW + LIFETIME_S + 20, AOR)


def test_making_and_revoking_is_in_the_change_log_and_the_token_is_not(transaction: Transaction, ours: Actor) -> None:
    made = make_phone_link(transaction, ours, NOW, AOR)
    revoke_phone_link(transaction, ours, NOW, AOR, made.link.number)
    changes = read_changes(transaction, subject=f"SIP user {AOR}")
    assert [change.after.get("phone_link") for change in changes[:2]] == ["revoked", "made"]
    assert made.token not in repr(changes)


def test_a_viewer_sees_links_and_makes_none_and_another_account_sees_no_user(
    transaction: Transaction, ours: Actor, theirs: Actor
) -> None:
    made = make_phone_link(transaction, ours, NOW, AOR)
    viewer = ours._replace(role=Role.VIEWER)
    assert len(list_phone_links(transaction, viewer, NOW, AOR)) == 1
    for attempt in (
        lambda who: make_phone_link(transaction, who, NOW, AOR),
        lambda who: revoke_phone_link(transaction, who, NOW, AOR, made.link.number),
        lambda who: phone_to_call(transaction, who, AOR),
    ):
        with pytest.raises(Forbidden):
            attempt(viewer)
        with pytest.raises(NotFound):
            attempt(theirs)
    with pytest.raises(NotFound):
        list_phone_links(transaction, theirs, NOW, AOR)


def test_a_phone_is_called_for_a_known_service_only(transaction: Transaction, ours: Actor) -> None:
    assert phone_to_call(transaction, ours, AOR).aor == AOR
    with pytest.raises(InvalidInput):
        phone_to_call(transaction, ours, AOR, "music")
    update_sip_user(transaction, ours, NOW, AOR, SipUserChange(enabled=False))
    with pytest.raises(Conflict):
        phone_to_call(transaction, ours, AOR)


def binding_of(aor: str) -> Binding:
    return Binding(
        aor=aor,
        instance="k",
        contact="sip:1000@192.0.2.9",
        call_id="c",
        cseq=1,
        expires_at=NOW + 600,
        registered_at=NOW + 5,
        transport="tls",
        received=("192.0.2.9", 5061),
        q=1000,
    )


def test_the_checklist_ticks_itself_from_what_happened(transaction: Transaction, theirs: Actor) -> None:
    account = theirs.account_id
    assert account is not None
    assert checklist(transaction, theirs, account).next_step is Step.DOMAIN
    create_domain(transaction, OPERATOR, NOW + 1, "other.example", account)
    assert checklist(transaction, theirs, account).next_step is Step.SIP_USER
    create_sip_user(transaction, theirs, NOW + 2, "1@other.example")
    seen = checklist(transaction, theirs, account)
    assert (seen.next_step, seen.domain, seen.aor) == (Step.REGISTERED, "other.example", "1@other.example")
    write_bindings(transaction.connection, [BindingChange([binding_of("1@other.example")])])
    assert checklist(transaction, theirs, account).reached[Step.REGISTERED] == NOW + 5
    plain = call(1, started_at=NOW + 10, account_id=account)._replace(state=CallState.OPEN)
    insert_calls(transaction.connection, [plain])
    assert checklist(transaction, theirs, account).next_step is Step.PROTECTED_CALL
    insert_calls(transaction.connection, [plain._replace(id="b", state=CallState.PROTECTED_TO_SERVER)])
    assert checklist(transaction, theirs, account).is_done


def test_what_was_noted_stays_done_when_its_trace_is_gone(transaction: Transaction, ours: Actor, theirs: Actor) -> None:
    account = ours.account_id
    assert account is not None
    write_bindings(transaction.connection, [BindingChange([binding_of(AOR)])])
    assert note_progress(transaction, account) == (Step.DOMAIN, Step.SIP_USER, Step.REGISTERED)
    assert note_progress(transaction, account) == ()
    delete_bindings_of(transaction.connection, [AOR])
    assert Step.REGISTERED in checklist(transaction, ours, account).reached
    assert theirs.account_id is not None
    assert checklist(transaction, theirs, theirs.account_id).reached == {}


def test_the_checklist_can_be_put_away_and_taken_out_again(
    transaction: Transaction, ours: Actor, theirs: Actor
) -> None:
    account = ours.account_id
    assert account is not None
    dismiss_checklist(transaction, ours, NOW, account)
    dismiss_checklist(transaction, ours, NOW, account)
    assert checklist(transaction, ours, account).dismissed
    restore_checklist(transaction, ours, account)
    assert not checklist(transaction, ours, account).dismissed
    with pytest.raises(Forbidden):
        dismiss_checklist(transaction, ours._replace(role=Role.VIEWER), NOW, account)
    with pytest.raises(NotFound):
        checklist(transaction, theirs, account)
