"""Recordings as people keep them: keys, policies, deletion, retention, files that belong to nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest

from admin.sealed import facts_of, keep, noise, write_broken_off, write_finished
from postgres import Place
from sealtone import admin
from sealtone.admin import Actor, Conflict, InvalidInput, NotFound, SipUserChange, recording_files
from sealtone.model import RecordingFormat, RecordingPolicy
from sealtone.server.recordings import purge_recordings
from sealtone.store import Database, Transaction
from sealtone.store.directory import load_snapshot, read_changes
from sealtone.store.recordings import RecordingFilter, known_paths, read_recordings, running_recordings, save_recording
from sealtone.store.records import insert_calls, read_call
from store.records import call

OPERATOR = Actor("root", "command line")
DAY = 86_400.0
KEY = pyrage.x25519.Identity.generate()
RECIPIENT = str(KEY.to_public())


@pytest.fixture
def database(place: Place) -> Iterator[Database]:
    database = place.database()
    with database.write() as transaction:
        admin.first_use(transaction, 1.0, "office.example")
    yield database
    database.close()


@pytest.fixture
def transaction(database: Database) -> Iterator[Transaction]:
    with database.write() as transaction:
        yield transaction


def set_key(transaction: Transaction, recipient: str = RECIPIENT, *, rotate: bool = False) -> None:
    admin.set_recording_key(transaction, OPERATOR, 2.0, 1, recipient, rotate=rotate)


def shown(transaction: Transaction) -> list[str]:
    return [facts.id for facts in read_recordings(transaction.connection, RecordingFilter()).recordings]


# policies


def test_a_key_is_made_once_and_then_rotated_and_each_is_in_the_change_log(transaction: Transaction) -> None:
    with pytest.raises(Conflict, match="create-key"):
        set_key(transaction, rotate=True)
    set_key(transaction)
    with pytest.raises(Conflict, match="rotate-key"):
        set_key(transaction)
    set_key(transaction, "age1other", rotate=True)
    first, second = read_changes(transaction, 2)[::-1]
    assert (first.before, first.after) == ({}, {"recording_key": RECIPIENT})
    assert (second.before, second.after) == ({"recording_key": RECIPIENT}, {"recording_key": "age1other"})
    user = load_snapshot(transaction).user("1000@office.example")
    assert user is not None
    assert user.recording.recipient == "age1other"


def test_another_tenant_sets_no_key_and_sees_no_recording(transaction: Transaction) -> None:
    stranger = Actor("stranger", "192.0.2.1", 2)
    with pytest.raises(NotFound):
        admin.set_recording_key(transaction, stranger, 2.0, 1, RECIPIENT, rotate=False)
    save_recording(transaction.connection, facts_of())
    assert admin.list_recordings(transaction, stranger, RecordingFilter()).recordings == ()
    with pytest.raises(NotFound):
        admin.recording_of(transaction, stranger, facts_of().id)
    with pytest.raises(NotFound):
        admin.begin_deletion(transaction, stranger, 2.0, facts_of().id)
    with pytest.raises(NotFound):
        admin.update_domain_recording(transaction, stranger, 2.0, "office.example", admin.DomainRecordingChange())


def test_what_begins_like_ones_own_recordings_in_another_account_is_not_in_the_way(transaction: Transaction) -> None:
    """Nor does it make one of several look like the one that was meant."""
    stranger = Actor("stranger", "192.0.2.1", 2)
    for number, account in ((1, 1), (2, 1), (3, 2)):
        facts = facts_of(number)._replace(id=f"4be1{number:012}", account_id=account)
        save_recording(transaction.connection, facts)
    assert admin.recording_of(transaction, stranger, "4be1").account_id == 2
    save_recording(transaction.connection, facts_of(4)._replace(id=f"4be1{0:012}", account_id=2))
    with pytest.raises(Conflict):
        admin.begin_deletion(transaction, stranger, 2.0, "4be1")


def test_a_domain_whose_account_has_no_key_is_not_set_to_what_cannot_be(transaction: Transaction) -> None:
    always = admin.DomainRecordingChange("always")
    with pytest.raises(InvalidInput, match="no recording key"):
        admin.update_domain_recording(transaction, OPERATOR, 3.0, "office.example", always)
    set_key(transaction)
    domain = admin.update_domain_recording(transaction, OPERATOR, 3.0, "office.example", always)
    assert domain.recording.policy is RecordingPolicy.ALWAYS


def test_users_follow_their_domain_until_they_choose(transaction: Transaction) -> None:
    set_key(transaction)
    form = admin.DomainRecordingChange("always", "announcement", "flac", "30")
    domain = admin.update_domain_recording(transaction, OPERATOR, 3.0, "office.example", form)
    assert domain.recording.keep_days == 30
    admin.update_sip_user(transaction, OPERATOR, 4.0, "1001@office.example", SipUserChange(recording="never"))
    snapshot = load_snapshot(transaction)
    first, second = (snapshot.user(f"{number}@office.example") for number in (1000, 1001))
    assert first is not None
    assert second is not None
    assert (first.recording.policy, second.recording.policy) == (RecordingPolicy.ALWAYS, RecordingPolicy.NEVER)
    assert first.recording.domain.format is RecordingFormat.FLAC
    admin.update_sip_user(transaction, OPERATOR, 5.0, "1001@office.example", SipUserChange(recording="domain"))
    again = load_snapshot(transaction).user("1001@office.example")
    assert again is not None
    assert again.recording.own is None


@pytest.mark.parametrize(
    ("field", "value"), [("policy", "sometimes"), ("policy", "domain"), ("notice", "x"), ("format", "mp3"),
                         ("keep_days", "0")]
)  # fmt: skip
def test_a_domain_takes_nothing_else(transaction: Transaction, field: str, value: str) -> None:
    with pytest.raises(InvalidInput):
        admin.update_domain_recording(
            transaction, OPERATOR, 3.0, "office.example", admin.DomainRecordingChange(**{field: value})
        )


def test_who_wants_always_without_a_key_or_on_a_sealed_path_is_told_when_saving(transaction: Transaction) -> None:
    with pytest.raises(InvalidInput, match="no recording key"):
        admin.update_sip_user(transaction, OPERATOR, 3.0, "1000@office.example", SipUserChange(recording="always"))
    set_key(transaction)
    insisting = SipUserChange(protection="zrtp", strictness="require", path="sealed", recording="always")
    with pytest.raises(InvalidInput, match="server can hear"):
        admin.update_sip_user(transaction, OPERATOR, 3.0, "1000@office.example", insisting)
    admin.update_sip_user(transaction, OPERATOR, 3.0, "1000@office.example", insisting._replace(path="server"))
    with pytest.raises(InvalidInput, match="server can hear"):
        admin.update_sip_user(transaction, OPERATOR, 4.0, "1000@office.example", SipUserChange(path="direct"))
    admin.create_sip_user(transaction, OPERATOR, 5.0, "2000@office.example", SipUserChange(recording="always"))


# rows


def test_a_call_record_names_its_recordings_and_why_there_are_none(transaction: Transaction) -> None:
    record = call(1)._replace(recording_note="recorded for 1000@office.example")
    insert_calls(transaction.connection, [record])
    save_recording(transaction.connection, facts_of(1, call_id=record.id))
    save_recording(transaction.connection, facts_of(2, call_id=record.id, started_at=1_700_000_100.0))
    found = read_call(transaction.connection, record.id)
    assert found is not None
    assert found.recordings == (facts_of(1).id, facts_of(2).id)
    assert found.recording_note == "recorded for 1000@office.example"


def test_the_end_of_a_recording_takes_the_place_of_its_beginning(transaction: Transaction) -> None:
    ended = facts_of(reason="The disk is full, so the recording was ended.")
    begun = ended._replace(ended_at=None, seconds=0.0, octets=0, reason="")
    save_recording(transaction.connection, begun)
    assert running_recordings(transaction.connection) == (begun,)
    save_recording(transaction.connection, ended)
    assert read_recordings(transaction.connection, RecordingFilter()).recordings == (ended,)


def test_recordings_are_listed_newest_first_page_by_page(transaction: Transaction) -> None:
    for number in range(5):
        save_recording(transaction.connection, facts_of(number, started_at=1000.0 + number // 2))
    wanted, seen = RecordingFilter(limit=2), []
    while True:
        page = read_recordings(transaction.connection, wanted)
        seen += [facts.id for facts in page.recordings]
        if page.next_page is None:
            break
        wanted = wanted._replace(before_id=page.next_page)
    assert seen == [f"{number:016x}" for number in (4, 3, 2, 1, 0)]


def test_filters_choose_by_party_call_and_time(transaction: Transaction) -> None:
    save_recording(transaction.connection, facts_of(1))
    save_recording(transaction.connection, facts_of(2, caller="1002@office.example", started_at=2_000_000_000.0))

    def ids(wanted: RecordingFilter) -> list[str]:
        return [facts.id for facts in read_recordings(transaction.connection, wanted).recordings]

    assert ids(RecordingFilter(party="1002")) == [facts_of(2).id]
    assert ids(RecordingFilter(party="1000@office.example")) == [facts_of(1).id]
    assert ids(RecordingFilter(party="100")) == []
    assert ids(RecordingFilter(call_id="call-2")) == [facts_of(2).id]
    assert ids(RecordingFilter(since=1_800_000_000.0)) == [facts_of(2).id]
    assert ids(RecordingFilter(until=1_800_000_000.0)) == [facts_of(1).id]


# files


def test_deleting_removes_the_file_and_the_row_and_is_in_the_change_log(database: Database, tmp_path: Path) -> None:
    with database.write() as transaction:
        facts = keep(transaction, tmp_path, facts_of(), noise(100), KEY)
        other = keep(transaction, tmp_path, facts_of(2), noise(100), KEY)
        with pytest.raises(NotFound):
            admin.begin_deletion(transaction, OPERATOR, 9.0, "ffff")
        with pytest.raises(Conflict, match="Several"):
            admin.begin_deletion(transaction, OPERATOR, 9.0, "00000000")
        assert admin.begin_deletion(transaction, OPERATOR, 9.0, facts.id) == facts
        assert shown(transaction) == [other.id]
    recording_files.delete_files(tmp_path, facts)
    with database.write() as transaction:
        admin.finish_deletion(transaction, [facts.id])
        assert known_paths(transaction.connection) == {other.path}
        assert read_changes(transaction, 1)[0].action == "delete"
    assert [file.name for file in (tmp_path / "recordings").rglob("*.age")] == [f"{other.id}.wav.age"]


def test_a_recording_that_runs_is_not_deleted(transaction: Transaction) -> None:
    save_recording(transaction.connection, facts_of(ended_at=None))
    with pytest.raises(Conflict, match="still runs"):
        admin.begin_deletion(transaction, OPERATOR, 9.0, facts_of().id)


async def test_the_purge_deletes_what_is_kept_no_longer_and_finishes_what_was_half_deleted(place: Place) -> None:
    store, tmp_path = place.store(), place.folder
    now = 1_800_000_000.0
    folder = recording_files.folder_of(tmp_path)

    def fill(transaction: Transaction) -> None:
        admin.first_use(transaction, 1.0, "office.example")
        for number, age_days in ((1, 89), (2, 91), (3, 1), (4, 400)):
            keep(transaction, tmp_path, facts_of(number, started_at=now - age_days * DAY), noise(50), KEY)
        save_recording(transaction.connection, facts_of(5, started_at=now - 200 * DAY, ended_at=None))
        admin.begin_deletion(transaction, OPERATOR, 9.0, facts_of(3).id)

    try:
        await store.submit(fill)
        assert await purge_recordings(store, tmp_path, now) is False
        assert set(await store.read(shown)) == {facts_of(1).id, facts_of(5).id}
        assert [file.name for file in folder.rglob("*.age")] == [f"{facts_of(1).id}.wav.age"]
        await store.submit(
            lambda transaction: admin.update_domain_recording(
                transaction, OPERATOR, 3.0, "office.example", admin.DomainRecordingChange(keep_days="30")
            )
        )
        await purge_recordings(store, tmp_path, now)
        assert not list(folder.rglob("*.age"))
    finally:
        await store.close()


async def test_what_is_kept_for_ever_is_not_purged(place: Place) -> None:
    store, tmp_path = place.store(), place.folder

    def fill(transaction: Transaction) -> None:
        admin.first_use(transaction, 1.0, "office.example")
        form = admin.DomainRecordingChange(keep_days="forever")
        admin.update_domain_recording(transaction, OPERATOR, 3.0, "office.example", form)
        keep(transaction, tmp_path, facts_of(started_at=1000.0), noise(50), KEY)

    try:
        await store.submit(fill)
        lost = recording_files.folder_of(tmp_path) / "1/1970/01/lost.ogg.age"
        write_finished(lost, b"x", KEY)
        os.utime(lost, (1000.0, 1000.0))
        await purge_recordings(store, tmp_path, 4e9)
        assert await store.read(shown) == [facts_of().id]
        assert lost.exists()
    finally:
        await store.close()


async def test_a_file_of_no_recording_is_found_and_goes_when_it_would_not_be_kept(place: Place) -> None:
    store, tmp_path = place.store(), place.folder
    folder = recording_files.folder_of(tmp_path)

    def fill(transaction: Transaction) -> None:
        admin.first_use(transaction, 1.0, "office.example")
        keep(transaction, tmp_path, facts_of(), noise(50), KEY)

    try:
        await store.submit(fill)
        write_broken_off(folder / facts_of().path, noise(100), KEY)
        write_broken_off(folder / "1/2026/01/lost.ogg.age", noise(100), KEY)
        known = await store.read(recording_files.known_files)
        found = recording_files.orphans(tmp_path, known)
        assert [one.path for one in found] == ["1/2026/01/lost.ogg.age", "1/2026/01/lost.ogg.age.tail"]
        for one in found:
            os.utime(folder / one.path, (1_000.0, 1_000.0))
        await purge_recordings(store, tmp_path, 1_700_000_100.0)
        assert recording_files.orphans(tmp_path, known) == ()
        assert (folder / facts_of().path).exists()
    finally:
        await store.close()


def test_what_ran_when_the_server_ended_is_closed_as_long_as_its_file_was_written(
    transaction: Transaction, tmp_path: Path
) -> None:
    folder = recording_files.folder_of(tmp_path)
    begun = facts_of(ended_at=None, seconds=0.0, octets=0)
    for facts in (begun, facts_of(2, ended_at=None, seconds=0.0, octets=0)):
        save_recording(transaction.connection, facts)
    write_broken_off(folder / begun.path, noise(500), KEY)
    for file in folder.rglob("*.age*"):
        os.utime(file, (begun.started_at + 12, begun.started_at + 12))
    assert recording_files.close_interrupted(transaction, tmp_path) == 2
    assert running_recordings(transaction.connection) == ()
    first, second = (admin.recording_of(transaction, OPERATOR, facts_of(number).id) for number in (1, 2))
    assert (first.seconds, first.ended_at) == (12.0, begun.started_at + 12)
    assert "server ended" in first.reason
    assert (second.seconds, second.octets) == (0.0, 0)
