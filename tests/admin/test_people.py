"""The use cases about people on a real database: who gets in, who may do what, and what nobody may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postgres import Place
from sealtone.admin import (
    Actor,
    AdminError,
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    create_domain,
    create_sip_user,
    first_use,
    people,
    sign_in,
    sign_up,
)
from sealtone.admin import accounts as account_cases
from sealtone.admin.links import token_hash
from sealtone.admin.people import Newcomer, ProfileChange
from sealtone.admin.service import ServiceChange, service_settings, update_service
from sealtone.model import Person, Role
from sealtone.store import Database, Transaction, credentials
from sealtone.store import people as rows
from sealtone.store.directory import insert_account, load_snapshot, read_changes
from sealtone.store.tables import metadata

MACHINE = Actor("root", "command line")
HASH = "$argon2id$v=19$m=65536,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
DAY = 86_400.0


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
    newcomer = Newcomer("Ann", "Ann@Example.org", "Ann's office", HASH)
    return people.accept_owner(transaction, 11.0, link.token, newcomer, "192.0.2.1", "sip.example.org:8443")


def actor_of(person: Person) -> Actor:
    return Actor(person.email, "192.0.2.1", person.account_id, person.role, person.id, person.operator)


def join(transaction: Transaction, owner: Person, email: str, role: str) -> Person:
    link = people.invite(transaction, actor_of(owner), 20.0, owner.account_id, email, role)
    return people.accept_invitation(
        transaction, 21.0, link.token, Newcomer("Somebody", password_hash=HASH), "192.0.2.9"
    )


def other_account(transaction: Transaction, name: str = "Others", email: str = "bob@example.net") -> Person:
    account_id = insert_account(transaction, name, 5.0)
    return people.add_newcomer(
        transaction, 6.0, Newcomer("Bob", password_hash=HASH), email, account_id, Role.OWNER, "192.0.2.7"
    )


def test_the_owners_link_makes_an_owner_who_operates_the_service_and_works_once(transaction: Transaction) -> None:
    link = people.owner_link(transaction, 10.0)
    assert link is not None
    assert len(link.token) >= 43  # 256 bits in base64url
    newcomer = Newcomer("Ann", "Ann@Example.org", "Ann's office", HASH)
    owner = people.accept_owner(transaction, 11.0, link.token, newcomer, "192.0.2.1", "sip.example.org:8443")
    assert (owner.email, owner.role, owner.operator, owner.account_id) == ("ann@example.org", Role.OWNER, True, 1)
    assert account_cases.list_accounts(transaction, actor_of(owner))[0].name == "Ann's office"
    assert service_settings(transaction).public_name == "sip.example.org"
    with pytest.raises(NotFound):
        people.accept_owner(transaction, 12.0, link.token, newcomer._replace(email="b@example.org"), "192.0.2.1")
    assert people.owner_link(transaction, 13.0) is None


def test_a_newer_owners_link_and_a_day_end_the_one_before(transaction: Transaction) -> None:
    first, second = people.owner_link(transaction, 10.0), people.owner_link(transaction, 11.0)
    assert first is not None
    assert second is not None
    newcomer = Newcomer("Ann", "ann@example.org", "", HASH)
    for token, now in ((first.token, 12.0), (second.token, 12.0 + DAY), ("", 12.0), ("x" * 10_000, 12.0)):
        with pytest.raises(NotFound):
            people.accept_owner(transaction, now, token, newcomer, "192.0.2.1")
    people.accept_owner(transaction, 13.0, second.token, newcomer, "192.0.2.1")


def test_an_owner_who_came_by_an_ip_address_names_the_service_nothing(transaction: Transaction) -> None:
    for host in ("192.0.2.1:8443", "[2001:db8::1]", "localhost:8443", ""):
        with transaction.connection.begin_nested() as attempt:
            link = people.owner_link(transaction, 10.0)
            assert link is not None
            newcomer = Newcomer("Ann", "ann@example.org", "", HASH)
            people.accept_owner(transaction, 11.0, link.token, newcomer, "192.0.2.1", host)
            assert service_settings(transaction).public_name == ""
            attempt.rollback()


def test_no_token_stands_in_the_database(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with database.write() as transaction:
        first_use(transaction, 1.0)
        link = people.owner_link(transaction, 10.0)
        assert link is not None
    database.close()
    files = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    assert link.token.encode() not in files
    assert token_hash(link.token) in files


def test_an_invitation_makes_a_person_of_its_account_with_its_role_once(
    transaction: Transaction, owner: Person
) -> None:
    link = people.invite(transaction, actor_of(owner), 20.0, owner.account_id, " Eve@Example.ORG ", "viewer")
    (listed,) = people.list_invitations(transaction, actor_of(owner), 21.0)
    assert (listed.subject, people.role_of_invitation(listed)) == ("eve@example.org", Role.VIEWER)
    newcomer = Newcomer("Eve", "somebody-else@example.org", password_hash=HASH)
    eve = people.accept_invitation(transaction, 22.0, link.token, newcomer, "192.0.2.2")
    assert (eve.email, eve.role, eve.account_id, eve.operator) == ("eve@example.org", Role.VIEWER, 1, False)
    assert people.list_invitations(transaction, actor_of(owner), 23.0) == ()
    with pytest.raises(NotFound):
        people.accept_invitation(transaction, 24.0, link.token, newcomer, "192.0.2.2")


def test_an_invitation_ends_by_time_by_revoking_and_by_a_newer_one(transaction: Transaction, owner: Person) -> None:
    actor, newcomer = actor_of(owner), Newcomer("Eve", password_hash=HASH)
    late = people.invite(transaction, actor, 20.0, 1, "late@example.org", "admin")
    revoked = people.invite(transaction, actor, 20.0, 1, "revoked@example.org", "admin")
    replaced = people.invite(transaction, actor, 20.0, 1, "twice@example.org", "admin")
    people.invite(transaction, actor, 20.0, 1, "twice@example.org", "viewer")
    people.revoke_invitation(transaction, actor, 21.0, revoked.link.number)
    with pytest.raises(NotFound):
        people.revoke_invitation(transaction, actor, 21.0, revoked.link.number)
    told = set()
    for token, now in ((late.token, 20.0 + 7 * DAY), (revoked.token, 22.0), (replaced.token, 22.0), ("none", 22.0)):
        with pytest.raises(NotFound) as refused:
            people.accept_invitation(transaction, now, token, newcomer, "192.0.2.2")
        told.add(str(refused.value))
    assert len(told) == 1


def test_the_last_owner_is_neither_removed_nor_lowered_nor_switched_off(
    transaction: Transaction, owner: Person
) -> None:
    actor = actor_of(owner)
    join(transaction, owner, "eve@example.org", "admin")
    for attempt in (
        lambda: people.remove_person(transaction, actor, 30.0, owner.id),
        lambda: people.change_role(transaction, actor, 30.0, owner.id, "admin"),
        lambda: people.set_person_enabled(transaction, actor, 30.0, owner.id, enabled=False),
        lambda: people.set_operator(transaction, actor, 30.0, owner.id, operator=False),
    ):
        with pytest.raises(Conflict):
            attempt()
    assert rows.count_owners(transaction, owner.account_id) == 1


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["remove", "role", "enable", "disable", "operator"]),
            st.integers(0, 3),
            st.integers(0, 3),
            st.sampled_from(["owner", "admin", "viewer"]),
        ),
        max_size=25,
    )
)
def test_whatever_people_do_to_each_other_an_owner_and_an_operator_are_left(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int, str]]
) -> None:
    database = Database(tmp_path_factory.mktemp("people"))
    with database.write() as transaction:
        first_use(transaction, 1.0, "office.example")
        link = people.owner_link(transaction, 10.0)
        assert link is not None
        first = people.accept_owner(transaction, 11.0, link.token, Newcomer("Ann", "a@example.org", "", HASH), "x")
        everybody = [first, *(join(transaction, first, f"p{n}@example.org", "owner") for n in range(3))]
        for what, who, whom, role in steps:
            present = rows.find_person(transaction, everybody[who].id)
            if present is None or not present.enabled:
                continue
            actor, target = actor_of(present), everybody[whom].id
            try:
                match what:
                    case "remove":
                        people.remove_person(transaction, actor, 30.0, target)
                    case "role":
                        people.change_role(transaction, actor, 30.0, target, role)
                    case "operator":
                        people.set_operator(transaction, actor, 30.0, target, operator=role == "owner")
                    case _:
                        people.set_person_enabled(transaction, actor, 30.0, target, enabled=what == "enable")
            except AdminError:
                pass
            assert rows.count_owners(transaction, 1) >= 1
            assert rows.count_operators(transaction) >= 1
    database.close()


def decisions(
    transaction: Transaction, actor: Actor, account_id: int, person_id: int
) -> tuple[Callable[[], object], ...]:
    """Everything that an owner decides about an account and its people."""
    return (
        lambda: people.invite(transaction, actor, 30.0, account_id, "new@example.org", "viewer"),
        lambda: people.change_role(transaction, actor, 30.0, person_id, "owner"),
        lambda: people.set_person_enabled(transaction, actor, 30.0, person_id, enabled=False),
        lambda: people.remove_person(transaction, actor, 30.0, person_id),
        lambda: people.password_link(transaction, actor, 30.0, person_id),
        lambda: account_cases.rename_account(transaction, actor, 30.0, account_id, "Mine"),
        lambda: account_cases.close_account(transaction, actor, 30.0, account_id, "Ann's office"),
        lambda: account_cases.set_second_factor_needed(transaction, actor, 30.0, account_id, needed=True),
    )


def test_only_owners_decide_about_people_and_only_in_their_own_account(transaction: Transaction, owner: Person) -> None:
    admin, viewer = (join(transaction, owner, f"{role}@example.org", role) for role in ("admin", "viewer"))
    stranger = other_account(transaction)
    for person, refusal in ((admin, Forbidden), (viewer, Forbidden), (stranger, NotFound)):
        actor = actor_of(person)
        for attempt in decisions(transaction, actor, owner.account_id, viewer.id):
            with pytest.raises(refusal):
                attempt()
        with pytest.raises(Forbidden):
            update_service(transaction, actor, 30.0, ServiceChange(sign_up="open"))
    assert {person.email for person in people.list_people(transaction, actor_of(stranger))} == {"bob@example.net"}
    with pytest.raises(NotFound) as foreign:
        people.remove_person(transaction, actor_of(stranger), 30.0, viewer.id)
    with pytest.raises(NotFound) as missing:
        people.remove_person(transaction, actor_of(stranger), 30.0, 987_654)
    assert str(foreign.value) == str(missing.value)


def test_an_owner_who_does_not_operate_gets_no_hold_of_one_who_does(transaction: Transaction, owner: Person) -> None:
    second = actor_of(join(transaction, owner, "second@example.org", "owner"))
    for attempt in (
        lambda: people.password_link(transaction, second, 30.0, owner.id, without_second_factor=True),
        lambda: people.remove_person(transaction, second, 30.0, owner.id),
        lambda: people.change_role(transaction, second, 30.0, owner.id, "viewer"),
        lambda: people.set_operator(transaction, second, 30.0, second.person_id or 0, operator=True),
    ):
        with pytest.raises(Forbidden):
            attempt()


def test_nobody_changes_another_persons_profile_or_password(transaction: Transaction, owner: Person) -> None:
    eve = join(transaction, owner, "eve@example.org", "viewer")
    with pytest.raises(Forbidden):
        people.update_profile(transaction, actor_of(owner), 30.0, eve.id, ProfileChange(name="Not Eve"))
    with pytest.raises(Forbidden):
        people.set_password(transaction, actor_of(owner), 30.0, eve.id, HASH)
    with pytest.raises(Forbidden):
        sign_in.list_sessions(transaction, actor_of(owner), eve.id, 30.0, 0.0)
    changed = people.update_profile(transaction, actor_of(eve), 31.0, eve.id, ProfileChange("Eve", "ru", "dark"))
    assert (changed.name, changed.language, changed.theme) == ("Eve", "ru", "dark")
    with pytest.raises(InvalidInput):
        people.update_profile(transaction, actor_of(eve), 31.0, eve.id, ProfileChange(language="xx"))


def test_a_link_for_a_new_password_works_once_and_a_newer_one_ends_it(transaction: Transaction, owner: Person) -> None:
    eve = join(transaction, owner, "eve@example.org", "viewer")
    old = people.password_link(transaction, actor_of(owner), 30.0, eve.id)
    link = people.password_link(transaction, actor_of(owner), 31.0, eve.id)
    with pytest.raises(NotFound):
        people.take_password_link(transaction, 32.0, old.token, HASH + "x", "192.0.2.2")
    people.take_password_link(transaction, 33.0, link.token, HASH + "y", "192.0.2.2")
    assert rows.read_password_hash(transaction, eve.id) == HASH + "y"
    with pytest.raises(NotFound):
        people.take_password_link(transaction, 34.0, link.token, HASH + "z", "192.0.2.2")
    found = rows.find_person(transaction, eve.id)
    assert found is not None
    assert found.email_verified_at is None  # an owner gave the link: that says nothing of the address
    mailed = sign_in.forgotten_password(transaction, 40.0, "EVE@example.org")
    assert mailed is not None
    verified = people.take_password_link(transaction, 41.0, mailed[0].token, HASH, "192.0.2.2")
    assert verified.email_verified_at == 41.0
    assert sign_in.forgotten_password(transaction, 42.0, "nobody@example.org") is None
    late = sign_in.forgotten_password(transaction, 50.0, "eve@example.org")
    assert late is not None
    with pytest.raises(NotFound):
        people.take_password_link(transaction, 50.0 + 3600.0, late[0].token, HASH, "192.0.2.2")


def test_somebody_or_an_account_switched_off_does_not_get_in(transaction: Transaction, owner: Person) -> None:
    eve = join(transaction, owner, "eve@example.org", "admin")
    bob = other_account(transaction)
    assert sign_in.sign_in_facts(transaction, "Eve@example.org") is not None
    people.set_person_enabled(transaction, actor_of(owner), 30.0, eve.id, enabled=False)
    assert sign_in.sign_in_facts(transaction, "eve@example.org") is None
    account_cases.set_account_enabled(transaction, actor_of(owner), 31.0, bob.account_id, enabled=False)
    assert sign_in.sign_in_facts(transaction, bob.email) is None
    with pytest.raises(Conflict):
        account_cases.set_account_enabled(transaction, actor_of(owner), 31.0, owner.account_id, enabled=False)


def test_an_address_is_one_persons_whatever_its_case(transaction: Transaction, owner: Person) -> None:
    bob = other_account(transaction)
    link = people.invite(transaction, actor_of(owner), 20.0, owner.account_id, "BOB@example.net", "admin")
    with pytest.raises(Conflict):
        people.accept_invitation(transaction, 21.0, link.token, Newcomer("Bob", password_hash=HASH), "192.0.2.2")
    with pytest.raises(InvalidInput):
        people.change_email(transaction, actor_of(owner), 30.0, owner.id, "Bob@Example.net")
    assert people.email_link(transaction, actor_of(owner), 30.0, owner.id, bob.email) is None
    wanted = people.email_link(transaction, actor_of(owner), 31.0, owner.id, "new@example.org")
    assert wanted is not None
    changed = people.take_email_link(transaction, 32.0, wanted.token, "192.0.2.1")
    assert (changed.email, changed.email_verified_at) == ("new@example.org", 32.0)


@pytest.mark.parametrize(
    "text",
    ["", "ann", "@example.org", "ann@", "ann@localhost", "a b@example.org", "ann@example.org\nBcc: x@example.org",
     "<ann@example.org>", "ann@192.0.2.1", "é@example.org", "a" * 65 + "@example.org", ".ann@example.org"],
)  # fmt: skip
def test_what_is_no_address_is_refused_at_its_field(transaction: Transaction, owner: Person, text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        people.invite(transaction, actor_of(owner), 20.0, owner.account_id, text, "viewer")
    assert refused.value.field == "email"


def test_sign_up_makes_an_account_only_where_it_is_open(transaction: Transaction, owner: Person) -> None:
    newcomer = Newcomer("Cat", "cat@example.com", "Cat Ltd", HASH)
    assert service_settings(transaction).sign_up.value == "invited"
    for mode in ("invited", "closed"):
        update_service(transaction, actor_of(owner), 20.0, ServiceChange(sign_up=mode))
        with pytest.raises(Forbidden):
            sign_up.begin_sign_up(transaction, 21.0, newcomer)
        with pytest.raises(Forbidden):
            sign_up.sign_up_at_once(transaction, 21.0, newcomer, "192.0.2.5")
    update_service(transaction, actor_of(owner), 22.0, ServiceChange(sign_up="open"))
    mail = sign_up.begin_sign_up(transaction, 23.0, newcomer)
    assert mail.link is not None
    assert rows.find_person_by_email(transaction, "cat@example.com") is None
    cat = sign_up.finish_sign_up(transaction, 24.0, mail.link.token, "192.0.2.5")
    assert (cat.role, cat.operator, cat.email_verified_at, cat.has_password) == (Role.OWNER, False, 24.0, True)
    assert cat.account_id != owner.account_id
    assert sign_up.begin_sign_up(transaction, 25.0, newcomer).link is None
    sign_up.sign_up_at_once(transaction, 26.0, newcomer, "192.0.2.5")
    assert len([person for person in rows.read_people(transaction) if person.email == cat.email]) == 1


def test_an_invitation_for_an_account_works_unless_sign_up_is_closed(transaction: Transaction, owner: Person) -> None:
    link = sign_up.invite_account(transaction, actor_of(owner), 20.0, "dan@example.com")
    update_service(transaction, actor_of(owner), 21.0, ServiceChange(sign_up="closed"))
    newcomer = Newcomer("Dan", "", "Dan Ltd", HASH)
    with pytest.raises(NotFound):
        people.accept_invitation(transaction, 22.0, link.token, newcomer, "192.0.2.5")
    update_service(transaction, actor_of(owner), 23.0, ServiceChange(sign_up="invited"))
    dan = people.accept_invitation(transaction, 24.0, link.token, newcomer, "192.0.2.5")
    assert (dan.email, dan.role) == ("dan@example.com", Role.OWNER)
    with pytest.raises(Forbidden):
        sign_up.invite_account(transaction, actor_of(dan), 25.0, "more@example.com")


def test_closing_an_account_leaves_nothing_of_it_and_nothing_less_of_the_others(
    transaction: Transaction, owner: Person
) -> None:
    bob = other_account(transaction, "Bob's")
    actor = actor_of(bob)
    create_domain(transaction, MACHINE, 20.0, "bob.example", bob.account_id)
    create_sip_user(transaction, actor, 20.0, "7@bob.example")
    people.invite(transaction, actor, 21.0, bob.account_id, "guest@example.com", "admin")
    with pytest.raises(InvalidInput):
        account_cases.close_account(transaction, actor, 30.0, bob.account_id, "bob's")
    account_cases.close_account(transaction, actor, 30.0, bob.account_id, "Bob's")
    snapshot = load_snapshot(transaction)
    assert snapshot.user("7@bob.example") is None
    assert snapshot.user("1000@office.example") is not None
    assert rows.find_person_by_email(transaction, bob.email) is None
    assert [account.id for account in account_cases.list_accounts(transaction, MACHINE)] == [owner.account_id]
    for table in metadata.sorted_tables:
        if "account_id" in table.c and table.name != "change_log":
            left = transaction.connection.execute(table.select().where(table.c.account_id == bob.account_id)).all()
            assert left == [], table.name
    (change,) = read_changes(transaction, limit=1)
    assert (change.account_id, change.action, change.subject) == (None, "delete", "account Bob's")
    with pytest.raises(Conflict):
        account_cases.close_account(transaction, actor_of(owner), 31.0, owner.account_id, "Ann's office")


def test_every_change_is_in_the_log_and_no_secret_is(transaction: Transaction, owner: Person) -> None:
    before = len(read_changes(transaction, limit=1000))
    eve = join(transaction, owner, "eve@example.org", "viewer")
    people.change_role(transaction, actor_of(owner), 30.0, eve.id, "admin")
    people.set_password(transaction, actor_of(eve), 31.0, eve.id, HASH + "x")
    link = people.password_link(transaction, actor_of(owner), 32.0, eve.id)
    people.remove_person(transaction, actor_of(owner), 33.0, eve.id)
    changes = read_changes(transaction, limit=1000)
    assert len(changes) - before == 6
    assert "argon2" not in str(changes)
    assert link.token not in str(changes)
    assert [(change.action, change.actor) for change in changes[:3]] == [
        ("delete", "ann@example.org"),
        ("change", "ann@example.org"),
        ("change", "eve@example.org"),
    ]


def test_a_new_password_ends_every_other_session(transaction: Transaction, owner: Person) -> None:
    from sealtone.store.sessions import insert_session

    for token in (b"one", b"two", b"here"):
        insert_session(
            transaction,
            token_hash=token,
            number=token.decode(),
            person_id=owner.id,
            signed_in_by="password",
            now_wall=20.0,
            expires_at=1e9,
            address="192.0.2.1",
            user_agent="test",
        )
    people.set_password(transaction, actor_of(owner), 30.0, owner.id, HASH + "x", b"here")
    assert [session.number for session in credentials.read_sessions(transaction, owner.id, 31.0, 0.0)] == ["here"]


def test_without_a_passkey_the_password_stays(transaction: Transaction, owner: Person) -> None:
    with pytest.raises(Conflict):
        people.set_password(transaction, actor_of(owner), 30.0, owner.id, "")
