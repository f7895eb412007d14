"""Our own softphone speaks ZRTP: with the server, and through it sealed with another one or with linphonec."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from interop.processes import LOOPBACK
from interop.server import DOMAIN
from interop.test_own_phone_calls import HZ, both_hear
from sealtone.model import CallState, KeyExchange, MediaPath, Protection, ZrtpStage
from sealtone.phone import Encryption, Phone, PhoneConfig, Tone, WavSink, Wish

ZRTP = Wish(Encryption.REQUIRE, keys=KeyExchange.ZRTP)
PREFERRED = Wish(Encryption.PREFER, keys=KeyExchange.ZRTP)
SDES = Wish(Encryption.REQUIRE)
PLAIN = Wish()


@pytest.fixture
async def phones(server, tmp_path):
    """A factory of our own registered phones; what each hears is in `<name>.wav`, what it is told in `told`."""
    async with contextlib.AsyncExitStack() as running:

        async def start(name, kind, wish=ZRTP, transport="udp", **more):
            user = more.pop("user", None) or server.user(kind)
            config = PhoneConfig(
                user,
                DOMAIN,
                server.secret(user),
                proxy=(LOOPBACK, server.tls_port if transport == "tls" else server.sip_port),
                transport=transport,
                ca_file=server.authority,
                wish=wish,
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


async def talk(caller, callee):
    """A call in which each hears the other; the two calls."""
    calling = await caller.call(callee.config.user)
    await calling.answered(10)
    answering = await callee.next_call(1)
    await both_hear(caller, callee)
    return calling, answering


async def legs_after(server, calling, answering):
    """End it; the record of the call, and the security of each user's leg."""
    await calling.hang_up()
    await answering.ended(5)
    record = await asyncio.to_thread(server.call_of, calling.phone.config.user)
    return record, {leg.aor.partition("@")[0]: leg.security for leg in record.legs if leg.chosen}


async def test_zrtp_ends_at_the_server_and_phone_and_record_show_the_same_string(server, phones):
    caller, callee = await phones("a", "ended"), await phones("b", "ended", ring_s=0.1)
    calling, answering = await talk(caller, callee)
    record, legs = await legs_after(server, calling, answering)
    assert record.state is CallState.PROTECTED_TO_SERVER
    for call in (calling, answering):
        leg = legs[call.phone.config.user]
        assert leg.media_path is MediaPath.SERVER
        assert leg.protection is Protection.ZRTP
        assert leg.zrtp.stage is ZrtpStage.SECURE
        assert leg.zrtp.sas == call.zrtp.sas
        assert leg.zrtp.hello_hash_matched is True
        assert call.zrtp.hello_hash_matched is True
        assert call.zrtp.trusted_mitm
        assert call.stats().rejected == 0
    assert calling.zrtp.sas != answering.zrtp.sas
