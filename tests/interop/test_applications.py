"""What the server says and plays, as phones hear it: prompts are found in recordings by the files they were made from."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import sealtone
from interop import tone
from interop.processes import LOOPBACK, eventually
from interop.server import DOMAIN, Server
from interop.spoken import ALIKE, follow_each_other, likeness, order_of, original
from interop.test_own_phone_calls import HZ, hears, until
from sealtone.model import CallState, KeyExchange
from sealtone.phone import Encryption, Phone, PhoneConfig, Silence, Tone, WavSink, Wish

ZRTP = Wish(Encryption.REQUIRE, keys=KeyExchange.ZRTP)
SDES = Wish(Encryption.REQUIRE)
PLAIN = Wish()
_RECENT_S = 20.0  # longer than any prompt


class Office(Server):
    """A server whose domain the tests may set."""

    MUSIC = True
    USERS = {"open": 20, "srtp": 20, "strict": 1, "sealed": 4, "direct": 1, "ended": 10, "wishing": 1}

    def set_domain(self, *options: str) -> None:
        command = [sys.executable, "-m", "sealtone.cli", "domain", "set", DOMAIN, *options, "--data", str(self.folder)]
        path = {"PYTHONPATH": str(Path(sealtone.__file__).parents[1])}
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=path)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with Office(tmp_path_factory.mktemp("office"), media_ports=60) as running:
        yield running


@pytest.fixture
async def phones(office, tmp_path):
    """A factory of our own registered phones; what each hears is in `<name>.wav`."""
    async with contextlib.AsyncExitStack() as running:

        async def start(name, kind, wish, transport="tls", user=None, silent=False, **more):
            user = user or office.user(kind)
            config = PhoneConfig(
                user,
                DOMAIN,
                office.secret(user),
                proxy=(LOOPBACK, office.tls_port if transport == "tls" else office.sip_port),
                transport=transport,
                ca_file=office.authority,
                wish=wish,
                source=Silence if silent else lambda: Tone(HZ[name], 1.0, 0.0),
                sink=lambda: WavSink(tmp_path / f"{name}.wav"),
                **more,
            )
            phone = await running.enter_async_context(Phone(config, lambda event: None))
            phone.heard = tmp_path / f"{name}.wav"
            await phone.register()
            return phone

        yield start


async def hears_prompt(phone, name, timeout_s=15.0):
    """Wait until what the phone recorded holds this sound; the second at which it began."""

    def look() -> tuple[float, float]:
        heard, rate = tone.read_wav(phone.heard) if phone.heard.exists() else (tone.np.zeros(0), 8000)
        recent = heard[-int(_RECENT_S * rate) :]
        alike, at = likeness(recent, name, rate)
        return alike, at + (len(heard) - len(recent)) / rate

    best = (0.0, 0.0)
    for _ in range(int(timeout_s / 0.5)):
        await asyncio.sleep(0.5)
        best = max(best, await asyncio.to_thread(look))  # the phones talk in this thread meanwhile
        if best[0] > ALIKE:
            return best[1]
    raise AssertionError(f"{name} was not heard within {timeout_s:g} s; the most alike: {best}")


def record_of(office, phone):
    return eventually(lambda: next(iter(office.calls_of(phone.config.user)), None), 5, "a record", office.evidence)


def test_a_sound_is_like_itself_and_not_like_another() -> None:
    heard = tone.np.concatenate([tone.np.zeros(3000), original("en/state-open"), tone.np.zeros(9000)])
    assert likeness(heard, "en/state-open")[0] > 0.99
    assert abs(likeness(heard, "en/state-open")[1] - 3000 / 8000) < 0.01
    assert likeness(heard, "en/listen-server")[0] < 0.3
    assert likeness(heard, "ru/state-open")[0] < 0.3


async def test_the_echo_test_is_announced_then_echoes_and_a_key_ends_it(office, phones):
    phone = await phones("a", "srtp", SDES)
    call = await phone.call("*43")
    announced = await hears_prompt(phone, "en/echo-intro")
    beeped = await hears_prompt(phone, "beep")
    assert announced < beeped
    await hears(phone, HZ["a"])
    call.send_dtmf("1")
    await hears_prompt(phone, "en/goodbye")
    assert await call.ended(8) == "the other side hung up"
    record = await asyncio.to_thread(record_of, office, phone)
    assert record.reason == "the echo test was ended with a key"
    assert call.stats().rejected == 0


async def test_who_can_hear_me_over_srtp_tells_it_in_order(office, phones):
    phone = await phones("a", "srtp", SDES, silent=True)
    call = await phone.call("*42")
    await hears_prompt(phone, "en/listen-server", 40)
    told = [
        "en/state-protected-to-server", "en/signalling-encrypted", "en/voice-srtp", "en/cipher-aes-256",
        "en/listen-server",
    ]  # fmt: skip
    others = [
        "en/state-open",
        "en/voice-none",
        "en/voice-zrtp",
        "en/listen-anyone",
        "ru/voice-srtp",
        "en/cipher-aes-128",
    ]
    assert order_of(phone.heard, [*others, *told]) == told
    await call.hang_up()


async def test_the_string_is_read_out_and_one_stores_it_as_compared(office, phones):
    phone = await phones("a", "ended", ZRTP, silent=True)
    call = await phone.call("*42")
    await call.secured()
    sas = call.zrtp.sas
    await hears_prompt(phone, "en/sas-press", 60)
    letters = [f"en/letter-{letter}" for letter in sas]
    read = await asyncio.to_thread(follow_each_other, phone.heard, "en/sas-characters", letters)
    assert all(alike > ALIKE for _, alike in read), f"the phone shows {sas}: {read}"
    call.send_dtmf("1")
    await hears_prompt(phone, "en/sas-matches")
    await hears_prompt(phone, "en/state-protected-to-server-checked")
    await call.hang_up()
    record = await asyncio.to_thread(record_of, office, phone)
    assert record.state is CallState.PROTECTED_CHECKED
    assert record.legs[0].security.sas_verified
    assert record.legs[0].security.zrtp.sas == sas
    second = await phone.call("*43")
    await second.secured()
    await until(lambda: second.stats().received, "the server is secure too")
    await second.hang_up()
    record = await asyncio.to_thread(record_of, office, phone)
    assert record.legs[0].security.sas_verified, "what was compared holds for the next call"


async def test_in_russian_where_the_domain_wants_that(office, phones):
    office.set_domain("--language", "ru")
    try:
        phone = await phones("a", "open", PLAIN, "udp", silent=True)
        call = await phone.call("*42")
        await hears_prompt(phone, "ru/voice-none", 30)
        assert order_of(phone.heard, ["en/state-open", "ru/state-open"]) == ["ru/state-open"]
        await call.hang_up()
    finally:
        office.set_domain("--language", "en")


async def test_who_is_held_hears_music_until_the_other_resumes(phones):
    caller, callee = await phones("a", "srtp", SDES), await phones("b", "open", PLAIN, "udp", ring_s=0.1)
    calling = await caller.call(callee.config.user)
    await calling.answered(10)
    await callee.next_call(1)
    await hears(callee, HZ["a"])
    await calling.hold()
    await asyncio.sleep(4)
    heard, rate = tone.read_wav(callee.heard)
    held = heard[-3 * rate :]
    music = original("music", rate)
    at = likeness(tone.np.concatenate([music, music[: 4 * rate]]), "music", rate)
    assert at[0] > 0.99
    # The recording of the last seconds, found again in the music.
    wanted, size = held - held.mean(), len(music) + 4 * rate + len(held)
    product = tone.np.fft.irfft(
        tone.np.fft.rfft(tone.np.concatenate([music, music[: 4 * rate]]), size)
        * tone.np.conj(tone.np.fft.rfft(wanted, size)), size,
    )  # fmt: skip
    energy = tone.np.sqrt((wanted**2).sum())
    best = int(product.argmax())
    stretch = tone.np.concatenate([music, music[: 4 * rate]])[best : best + len(wanted)]
    assert product[best] / energy / tone.np.sqrt((stretch**2).sum()) > 0.8
    await calling.resume()
    await hears(callee, HZ["a"])
    await asyncio.sleep(1.5)
    heard, rate = tone.read_wav(callee.heard)
    assert tone.listen(heard[-rate:], HZ["a"], rate).share > 0.95, "nothing of the music is left"
    await calling.hang_up()


@pytest.mark.parametrize(("notice", "sound"), [("tone", "open-tone"), ("notice", "en/open-notice")])
async def test_the_caller_is_told_before_it_is_connected_to_an_open_phone(office, phones, notice, sound):
    office.set_domain("--open-notice", notice)
    try:
        caller, callee = await phones("a", "srtp", SDES), await phones("b", "open", PLAIN, "udp", ring_s=0.1)
        calling = await caller.call(callee.config.user)
        await calling.answered(10)
        await callee.next_call(1)
        at = await hears_prompt(caller, sound)
        await hears(caller, HZ["b"])
        await hears(callee, HZ["a"])
        heard, rate = tone.read_wav(caller.heard)
        before = heard[: int((at + len(original(sound)) / 8000 - 0.1) * rate)]
        assert tone.listen(before, HZ["b"], rate).tone_s < 0.3, "the other side was heard before the notice was over"
        await calling.hang_up()
        record = await asyncio.to_thread(record_of, office, caller)
        assert record.announced == f"{caller.config.user}@{DOMAIN} was told that the other side is not encrypted."
        assert record.state is CallState.OPEN
    finally:
        office.set_domain("--open-notice", "off")


async def test_two_encrypted_phones_are_connected_at_once_where_notices_are_on(office, phones):
    office.set_domain("--open-notice", "notice", "--open-notice-to", "both")
    try:
        caller, callee = await phones("a", "srtp", SDES), await phones("b", "srtp", SDES, ring_s=0.1)
        calling = await caller.call(callee.config.user)
        await calling.answered(10)
        await hears(caller, HZ["b"], last_s=0.8, timeout_s=2.0)
        await calling.hang_up()
        record = await asyncio.to_thread(record_of, office, caller)
        assert record.announced == ""
    finally:
        office.set_domain("--open-notice", "off", "--open-notice-to", "caller")


async def test_a_sealed_call_has_no_music(phones):
    caller, callee = [
        await phones(name, "sealed", ZRTP, "udp", ring_s=0.1) for name in ("a", "b")
    ]  # fmt: skip
    calling = await caller.call(callee.config.user)
    await calling.answered(10)
    await callee.next_call(1)
    await hears(callee, HZ["a"])
    await calling.hold()
    await asyncio.sleep(0.5)
    before = len(tone.read_wav(callee.heard)[0])
    await asyncio.sleep(1.5)
    heard, rate = tone.read_wav(callee.heard)
    assert tone.listen(heard[before:], HZ["a"], rate).other_s == 0
    await calling.hang_up()


@pytest.mark.parametrize("kind", ["linphone", "baresip"])
def test_a_real_phone_hears_who_can_hear_it(office, registered, kind):
    phone = registered(kind, 440, at=office, transport="tls", encryption="required", user=office.user("srtp"))
    phone.wait_registered()
    phone.call(phone.uri("*42"))
    phone.wait_for("established")
    time.sleep(15)  # linphonec writes its recording when the call ends
    phone.hang_up()
    phone.wait_for("closed")
    names = ["en/state-protected-to-server", "en/signalling-encrypted", "en/voice-srtp", "en/voice-none"]

    def heard() -> bool:
        path = phone.recording()
        return path is not None and order_of(path, names) == names[:3]

    eventually(heard, 5, "the prompts are heard, in their order", phone.evidence)


def test_linphonec_hears_its_string_read_out_and_confirms_it_with_a_key(office, registered):
    user = office.user("ended")
    phone = registered("linphone", 440, at=office, transport="tls", encryption="zrtp", user=user)
    phone.wait_registered()
    phone.call(phone.uri("*42"))
    phone.wait_for("established")
    eventually(phone.short_authentication_string, 10, "the phone has a string to show", phone.evidence)
    sas = phone.short_authentication_string()
    time.sleep(40)  # what the leg reached is told first
    phone.press("1")
    time.sleep(8)
    phone.hang_up()
    phone.wait_for("closed")
    record = eventually(lambda: next(iter(office.calls_of(user)), None), 5, "a record", office.evidence)
    assert record.legs[0].security.zrtp.sas == sas
    assert record.legs[0].security.sas_verified
    assert record.state is CallState.PROTECTED_CHECKED
    read = follow_each_other(phone.recording(), "en/sas-characters", [f"en/letter-{letter}" for letter in sas])
    assert all(alike > ALIKE for _, alike in read), f"the phone shows {sas}: {read}"
    assert order_of(phone.recording(), ["en/sas-matches"])
