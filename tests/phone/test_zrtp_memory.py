"""What a phone keeps of ZRTP on disk."""

from __future__ import annotations

import json
import os
import stat

import pytest

from sealtone.phone import MemoryUnusable, ZrtpMemory
from sealtone.phone.zrtp_memory import MAX_PEERS
from sealtone.zrtp import CacheRecord, RetainedSecret

AOR = "1000@office.example"


def record(byte, verified=False):
    return CacheRecord(bytes([byte]) * 12, rs1=RetainedSecret(bytes([byte]) * 32), verified=verified)


def test_the_zid_and_the_peers_are_there_again_after_a_restart(tmp_path):
    first = ZrtpMemory(tmp_path, AOR)
    first.remember(record(1))
    first.remember(record(1, verified=True))
    again = ZrtpMemory(tmp_path, AOR)
    assert again.zid == first.zid
    assert again.find(bytes([1]) * 12) == record(1, verified=True)
    assert again.find(bytes([2]) * 12) is None


def test_each_account_has_a_zid_of_its_own_and_no_two_phones_without_a_folder_share_one(tmp_path):
    zids = {ZrtpMemory(tmp_path, AOR).zid, ZrtpMemory(tmp_path, "1001@office.example").zid}
    zids |= {ZrtpMemory().zid for _ in range(10)}
    assert len(zids) == 12


def test_nobody_but_the_owner_can_read_it_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        ZrtpMemory(tmp_path / "kept", AOR).remember(record(1))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o700
    for file in (tmp_path / "kept").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_two_phones_of_an_account_keep_what_the_other_one_learned(tmp_path):
    one, other = ZrtpMemory(tmp_path, AOR), ZrtpMemory(tmp_path, AOR)
    assert one.zid == other.zid
    one.remember(record(1))
    other.remember(record(2))
    later = ZrtpMemory(tmp_path, AOR)
    assert later.find(bytes([1]) * 12) == record(1)
    assert later.find(bytes([2]) * 12) == record(2)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda kept: "{",
        lambda kept: json.dumps(kept | {"format": 2}),
        lambda kept: json.dumps(kept | {"zid": "00" * 12}),
        lambda kept: json.dumps(kept | {"peers": ["0102"]}),
        lambda kept: json.dumps([]),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_and_not_begun_anew(tmp_path, spoil):
    ZrtpMemory(tmp_path, AOR).remember(record(1))
    (file,) = tmp_path.glob("*.json")
    file.write_text(text := spoil(json.loads(file.read_text())))
    with pytest.raises(MemoryUnusable, match="begin anew"):
        ZrtpMemory(tmp_path, AOR)
    assert file.read_text() == text


def test_a_folder_that_cannot_be_made_is_told_in_words(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MemoryUnusable, match="cannot be used"):
        ZrtpMemory(tmp_path / "file" / "kept", AOR)


def test_the_account_s_name_does_not_lead_out_of_the_folder(tmp_path):
    ZrtpMemory(tmp_path / "kept", "../../x@office.example/../y")
    assert {path.parent for path in tmp_path.rglob("*.json")} == {tmp_path / "kept"}


def test_the_oldest_peers_make_room_for_new_ones():
    memory = ZrtpMemory()
    for number in range(MAX_PEERS + 5):
        memory.remember(CacheRecord(number.to_bytes(12)))
    assert memory.find((4).to_bytes(12)) is None
    assert memory.find((5).to_bytes(12)) is not None
