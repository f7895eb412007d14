"""Our own softphone against linphonec and baresip, phone to phone without a server."""

from __future__ import annotations

import asyncio

import pytest

from interop import tone
from sealtone.phone import CallFailed, Encryption, Phone, PhoneConfig, Tone, WavSink, Wish
from sealtone.srtp_keys import Suite

OURS_HZ, THEIRS_HZ = 440.0, 1000.0


def config_for(peer, heard, **more):
    return PhoneConfig(
        "me",
        "127.0.0.1",
        proxy=("127.0.0.1", peer.listening_port),
        source=lambda: Tone(OURS_HZ),
        sink=lambda: WavSink(heard),
        **more,
    )


async def talk_and_hang_up(call, peer):
    await call.answered(10)
    await asyncio.to_thread(peer.wait_audio, OURS_HZ)
    await call.hang_up()
    await asyncio.to_thread(peer.wait_for, "closed")


def prove_both(peer, heard):
    peer.prove_heard(OURS_HZ)
    ours = tone.listen_to_file(heard, THEIRS_HZ)
    assert ours.tone_s >= 1.0, ours
    assert ours.share > 0.9, ours


@pytest.mark.parametrize("kind", ["baresip", "linphone"])
@pytest.mark.parametrize("law", ["PCMU", "PCMA"])
async def test_a_plain_call_is_heard_at_both_ends(phone, tmp_path, kind, law):
    peer, heard = phone(kind, user="b", tone_hz=THEIRS_HZ), tmp_path / "heard.wav"
    async with Phone(config_for(peer, heard, wish=Wish(codecs=(law,)))) as ours:
        call = await ours.call(peer.address)
        await talk_and_hang_up(call, peer)
        assert call.stats().codec == law
    prove_both(peer, heard)


@pytest.mark.parametrize("suite", [*(s for s in Suite if "256_CM" not in s.value)])
async def test_a_call_over_tls_with_srtp_is_heard_at_both_ends_in_every_suite(phone, tmp_path, certificates, suite):
    peer = phone(
        "baresip", user="b", tone_hz=THEIRS_HZ, transport="tls", encryption="required", certificate=certificates.server
    )
    heard = tmp_path / "heard.wav"
    config = config_for(
        peer, heard, transport="tls", ca_file=certificates.authority, server_name="localhost",
        wish=Wish(Encryption.REQUIRE, suites=(suite,)),
    )  # fmt: skip
    async with Phone(config) as ours:
        call = await ours.call(peer.address)
        await talk_and_hang_up(call, peer)
        assert call.stats().suites == (suite.value, suite.value)
        assert call.stats().rejected == 0
        assert call.protection.tls.startswith("TLSv1.")
    assert peer.srtp_suite() == suite.value
    prove_both(peer, heard)


@pytest.mark.parametrize("suite", [s for s in Suite if s.value.startswith("AES_")])
async def test_the_counter_mode_suites_agree_with_linphone(phone, tmp_path, suite):
    peer = phone("linphone", user="b", tone_hz=THEIRS_HZ, encryption="required")
    heard = tmp_path / "heard.wav"
    wish = Wish(Encryption.REQUIRE, suites=(suite,), keys_in_clear=True)  # linphonec alone has no TLS listener
    async with Phone(config_for(peer, heard, wish=wish)) as ours:
        call = await ours.call(peer.address)
        await talk_and_hang_up(call, peer)
        assert call.stats().suites == (suite.value, suite.value)
    prove_both(peer, heard)


@pytest.mark.parametrize("kind", ["baresip", "linphone"])
async def test_hold_resume_and_keys_reach_the_other_phone(phone, tmp_path, kind):
    peer, heard = phone(kind, user="b", tone_hz=THEIRS_HZ), tmp_path / "heard.wav"
    async with Phone(config_for(peer, heard)) as ours:
        call = await ours.call(peer.address)
        await call.answered(10)
        await asyncio.to_thread(peer.wait_audio, OURS_HZ)
        await call.hold()
        await asyncio.sleep(0.3)
        before = call.stats().received
        await asyncio.sleep(0.7)
        assert call.stats().received - before <= 3, "a held phone must not send"
        await call.resume()
        call.send_dtmf("15#")
        await asyncio.sleep(1.5)
        assert call.stats().received - before >= 40
        await call.hang_up()


@pytest.mark.parametrize("kind", ["baresip", "linphone"])
async def test_a_call_from_the_other_phone_is_answered_and_ended_by_it(phone, tmp_path, kind):
    peer, heard = phone(kind, user="b", tone_hz=THEIRS_HZ), tmp_path / "heard.wav"
    async with Phone(config_for(peer, heard)) as ours:
        assert ours.flow is not None
        peer.call(f"sip:me@127.0.0.1:{ours.flow.local[1]}")
        call = await ours.next_call(5)
        await call.accept()
        await asyncio.to_thread(peer.wait_audio, OURS_HZ)
        peer.hang_up()
        assert await call.ended(5) == "the other side hung up"
        await asyncio.to_thread(peer.wait_for, "closed")
    prove_both(peer, heard)


async def test_a_call_that_demands_encryption_fails_in_words_where_the_other_has_none(phone, tmp_path, certificates):
    peer = phone("baresip", user="b", tone_hz=THEIRS_HZ, transport="tls", certificate=certificates.server)
    config = config_for(
        peer, tmp_path / "x.wav", transport="tls", ca_file=certificates.authority, server_name="localhost",
        wish=Wish(Encryption.REQUIRE),
    )  # fmt: skip
    async with Phone(config) as ours:
        call = await ours.call(peer.address)
        with pytest.raises(CallFailed) as failed:
            await call.answered(10)
        assert failed.value.status in (415, 488)


async def test_cancel_busy_and_refusal_are_told(phone, tmp_path):
    peer = phone("baresip", user="b", tone_hz=THEIRS_HZ, auto_answer=False)
    async with Phone(config_for(peer, tmp_path / "x.wav")) as ours:
        call = await ours.call(peer.address)
        await asyncio.to_thread(peer.wait_for, "incoming")
        await call.hang_up()
        await asyncio.to_thread(peer.wait_for, "closed")
        assert call.status == 487
        second = await ours.call(peer.address)
        await asyncio.to_thread(peer.wait_for, "incoming", 5, 2)
        peer.hang_up()
        with pytest.raises(CallFailed) as failed:
            await second.answered(10)
        assert failed.value.status == 486
