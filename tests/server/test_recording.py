"""Recording by a whole server: two phones of our own, the star code, the command line, a server that is killed."""

from __future__ import annotations

import array
import asyncio
import io
import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pyrage
import pytest

from admin.sealed import wav_of
from sealtone import admin
from sealtone.admin import Actor, SipUserChange
from sealtone.admin.recording_files import folder_of
from sealtone.admin.recording_seal import SealError, open_recording
from sealtone.model import RecordingFacts
from sealtone.net.control import ask
from sealtone.phone import Call, Encryption, Phone, PhoneConfig, Tone, Wish, measure
from sealtone.store import Database, Transaction
from sealtone.store.recordings import RecordingFilter, read_recordings
from server.whole import Whole, config_in, free_ports, running

OPERATOR = Actor("root", "command line")
KEY = pyrage.x25519.Identity.generate()
LEFT_HZ, RIGHT_HZ = 440.0, 1000.0


def prepared(transaction: Transaction, *always: str, notice: str = "none", kind: str = "opus") -> None:
    """The account has a key, and these users are always recorded."""
    admin.set_recording_key(transaction, OPERATOR, 2.0, 1, str(KEY.to_public()), rotate=False)
    form = admin.DomainRecordingChange(notice=notice, format=kind)
    admin.update_domain_recording(transaction, OPERATOR, 2.0, "office.example", form)
    for user in always:
        admin.update_sip_user(transaction, OPERATOR, 3.0, f"{user}@office.example", SipUserChange(recording="always"))


@asynccontextmanager
async def in_call(whole: Whole, line: str = "udp") -> AsyncIterator[tuple[Call, Call]]:
    """The caller hums one tone, the callee another."""
    wish = Wish(Encryption.REQUIRE if line == "tls" else Encryption.NONE)
    async with (
        whole.phone("1000", line, wish=wish, source=lambda: Tone(LEFT_HZ, 1.0, 0.0)) as a,
        whole.phone("1001", line, wish=wish, source=lambda: Tone(RIGHT_HZ, 1.0, 0.0)) as b,
    ):
        await a.register()
        await b.register()
        call = await a.call("1001")
        await call.answered(15)
        yield call, await b.next_call(15)


async def recordings(whole: Whole) -> tuple[RecordingFacts, ...]:
    store = whole.server._store
    await store.flush()
    page = await store.read(lambda transaction: read_recordings(transaction.connection, RecordingFilter()))
    return page.recordings


async def until_begun(whole: Whole, count: int = 1) -> tuple[RecordingFacts, ...]:
    """So many recordings, once they are written down."""
    async with asyncio.timeout(20):
        while len(found := await recordings(whole)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return found


async def until_ended(whole: Whole) -> None:
    """Returns once every recording is over and written down so."""
    async with asyncio.timeout(20):
        while any(facts.ended_at is None for facts in await recordings(whole)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def until(condition: Callable[[], object], timeout_s: float = 5.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


def octets_of(data: Path, facts: RecordingFacts, *, finished: bool = True) -> bytes:
    out = io.BytesIO()
    found = open_recording(folder_of(data) / facts.path, [KEY], out, was_finished=finished)
    assert found.whole is finished
    return out.getvalue()


def channels(wav: bytes) -> tuple[array.array[int], array.array[int]]:
    """Left and right at 8 kHz."""
    with wave.open(io.BytesIO(wav)) as sound:
        samples = array.array("h", sound.readframes(sound.getnframes()))
        step = sound.getframerate() // 8000
    return samples[0 :: 2 * step], samples[1 :: 2 * step]


def assert_tones(data: Path, facts: RecordingFacts, least_s: float, most_s: float, *, finished: bool = True) -> None:
    """Both channels are so long, but for 0.8 s of what begins and ends late, and each holds its own tone alone."""
    left, right = channels(wav_of(octets_of(data, facts, finished=finished)))
    assert least_s - 0.8 <= len(left) / 8000 <= most_s + 0.8
    assert tone_share(left, LEFT_HZ) > 0.8
    assert tone_share(right, RIGHT_HZ) > 0.8
    assert tone_share(left, RIGHT_HZ) == tone_share(right, LEFT_HZ) == 0


def tone_share(sound: array.array[int], hz: float) -> float:
    """How many of the frames of 20 ms, less half a second at either end, are that tone and nothing else.

    On a busy machine packets are late, and where the sound is mended its phase jumps.
    """
    frames = [sound[start : start + 160] for start in range(4000, len(sound) - 4000, 160)]
    return sum(measure(frame, hz).is_tone for frame in frames) / len(frames)


@pytest.mark.parametrize("line", ["udp", "tls"])
async def test_a_call_is_recorded_the_caller_on_the_left_the_callee_on_the_right(tmp_path: Path, line: str) -> None:
    async with running(config_in(tmp_path)) as whole:
        await whole.server._store.submit(lambda transaction: prepared(transaction, "1000"))
        await whole.server.reload()
        began = time.monotonic()
        async with in_call(whole, line) as (call, far):
            await until_begun(whole)
            seen = time.monotonic()
            await asyncio.sleep(2.5)
            least_s = time.monotonic() - seen
            await call.hang_up()
            await far.ended(15)
            await until_ended(whole)
            most_s = time.monotonic() - began
        (facts,) = await recordings(whole)
        (record,) = await whole.records()
    assert (facts.caller, facts.callee) == ("1000@office.example", "1001@office.example")
    assert facts.reason == ""
    assert facts.ended_at is not None
    assert record.recordings == (facts.id,)
    assert record.recording_note == "recorded for 1000@office.example"
    assert_tones(tmp_path, facts, least_s, most_s)
    path = folder_of(tmp_path) / facts.path
    assert path.stat().st_mode & 0o777 == 0o600
    assert all(parent.stat().st_mode & 0o777 == 0o700 for parent in list(path.parents)[:4])


async def test_the_star_code_records_a_relayed_call_from_there_on(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole:
        await whole.server._store.submit(prepared)
        await whole.server.reload()
        async with in_call(whole) as (call, far):
            await asyncio.sleep(0.5)
            assert await recordings(whole) == ()
            far.send_dtmf("*1")
            (facts,) = await until_begun(whole)
            await asyncio.sleep(1.5)
            assert (await recordings(whole))[0].ended_at is None
            far.send_dtmf("*1")
            await until_ended(whole)
            before = call.stats().received
            await until(lambda: call.stats().received > before + 10)
            await call.hang_up()
        (facts,) = await recordings(whole)
    assert facts.started_by == "1001@office.example"
    octets_of(tmp_path, facts)


async def test_a_key_rotated_in_mid_call_seals_the_next_recording_of_it(tmp_path: Path) -> None:
    fresh = pyrage.x25519.Identity.generate()

    def rotate(transaction: Transaction) -> None:
        admin.set_recording_key(transaction, OPERATOR, 4.0, 1, str(fresh.to_public()), rotate=True)

    async with running(config_in(tmp_path)) as whole:
        await whole.server._store.submit(prepared)
        await whole.server.reload()
        async with in_call(whole) as (call, far):
            far.send_dtmf("*1")
            await until_begun(whole)
            await whole.server._store.submit(rotate)
            await whole.server.reload()
            await asyncio.sleep(1.0)
            far.send_dtmf("*1")
            await until_ended(whole)
            far.send_dtmf("*1")
            await until_begun(whole, 2)
            await asyncio.sleep(1.0)
            await call.hang_up()
            await until_ended(whole)
        first, second = sorted(await recordings(whole), key=lambda facts: facts.started_at)
    for facts, key, other in ((first, KEY, fresh), (second, fresh, KEY)):
        assert facts.recipient == str(key.to_public())
        path, out = folder_of(tmp_path) / facts.path, io.BytesIO()
        assert open_recording(path, [key], out, was_finished=True).whole
        assert out.tell() > 1000
        with pytest.raises(SealError, match="does not open"):
            open_recording(path, [other], io.BytesIO(), was_finished=True)


async def test_the_command_line_records_a_call_that_is_up(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole:
        await whole.server._store.submit(prepared)
        await whole.server.reload()

        async def calls(*arguments: str) -> tuple[int | None, str]:
            command = [sys.executable, "-m", "sealtone.cli", "calls", *arguments, f"--data={tmp_path}"]
            environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
            process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=environment
            )
            said, _ = await process.communicate()
            return process.returncode, said.decode()

        async with in_call(whole) as (call, _):
            (live,) = await asyncio.to_thread(ask, tmp_path, "calls.live")
            asked = time.monotonic()
            assert await calls(live["id"], "--record", "start") == (0, "The call is being recorded.\n")
            begun = time.monotonic()
            assert (await calls(live["id"], "--record", "start"))[0] == 1
            (live,) = await asyncio.to_thread(ask, tmp_path, "calls.live")
            assert live["recording"] == (await recordings(whole))[0].id
            await asyncio.sleep(1.5)
            least_s = time.monotonic() - begun
            assert (await calls(live["id"], "--record", "stop"))[0] == 0
            most_s = time.monotonic() - asked
            await until_ended(whole)
            status, said = await calls(live["id"], "--record", "stop")
            assert (status, "not being recorded" in said) == (1, True)
            assert (await calls(live["id"], "--record", "perhaps"))[0] == 2
            await call.hang_up()
        assert "no live call" in (await calls("none", "--record", "start"))[1]
        (facts,) = await recordings(whole)
    assert facts.started_by.endswith("(command line)")
    assert_tones(tmp_path, facts, least_s, most_s)


async def test_the_data_folder_and_the_server_hold_nothing_that_opens_a_recording(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running(config_in(data)) as whole:
        await whole.server._store.submit(lambda transaction: prepared(transaction, "1000"))
        await whole.server.reload()
        async with in_call(whole) as (call, _):
            await until_begun(whole)
            await asyncio.sleep(1.5)
            await call.hang_up()
            await until_ended(whole)
        (facts,) = await recordings(whole)
    plain = octets_of(data, facts)
    for file in data.rglob("*"):
        if file.is_file():
            octets = file.read_bytes()
            assert b"AGE-SECRET-KEY" not in octets
            assert b"OggS" not in octets, file
            assert plain[1000:1032] not in octets, file


def _served(data: Path, first: int) -> subprocess.Popen[bytes]:
    options = [
        f"--listen=127.0.0.1 --sip-port={first} --tls-port={first + 1} --shared-tls-port=0",
        f"--media-ports={first + 4}-{first + 31}",
    ]
    command = [
        sys.executable,
        "-m",
        "sealtone.cli",
        "serve",
        "--no-panel",
        f"--data={data}",
        *" ".join(options).split(),
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


async def test_a_server_that_is_killed_loses_at_most_the_last_second(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with database.write() as transaction:
        made = admin.first_use(transaction, 1.0, "office.example")
        assert made is not None
        admin.secrets_shown(transaction)
        prepared(transaction, "1000")
    database.close()
    secrets = {new.user.username: new.secret for new in made.users}
    port = free_ports(32)
    server = _served(tmp_path, port)
    try:
        await until((tmp_path / "control.sock").exists, 30)
        await asyncio.sleep(1.0)

        def phone(user: str, hz: float) -> Phone:
            return Phone(
                PhoneConfig(
                    user,
                    "office.example",
                    secrets[user],
                    proxy=("127.0.0.1", port),
                    ring_s=0.0,
                    wish=Wish(Encryption.NONE),
                    source=lambda: Tone(hz, 1.0, 0.0),
                )
            )

        async with phone("1000", LEFT_HZ) as a, phone("1001", RIGHT_HZ) as b:
            await a.register()
            await b.register()
            called = time.monotonic()
            call = await a.call("1001")
            await call.answered(15)
            begun = time.monotonic()
            await asyncio.sleep(6.3)
            server.send_signal(signal.SIGKILL)
            ended = time.monotonic()
            server.wait(20)
    finally:
        server.kill()
    database = Database(tmp_path)
    with database.read() as transaction:
        (facts,) = read_recordings(transaction.connection, RecordingFilter()).recordings
    database.close()
    assert facts.ended_at is None
    left, _ = channels(wav_of(octets_of(tmp_path, facts, finished=False)))
    lasted = ended - begun
    assert len(left) / 8000 >= lasted - 1.0, f"{len(left) / 8000:.2f} s of {lasted:.2f} s"
    assert_tones(tmp_path, facts, lasted - 0.2, ended - called, finished=False)
    async with running(config_in(tmp_path), secrets) as whole:
        (closed,) = await recordings(whole)
        assert closed.seconds == pytest.approx(lasted, abs=1.5)
        assert "server ended" in closed.reason
