"""Opening what the media core sealed: whole, broken off, damaged, with the wrong key."""

import io
import os
import stat
from pathlib import Path

import pyrage
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from admin.sealed import CHUNK, noise, seal, write_broken_off, write_finished
from sealtone.admin import recording_seal as sealing
from sealtone.admin.recording_seal import SealError


@pytest.fixture
def key() -> pyrage.x25519.Identity:
    return pyrage.x25519.Identity.generate()


def opened(path: Path, *keys: pyrage.x25519.Identity) -> tuple[bytes, bool]:
    out = io.BytesIO()
    found = sealing.open_recording(path, keys, out)
    assert found.octets == len(out.getvalue())
    return out.getvalue(), found.whole


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 200_000])
def test_a_finished_recording_opens_whole(tmp_path: Path, key: pyrage.x25519.Identity, size: int) -> None:
    octets, path = noise(size), tmp_path / "a.age"
    write_finished(path, octets, key)
    assert opened(path, pyrage.x25519.Identity.generate(), key) == (octets, True)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(0, 3 * CHUNK), cut=st.integers(0, CHUNK), early=st.booleans())
def test_a_recording_that_was_broken_off_opens_up_to_its_last_save(
    tmp_path: Path, key: pyrage.x25519.Identity, size: int, cut: int, early: bool
) -> None:
    octets, path = noise(size), tmp_path / "a.age"
    # `early`: the tail was saved before the last chunk was written.
    begins = max(0, size // CHUNK - 1) * CHUNK if early else None
    write_broken_off(path, octets, key, cut=cut, tail_from=begins)
    assert opened(path, key) == (octets, False)


def test_without_a_tail_the_whole_chunks_open(tmp_path: Path, key: pyrage.x25519.Identity) -> None:
    octets, path = noise(2 * CHUNK + 500), tmp_path / "a.age"
    write_broken_off(path, octets, key)
    (tmp_path / "a.age.tail").unlink()
    assert opened(path, key) == (octets[: 2 * CHUNK], False)


def test_a_tail_that_begins_behind_what_there_is_means_damage(tmp_path: Path, key: pyrage.x25519.Identity) -> None:
    octets, path = noise(2 * CHUNK + 500), tmp_path / "a.age"
    write_broken_off(path, octets, key)
    path.write_bytes(path.read_bytes()[: CHUNK + 1000])
    with pytest.raises(SealError, match="part in the middle is missing"):
        opened(path, key)


@pytest.mark.parametrize("where", [400, CHUNK + 5000, 2 * CHUNK + 5000, -1])
def test_one_flipped_bit_is_always_found(tmp_path: Path, key: pyrage.x25519.Identity, where: int) -> None:
    path = tmp_path / "a.age"
    write_finished(path, noise(2 * CHUNK + 9000), key)
    changed = bytearray(path.read_bytes())
    changed[where] ^= 1
    path.write_bytes(changed)
    with pytest.raises(SealError, match=r"changed or damaged"):
        sealing.open_recording(path, [key], io.BytesIO(), was_finished=True)
    if where < 2 * CHUNK and where != -1:
        with pytest.raises(SealError, match=r"changed or damaged"):
            opened(path, key)
    else:  # the end of one that was perhaps never finished may be half written: it is left out
        found, whole = opened(path, key)
        assert (len(found), whole) == (2 * CHUNK, False)


def test_a_recording_that_was_finished_and_has_no_end_is_damaged(tmp_path: Path, key: pyrage.x25519.Identity) -> None:
    path = tmp_path / "a.age"
    write_finished(path, noise(2 * CHUNK + 9000), key)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(SealError, match=r"changed or damaged"):
        sealing.open_recording(path, [key], io.BytesIO(), was_finished=True)


@pytest.mark.parametrize("finished", [True, False])
def test_another_key_opens_nothing_and_the_reason_is_said(
    tmp_path: Path, key: pyrage.x25519.Identity, finished: bool
) -> None:
    path = tmp_path / "a.age"
    (write_finished if finished else write_broken_off)(path, noise(1000), key)
    with pytest.raises(SealError, match="does not open this recording"):
        opened(path, pyrage.x25519.Identity.generate())


def test_a_file_that_is_gone_is_said_to_be(tmp_path: Path, key: pyrage.x25519.Identity) -> None:
    with pytest.raises(SealError, match="is gone"):
        opened(tmp_path / "a.age", key)


@pytest.mark.parametrize("finished", [True, False])
def test_resealing_moves_a_recording_to_another_key(
    tmp_path: Path, key: pyrage.x25519.Identity, finished: bool
) -> None:
    octets, path, fresh = noise(CHUNK + 700), tmp_path / "a.age", pyrage.x25519.Identity.generate()
    (write_finished if finished else write_broken_off)(path, octets, key)
    sealing.reseal(path, [key], str(fresh.to_public()))
    assert opened(path, fresh) == (octets, True)
    with pytest.raises(SealError):
        opened(path, key)
    assert [file.name for file in tmp_path.iterdir()] == ["a.age"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_recording_that_was_cut_short_does_not_look_whole_under_another_key(
    tmp_path: Path, key: pyrage.x25519.Identity
) -> None:
    path, other = tmp_path / "a.age", pyrage.x25519.Identity.generate()
    write_finished(path, noise(2 * CHUNK + 700), key)
    os.truncate(path, path.stat().st_size - CHUNK)
    before = path.read_bytes()
    with pytest.raises(SealError, match="changed or damaged"):
        sealing.reseal(path, [key], str(other.to_public()), was_finished=True)
    assert path.read_bytes() == before


def test_a_recording_that_cannot_be_resealed_stays_as_it_was(tmp_path: Path, key: pyrage.x25519.Identity) -> None:
    path = tmp_path / "a.age"
    write_finished(path, noise(500), key)
    before = path.read_bytes()
    other = pyrage.x25519.Identity.generate()
    with pytest.raises(SealError):
        sealing.reseal(path, [other], str(other.to_public()))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.age"]


@pytest.mark.parametrize("passphrase", ["", "correct horse"])
def test_a_key_file_is_its_owners_alone_and_is_read_back(tmp_path: Path, passphrase: str) -> None:
    identity, recipient = sealing.new_identity()
    path = tmp_path / "key.txt"
    sealing.write_identity(path, identity, recipient, "2026-01-01T00:00:00Z", passphrase)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (read,) = sealing.read_identities(path, lambda: passphrase)
    assert str(read.to_public()) == recipient
    assert (identity.encode() in path.read_bytes()) is not bool(passphrase)
    with pytest.raises(SealError, match="not written"):
        sealing.write_identity(path, identity, recipient, "", "")


def test_a_wrong_passphrase_and_a_file_without_a_key_are_named(tmp_path: Path) -> None:
    identity, recipient = sealing.new_identity()
    path = tmp_path / "key.txt"
    sealing.write_identity(path, identity, recipient, "", "right")
    with pytest.raises(SealError, match="passphrase does not open"):
        sealing.read_identities(path, lambda: "wrong")
    empty = tmp_path / "empty.txt"
    empty.write_text("# nothing\n")
    with pytest.raises(SealError, match="holds no private key"):
        sealing.read_identities(empty, lambda: "")
    with pytest.raises(SealError, match="cannot be read"):
        sealing.read_identities(tmp_path / "none", lambda: "")
    with pytest.raises(SealError, match="no public key of age"):
        sealing.recipient_of(identity)
    assert sealing.recipient_of(f" {recipient}\n") == recipient


def test_what_is_sealed_here_opens_with_any_age(tmp_path: Path, key: pyrage.x25519.Identity) -> None:
    assert seal(b"x", key).startswith(b"age-encryption.org/v1\n-> X25519 ")
