"""Our own softphone through the server: what the phones of others cannot be made to do, or not be listened to live."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sealtone
from interop import tone
from interop.processes import LOOPBACK
from interop.server import DOMAIN
from sealtone.model import CallState
from sealtone.phone import CallFailed, Encryption, Phone, PhoneConfig, RegistrationFailed, Tone, WavSink, Wish
from sealtone.phone.events import DtmfReceived, MediaChanged, MessageReceived, TransferProgress

HZ = {"a": 440.0, "b": 1000.0, "c": 1700.0}


@pytest.fixture
async def phones(server, tmp_path):
    """A factory of our own registered phones; what each hears is in `<name>.wav`, what it is told in `told`."""
    usual = server
    async with contextlib.AsyncExitStack() as running:

        async def start(name, transport="tls", encryption=Encryption.REQUIRE, kind="srtp", at=None, **more):
            server = at or usual
            user = more.pop("user", None) or server.user(kind)
            config = PhoneConfig(
                user,
                DOMAIN,
                more.pop("secret", server.secret(user)),
                proxy=(LOOPBACK, server.tls_port if transport == "tls" else server.sip_port),
                transport=transport,
                ca_file=server.authority,
                wish=Wish(encryption if transport == "tls" else Encryption.NONE),
                source=lambda: Tone(HZ[name], 1.0, 0.0),
                sink=lambda: WavSink(tmp_path / f"{name}.wav"),
                **more,
            )
            told = []
            phone = await running.enter_async_context(Phone(config, told.append))
            phone.told = told
            phone.heard = tmp_path / f"{name}.wav"
            await phone.register()
            return phone

        yield start


async def hears(phone, hz, last_s=1.0, timeout_s=6.0):
    """Wait until the last second of what the phone records is the tone of `hz`."""
    heard = None
    async with asyncio.timeout(timeout_s):
        while heard is None or heard.tone_s < 0.7 * last_s:
            await asyncio.sleep(0.1)
            samples, rate = tone.read_wav(phone.heard) if phone.heard.exists() else (tone.np.zeros(0), 8000)
            heard = tone.listen(samples[-int(last_s * rate) :], hz, rate)


async def skip_announcement(call):
    """Press a key while the echo test says what it is: then it echoes."""
    await until(lambda: call.stats().received > 5, "the server speaks")
    call.send_dtmf("1")


async def until(true, what, timeout_s=5.0):
    """Poll until `true()`; fail with `what`."""
    for _ in range(int(timeout_s / 0.05)):
        if true():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {timeout_s:g} s: {what}")


async def both_hear(a, b, hz_a=HZ["a"], hz_b=HZ["b"]):
    await asyncio.gather(hears(b, hz_a), hears(a, hz_b))


@pytest.mark.parametrize(("a", "b"), [("tls", "tls"), ("tls", "udp"), ("tcp", "tls"), ("udp", "udp")])
@pytest.mark.parametrize("holder", ["caller", "callee"])
async def test_either_side_can_hold_and_resume(phones, a, b, holder):
    caller, callee = await phones("a", a), await phones("b", b, ring_s=0.1)
    calling = await caller.call(callee.config.user)
    await calling.answered(10)
    answering = await callee.next_call(1)
    await both_hear(caller, callee)
    held_call, other = (calling, answering) if holder == "caller" else (answering, calling)
    await held_call.hold()
    await asyncio.sleep(0.3)
    assert other.held_there
    before = held_call.stats().received
    await asyncio.sleep(0.6)
    assert held_call.stats().received - before <= 3, "a held phone must not be heard"
    await held_call.resume()
    await both_hear(caller, callee)
    assert [event.what for event in other.phone.told if isinstance(event, MediaChanged)] == [
        "put on hold by the other side",
        "resumed",
    ]
    assert calling.stats().rejected == answering.stats().rejected == 0
    await answering.hang_up()
    assert await calling.ended(5) == "the other side hung up"


async def test_keys_pressed_on_one_encrypted_side_arrive_on_the_other(phones):
    caller, callee = await phones("a"), await phones("b", "udp", ring_s=0.1)
    calling = await caller.call(callee.config.user)
    await calling.answered(10)
    calling.send_dtmf("159#")
    answering = await callee.next_call(1)
    await until(lambda: len(answering.keys_heard) >= 4, "four keys are heard")
    assert answering.keys_heard == "159#"
    assert [event.key for event in callee.told if isinstance(event, DtmfReceived)] == list("159#")
    await calling.hang_up()


async def test_each_phone_is_told_how_the_other_side_is_protected(server, phones):
    caller, callee = await phones("a"), await phones("b", "udp", ring_s=0.1)
    calling = await caller.call(callee.config.user)
    await calling.answered(10)
    answering = await callee.next_call(1)
    assert "The other side is open" in calling.who_could_listen()
    assert "This side is open" in answering.who_could_listen()
    assert "The other side is encrypted too" in answering.who_could_listen()
    await asyncio.sleep(0.3)
    await calling.hang_up()
    record = await asyncio.to_thread(server.call_of, caller.config.user)
    assert record.state is CallState.OPEN


@pytest.mark.parametrize("lines", [("tls", "tls", "tls"), ("udp", "tls", "udp")])
async def test_an_attended_transfer_connects_the_two_others(phones, lines):
    first, middle, third = (
        await phones("a", lines[0]),
        await phones("b", lines[1], ring_s=0.1),
        await phones("c", lines[2], ring_s=0.1),
    )
    calling = await first.call(middle.config.user)
    await calling.answered(10)
    at_middle = await middle.next_call(1)
    await at_middle.hold()
    asking = await middle.call(third.config.user)
    await asking.answered(10)
    await asking.hold()
    await at_middle.transfer_to(asking)
    await both_hear(first, third, HZ["a"], HZ["c"])
    await asyncio.gather(at_middle.ended(10), asking.ended(10))
    assert any(isinstance(event, TransferProgress) for event in middle.told)
    await (await third.next_call(1)).hang_up()
    for call in list(first.calls):
        await call.ended(5)


async def test_a_blind_transfer_connects_the_two_others(phones):
    first, middle, third = await phones("a"), await phones("b", ring_s=0.1), await phones("c", "udp", ring_s=0.1)
    calling = await first.call(middle.config.user)
    await calling.answered(10)
    at_middle = await middle.next_call(1)
    await at_middle.transfer(third.config.user)
    await both_hear(first, third, HZ["a"], HZ["c"])
    await at_middle.ended(10)


async def test_a_text_message_reaches_the_other_phone(phones):
    sender, receiver = await phones("a"), await phones("b", "udp")
    assert await sender.message(receiver.config.user, "Grüße") in (200, 202)
    await until(lambda: any(isinstance(event, MessageReceived) for event in receiver.told), "the message arrives")
    message = next(event for event in receiver.told if isinstance(event, MessageReceived))
    assert message.text == "Grüße"
    assert sender.config.user in message.sender


async def test_a_busy_phone_and_one_that_is_gone_are_told_apart(phones):
    caller, busy, gone = await phones("a"), await phones("b", busy=True), await phones("c")
    await gone.unregister()
    for callee, status in ((busy, 486), (gone, 480)):
        call = await caller.call(callee.config.user)
        with pytest.raises(CallFailed) as failed:
            await call.answered(10)
        assert failed.value.status == status


async def test_nobody_answers_and_the_caller_gives_up(server, phones):
    caller, callee = await phones("a"), await phones("b")
    call = await caller.call(callee.config.user)
    ringing = await callee.next_call(5)
    with pytest.raises(TimeoutError):
        await call.answered(1.5)
    await call.hang_up()
    assert call.status == 487
    assert await ringing.ended(5) == "the caller gave up"


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_a_wrong_secret_is_refused(phones, guarded_server, transport):
    with pytest.raises(RegistrationFailed) as failed:
        await phones("a", transport, at=guarded_server, secret="not-the-secret")
    assert failed.value.status in (401, 403)


async def test_an_account_that_requires_encryption_is_refused_without(phones):
    strict, other = await phones("a", "udp", kind="strict"), await phones("b")
    call = await strict.call(other.config.user)
    with pytest.raises(CallFailed) as failed:
        await call.answered(10)
    assert failed.value.status == 488
    assert len(failed.value.reason) > 20, "the reason is a sentence for a person"


def test_the_command_line_phone_calls_the_echo_service_and_says_who_could_listen(server, tmp_path):
    user = server.user()
    command = [
        sys.executable, "-m", "sealtone.cli", "phone", "--user", user, "--domain", DOMAIN,
        "--proxy", f"{LOOPBACK}:{server.tls_port}", "--ca", str(server.authority), "--protection", "srtp", "--strictness", "require",
        "--call", "*43", "--tone", "440", "--record", str(tmp_path / "heard.wav"), "--duration", "9", "--json",
    ]  # fmt: skip
    variables = {
        **os.environ,
        "SEALTONE_SECRET": server.secret(user),
        "PYTHONPATH": str(Path(sealtone.__file__).parents[1]),
    }
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=variables, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    summary = events[-1]
    assert summary["event"] == "summary"
    assert summary["protection"]["suites"] == ["AEAD_AES_256_GCM"] * 2
    assert summary["received"] > 80
    assert any("could listen" in event.get("text", "") for event in events)
    assert server.secret(user) not in done.stdout + done.stderr
    assert tone.listen_to_file(tmp_path / "heard.wav", 440).tone_s > 1
