"""The service as YAML: written, taken up again, and what a file cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postgres import Place
from sealtone.admin import (
    Actor,
    ConfigurationError,
    Forbidden,
    SipUserChange,
    create_domain,
    create_sip_user,
    export_configuration,
    import_configuration,
)
from sealtone.admin.configuration import preview_import
from sealtone.model import Role
from sealtone.store import Database, Transaction
from sealtone.store.directory import insert_account, last_change, load_snapshot, read_users

ROOT = Actor("root", "command line")
NOW = 1000.0


@pytest.fixture
def transaction(tmp_path: Path) -> Iterator[Transaction]:
    with empty(tmp_path) as database, database.write() as transaction:
        yield transaction


class empty:
    """A database with an account and a domain."""

    def __init__(self, folder: Path, *, filled: bool = True) -> None:
        self.database, self.filled = Database(folder), filled

    def __enter__(self) -> Database:
        if self.filled:
            with self.database.write() as transaction:
                account = insert_account(transaction, "Office", NOW)
                create_domain(transaction, ROOT, NOW, "office.example", account)
        return self.database

    def __exit__(self, *error: object) -> None:
        self.database.close()


words = st.text(st.characters(categories=("L", "N", "P", "S"), include_characters=" "), max_size=30)
users = st.lists(
    st.tuples(
        st.from_regex(r"[A-Za-z0-9_.+-]{1,12}", fullmatch=True),
        st.builds(
            SipUserChange,
            display_name=words,
            protection=st.sampled_from(["none", "srtp", "zrtp"]),
            strictness=st.sampled_from(["prefer", "require"]),
            path=st.sampled_from(["server", "sealed", "direct"]),
            codecs=st.sampled_from(["", "opus,pcma", "g729"]),
            max_contacts=st.integers(1, 50),
            enabled=st.booleans(),
            recording=st.sampled_from(["domain", "never", "on-demand"]),
            language=st.sampled_from(["domain", "en", "ru"]),
        ),
    ),
    unique_by=lambda one: one[0],
    max_size=4,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=users)
def test_what_was_written_is_taken_up_elsewhere_and_changes_nothing_here(
    made: list[tuple[str, SipUserChange]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with empty(tmp_path_factory.mktemp("here")) as here, empty(tmp_path_factory.mktemp("there"), filled=False) as there:
        with here.write() as transaction:
            for name, form in made:
                create_sip_user(transaction, ROOT, NOW, f"{name}@office.example", form)
            text = export_configuration(transaction, ROOT, with_secrets=True)
            before = last_change(transaction)
            assert import_configuration(transaction, ROOT, NOW, text).changes == ()
            assert last_change(transaction) == before
            known = {user.aor: (user.ha1_md5, user.ha1_sha256) for user in read_users(transaction)}
        with there.write() as transaction:
            taken = import_configuration(transaction, ROOT, NOW, text)
            assert taken.secrets == ()
            assert export_configuration(transaction, ROOT, with_secrets=True) == text
            assert {user.aor: (user.ha1_md5, user.ha1_sha256) for user in read_users(transaction)} == known


def test_without_secrets_there_are_none_in_the_file_and_new_users_get_their_own(transaction: Transaction) -> None:
    create_sip_user(transaction, ROOT, NOW, "1000@office.example")
    text = export_configuration(transaction, ROOT)
    assert "ha1" not in text
    more = text.replace("'1000'", "'1001'")
    taken = import_configuration(transaction, ROOT, NOW, more)
    assert [made.user.aor for made in taken.secrets] == ["1001@office.example"]
    assert [(change.action, change.subject) for change in taken.changes] == [("create", "SIP user 1001@office.example")]
    assert {user.username for user in load_snapshot(transaction).users()} == {"1000", "1001"}


def test_a_changed_field_is_changed_and_logged_as_by_hand(transaction: Transaction) -> None:
    create_sip_user(transaction, ROOT, NOW, "1000@office.example")
    text = export_configuration(transaction, ROOT).replace("open_notice: 'off'", "open_notice: tone")
    (change,) = import_configuration(transaction, ROOT, NOW, text).changes
    assert (change.subject, change.before, change.after) == (
        "domain office.example",
        {"open_notice": "off"},
        {"open_notice": "tone"},
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no keys"),
        ("sealtone: 2", "another version"),
        ("sealtone: 1\naccounts: [", "Line 2: This is no YAML"),
        ("sealtone: 1\nacounts: []", "Line 2: acounts is no key here"),
        ("sealtone: 1\naccounts:\n- name: Office\n  domains:\n  - name: office.example\n    langage: en", "Line 6"),
        ("sealtone: 1\naccounts:\n- name: Office\n  name: Office", "Line 4: name stands there twice"),
        ("sealtone: 1\naccounts:\n- &a\n  name: Office\n- *a", "aliases"),
        ("sealtone: 1\naccounts: " + "[" * 50 + "]" * 50, "nested too deep"),
        ("sealtone: 1\naccounts:\n- keep_calls: 3", "name is missing"),
        ("sealtone: 1\naccounts: !!python/object/apply:os.system [ls]", "Each of accounts"),
        (
            "sealtone: 1\naccounts:\n- name: Office\n  domains:\n  - name: office.example\n    users:\n"
            "    - username: '1'\n      protection: rot13",
            "Line 7: protection",
        ),
        (
            "sealtone: 1\naccounts:\n- name: Office\n  domains:\n  - name: office.example\n    users:\n"
            "    - username: '1'\n      ha1_md5: 00",
            "hexadecimal",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_line(transaction: Transaction, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        import_configuration(transaction, ROOT, NOW, text)


def test_a_file_is_taken_up_whole_or_not_at_all(tmp_path: Path) -> None:
    with empty(tmp_path) as database:
        with database.read() as transaction:
            before = export_configuration(transaction, ROOT, with_secrets=True)
        document = yaml.safe_load(before)
        document["accounts"][0]["keep_calls"] = 5
        document["accounts"][0]["domains"][0]["users"] = [{"username": "1"}, {"username": "no such name"}]
        with pytest.raises(ConfigurationError, match="user name"), database.write() as transaction:
            import_configuration(transaction, ROOT, NOW, yaml.safe_dump(document))
        with database.read() as transaction:
            assert export_configuration(transaction, ROOT, with_secrets=True) == before


def test_an_account_reads_and_changes_nothing_of_anothers(transaction: Transaction) -> None:
    create_sip_user(transaction, ROOT, NOW, "1000@office.example")
    other = insert_account(transaction, "Other", NOW)
    theirs = Actor("eve@other.example", "192.0.2.8", other)
    mine = export_configuration(transaction, theirs)
    assert "office.example" not in mine
    assert "Other" in mine
    hostile = export_configuration(transaction, ROOT).replace("name: Office", "name: Other")
    with pytest.raises((ConfigurationError, Forbidden)):
        import_configuration(transaction, theirs, NOW, hostile)
    with pytest.raises(Forbidden):
        export_configuration(transaction, theirs._replace(role=Role.ADMIN), with_secrets=True)
    viewer = theirs._replace(role=Role.VIEWER)
    with pytest.raises(ConfigurationError, match="admin or owner"):
        import_configuration(transaction, viewer, NOW, mine.replace("keep_calls: 365", "keep_calls: 1"))


def test_a_preview_tells_what_a_file_would_change_and_changes_nothing(place: Place) -> None:
    database = place.database()
    with database.write() as transaction:
        account = insert_account(transaction, "Office", NOW)
        create_domain(transaction, ROOT, NOW, "office.example", account)
    text = "sealtone: 1\naccounts:\n- name: Office\n  domains:\n  - name: office.example\n    users:\n    - username: '1000'\n"
    with database.write() as transaction:
        before = last_change(transaction)
        plan = preview_import(transaction, ROOT, NOW, text)
        assert [change.subject for change in plan.changes] == ["SIP user 1000@office.example"]
        with pytest.raises(ConfigurationError):
            preview_import(transaction, ROOT, NOW, text.replace("'1000'", "'a b'"))
        assert last_change(transaction) == before
        assert not list(read_users(transaction))
    with database.read() as transaction:
        assert not list(read_users(transaction))
    database.close()
