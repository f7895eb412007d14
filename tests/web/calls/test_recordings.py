"""Pages of recordings: what is listed to whom, sealed files as they lie on the disk, deletion, the key."""

from __future__ import annotations

import pyrage
import pytest

from admin.sealed import CHUNK, facts_of, keep, noise, write_broken_off
from sealtone.admin.recording_files import folder_of
from sealtone.model import RecordingFacts
from sealtone.store.directory import find_account, read_changes
from sealtone.store.recordings import RecordingFilter, read_recordings, save_recording
from web.conftest import Panel

KEY = pyrage.x25519.Identity.generate()
OCTETS = noise(3 * CHUNK + 5)


@pytest.fixture
def office(panel: Panel) -> Panel:
    panel.domain("office.example")
    panel.domain("other.example", "Second")
    return panel


def recorded(panel: Panel, number: int = 1, **changed: object) -> RecordingFacts:
    with panel.database.write() as transaction:
        return keep(transaction, panel.folder, facts_of(number, **changed), OCTETS, KEY)


def left(panel: Panel) -> list[str]:
    with panel.database.read() as transaction:
        return [one.id for one in read_recordings(transaction.connection, RecordingFilter()).recordings]


async def test_without_a_key_or_recordings_it_says_what_to_do(office: Panel) -> None:
    text = (await office.signed_in().get("/recordings")).text
    assert "no recording key yet" in text
    assert "No recordings yet" in text
    assert 'href="/recordings/settings"' in text


async def test_recordings_are_listed_with_the_key_that_they_need(office: Panel) -> None:
    facts = recorded(office)
    text = (await office.signed_in("viewer").get("/recordings")).text
    assert f'data-recipient="{facts.recipient}"' in text
    assert "needs an earlier key" in text
    assert "1:00" in text
    assert "/delete" not in text, "a viewer deletes nothing"
    assert "No such recordings" in (await office.signed_in().get("/recordings?party=2000")).text
    assert facts.id in (await office.signed_in().get(f"/recordings?party=1000&call={facts.call_id}")).text


async def test_the_sealed_file_is_given_whole_or_in_part_and_opens_with_the_key(office: Panel) -> None:
    facts = recorded(office)
    client = office.signed_in("viewer")
    whole = await client.get(f"/recordings/{facts.id}/sealed")
    assert pyrage.decrypt(whole.content, [KEY]) == OCTETS
    assert whole.headers["content-disposition"] == f'attachment; filename="{facts.id}.wav.age"'
    part = await client.get(f"/recordings/{facts.id}/sealed", headers={"Range": "bytes=100-299"})
    assert part.status_code == 206
    assert part.content == whole.content[100:300]
    assert (await client.get(f"/recordings/{facts.id}/tail")).content == b""
    broken = facts_of(2, recipient=str(KEY.to_public()))
    write_broken_off(folder_of(office.folder) / broken.path, OCTETS, KEY)
    with office.database.write() as transaction:
        save_recording(transaction.connection, broken)
    tail = (await client.get(f"/recordings/{broken.id}/tail")).content
    assert pyrage.decrypt(tail, [KEY]) == (3 * CHUNK).to_bytes(8) + OCTETS[3 * CHUNK :]


async def test_another_accounts_recordings_do_not_exist(office: Panel) -> None:
    facts = recorded(office)
    other = office.signed_in(account="Second")
    assert facts.id not in (await other.get("/recordings")).text
    for path in ("sealed", "tail"):
        theirs = await other.get(f"/recordings/{facts.id}/{path}")
        none = await other.get(f"/recordings/{'0' * 15}9/{path}")
        assert theirs.status_code == none.status_code == 404
    assert (await other.send_form(f"/recordings/{facts.id}/delete")).status_code == 404
    assert (await other.get(f"/recordings/{facts.id[:8]}/sealed")).status_code == 404
    assert left(office) == [facts.id]


async def test_deleting_takes_the_files_too_and_is_in_the_change_log(office: Panel) -> None:
    facts = recorded(office)
    path = folder_of(office.folder) / facts.path
    assert (await office.signed_in("viewer").send_form(f"/recordings/{facts.id}/delete")).status_code == 403
    assert path.exists()
    assert (await office.signed_in("admin").send_form(f"/recordings/{facts.id}/delete")).status_code == 303
    assert not path.exists()
    assert left(office) == []
    with office.database.read() as transaction:
        assert read_changes(transaction, 1)[0].subject == f"recording {facts.id}"


async def test_one_that_runs_is_not_deleted(office: Panel) -> None:
    facts = recorded(office, ended_at=None)
    assert (await office.signed_in().send_form(f"/recordings/{facts.id}/delete")).status_code == 409
    assert left(office) == [facts.id]


async def test_a_public_key_is_set_once_then_changed_and_a_private_one_refused(office: Panel) -> None:
    owner, viewer = office.signed_in(), office.signed_in("viewer")
    public = str(KEY.to_public())

    def key() -> str:
        with office.database.read() as transaction:
            account = find_account(transaction, office.account())
        assert account is not None
        return account.recording_recipient

    wrong = await owner.send_form("/recordings/settings", {"recipient": str(KEY)})
    assert wrong.status_code == 422
    assert "This is no public key of age" in wrong.text
    assert key() == ""
    assert (await viewer.send_form("/recordings/settings", {"recipient": public})).status_code == 403
    assert (await owner.send_form("/recordings/settings", {"recipient": f" {public}\n"})).status_code == 303
    assert key() == public
    # Two pages that were open at once: the second must not put its key in place of the first one's unseen.
    other = str(pyrage.x25519.Identity.generate().to_public())
    assert (await owner.send_form("/recordings/settings", {"recipient": other})).status_code == 422
    assert key() == public
    assert (await owner.send_form("/recordings/settings", {"recipient": other, "rotate": "yes"})).status_code == 303
    assert key() == other
    assert public not in (await owner.get("/recordings/settings")).text
