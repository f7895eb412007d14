"""Our own softphone speaks ZRTP: with the server, and through it sealed with another one or with linphonec."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

import sealtone
from interop import tone
from interop.processes import LOOPBACK, eventually
from interop.server import DOMAIN
from interop.test_own_phone_calls import HZ, both_hear, hears, skip_announcement, until
from sealtone.demo.wiretap import VoiceRelay
from sealtone.model import CallState, KeyExchange, MediaPath, Protection, ZrtpStage
from sealtone.phone import CallFailed, Encryption, Phone, PhoneConfig, Tone, WavSink, Wish
from sealtone.phone.events import Enrolled, NotSecured, Secured, SecurityWarning
from sealtone.zrtp import Algorithms, is_zrtp

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
                source=more.pop("source", lambda: Tone(HZ[name], 1.0, 0.0)),
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


async def record_after(server, call):
    """End it; the server's record of it, once it is written."""
    await call.hang_up()
    user, call_id = call.phone.config.user, call.session.call_id

    def record():
        found = (each for each in server.calls_of(user) for leg in each.legs if leg.sip_call_id == call_id)
        return next(found, None)

    return await asyncio.to_thread(eventually, record, 5, "the record is written", server.evidence)


async def legs_after(server, calling, answering):
    """End it; the record of the call, and the security of each user's leg."""
    record = await record_after(server, calling)
    await answering.ended(5)
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


async def test_between_two_zrtp_users_the_call_is_sealed_and_both_show_the_same_string(server, phones):
    caller, callee = await phones("a", "sealed"), await phones("b", "sealed", ring_s=0.1)
    calling, answering = await talk(caller, callee)
    record, legs = await legs_after(server, calling, answering)
    assert record.state is CallState.END_TO_END
    assert calling.zrtp.sas == answering.zrtp.sas
    for call in (calling, answering):
        assert not call.zrtp.trusted_mitm
        assert call.zrtp.hello_hash_matched is True
        leg = legs[call.phone.config.user]
        assert leg.media_path is MediaPath.SEALED
        assert leg.zrtp.stage is ZrtpStage.SEEN
        assert (leg.zrtp.key_agreement, leg.zrtp.cipher) == (call.zrtp.key_agreement, call.zrtp.cipher)


async def test_two_users_that_want_it_talk_directly_with_the_same_string(server, phones):
    caller, callee = await phones("a", "direct"), await phones("b", "direct", ring_s=0.1)
    calling, answering = await talk(caller, callee)
    assert calling.zrtp.sas == answering.zrtp.sas
    record, legs = await legs_after(server, calling, answering)
    assert record.state is CallState.END_TO_END
    assert {leg.media_path for leg in legs.values()} == {MediaPath.DIRECT}


@pytest.mark.parametrize("how", ["blind", "attended"])
@pytest.mark.parametrize(("kind", "path"), [("sealed", MediaPath.SEALED), ("direct", MediaPath.DIRECT)])
async def test_two_phones_that_are_connected_by_a_transfer_show_the_same_string(server, phones, kind, path, how):
    first, middle, third = (
        await phones("a", kind), await phones("b", kind, ring_s=0.1), await phones("c", kind, ring_s=0.1)
    )  # fmt: skip
    _, at_middle = await talk(first, middle)
    old = at_middle.zrtp.sas
    ending = [at_middle]
    if how == "blind":
        await at_middle.transfer(third.config.user)
    else:
        asking = await middle.call(third.config.user)
        await asking.answered(10)
        await until(lambda: asking.zrtp.sas, "the second call is secure")
        await at_middle.transfer_to(asking)
        ending.append(asking)
    await both_hear(first, third, HZ["a"], HZ["c"])
    for call in ending:
        await call.ended(10)
    (calling,), (answering,) = first.calls, third.calls
    assert calling.zrtp.sas == answering.zrtp.sas != old
    assert not calling.zrtp.trusted_mitm
    record, legs = await legs_after(server, calling, answering)
    assert record.state is CallState.END_TO_END
    assert {aor: leg.media_path for aor, leg in legs.items()} == {first.config.user: path, third.config.user: path}


@pytest.mark.parametrize(
    ("kind", "wish", "transport", "state", "told"),
    [
        pytest.param("strict", SDES, "tls", CallState.PROTECTED_TO_SERVER, "encrypted too (srtp", id="srtp"),
        pytest.param("open", PLAIN, "udp", CallState.OPEN, "side is open", id="plain"),
    ],
)
@pytest.mark.parametrize("caller_has", ["zrtp", "other"])
async def test_zrtp_on_one_side_and_something_else_on_the_other(
    server, phones, kind, wish, transport, state, told, caller_has
):
    has_zrtp, other = ("a", "b") if caller_has == "zrtp" else ("b", "a")
    zrtp = await phones(has_zrtp, "ended", ring_s=0.1)
    far = await phones(other, kind, wish, transport, ring_s=0.1)
    calling, answering = await talk(zrtp, far) if caller_has == "zrtp" else await talk(far, zrtp)
    with_zrtp = calling if caller_has == "zrtp" else answering
    if caller_has == "zrtp":
        assert told in calling.who_could_listen()
    assert "The server could listen." in with_zrtp.who_could_listen()
    record, legs = await legs_after(server, calling, answering)
    assert record.state is state
    assert legs[zrtp.config.user].zrtp.sas == with_zrtp.zrtp.sas


@pytest.mark.parametrize("direction", ["out", "in"])
@pytest.mark.parametrize("kind", ["sealed", "ended"])
async def test_linphone_and_our_phone_hear_each_other_by_zrtp(server, phones, registered, kind, direction):
    peer = await asyncio.to_thread(
        lambda: registered("linphone", HZ["b"], user=server.user(kind), transport="udp", encryption="zrtp")
    )
    ours = await phones("a", kind, ring_s=0.1, source=lambda: Tone(HZ["a"]))
    await asyncio.to_thread(peer.wait_registered)
    if direction == "out":
        call = await ours.call(peer.setup.user)
        await call.answered(10)
    else:
        peer.call(peer.uri(ours.config.user))
        call = await ours.next_call(10)
    view = await call.secured()
    await asyncio.gather(asyncio.to_thread(peer.wait_audio, HZ["a"]), hears(ours, HZ["b"]))
    assert (peer.short_authentication_string() == view.sas) is (kind == "sealed")
    assert view.trusted_mitm is (kind == "ended")
    record = await record_after(server, call)
    await asyncio.to_thread(peer.wait_for, "closed")
    peer.prove_heard(HZ["a"])
    legs = {leg.aor.partition("@")[0]: leg.security for leg in record.legs if leg.chosen}
    if kind == "ended":
        assert legs[ours.config.user].zrtp.sas == view.sas
        assert legs[peer.setup.user].zrtp.sas == peer.short_authentication_string()


# What no packaged peer has: key agreement, cipher, authentication tag, hash, SAS type.
ENDED = [
    ("EC25", "2FS1", "SK32", "S256", "B32 "),
    ("EC38", "2FS3", "SK64", "S384", "B256"),
    ("EC25", "AES3", "SK64", "SKN2", "B32 "),
    ("EC38", "AES3", "SK32", "SKN3", "B32 "),
    ("X448", "2FS3", "HS32", "SKN3", "B256"),
    ("DH3k", "2FS1", "HS80", "SKN2", "B32 "),
    ("DH2k", "2FS1", "SK32", "S256", "B32 "),
]
SEALED = [
    ("E255", "2FS2", "SK32", "SKN2", "B32 "),
    ("E414", "2FS3", "SK64", "SKN3", "B256"),
    ("EC52", "AES2", "HS80", "S384", "B32 "),
]


def only(key_agreement, cipher, tag, hash_, sas):
    return Algorithms((hash_,), (cipher,), (tag,), (key_agreement,), (sas,))


def suite_of(view):
    return view.key_agreement, view.cipher, view.auth_tag, view.hash, view.sas_type


@pytest.mark.parametrize("suite", ENDED, ids="-".join)
async def test_each_algorithm_carries_a_call_that_ends_at_the_server(server, phones, suite):
    phone = await phones("a", "ended", zrtp_algorithms=only(*suite))
    call = await phone.call("*43")
    assert suite_of(await call.secured()) == suite
    await skip_announcement(call)
    await hears(phone, HZ["a"])
    assert call.stats().suites == (f"ZRTP_{suite[1]}_{suite[2]}",) * 2
    assert call.stats().rejected == 0
    record = await record_after(server, call)
    facts = record.legs[0].security.zrtp
    assert (facts.key_agreement, facts.cipher, facts.auth_tag, facts.hash) == suite[:4]
    assert facts.sas == call.zrtp.sas


async def test_reports_are_authentic_both_ways_under_a_skein_tag(phones):
    phone = await phones("a", "ended", zrtp_algorithms=only("EC25", "2FS3", "SK32", "S256", "B32 "))
    call = await phone.call("*43")
    await until(lambda: call.stats().rtt_ms is not None, "the server reports on a report of the phone's", 12)
    assert call.stats().rejected == 0


@pytest.mark.parametrize("suite", SEALED, ids="-".join)
async def test_each_algorithm_that_phones_alone_have_passes_sealed(phones, suite):
    caller, callee = [
        await phones(name, "sealed", ring_s=0.1, zrtp_algorithms=only(*suite)) for name in ("a", "b")
    ]  # fmt: skip
    calling, answering = await talk(caller, callee)
    assert suite_of(calling.zrtp) == suite_of(answering.zrtp) == suite
    assert calling.zrtp.sas == answering.zrtp.sas


async def test_hold_and_resume_keep_the_keys(phones):
    caller, callee = await phones("a", "ended"), await phones("b", "sealed", ring_s=0.1)
    calling, answering = await talk(caller, callee)
    strings = calling.zrtp.sas, answering.zrtp.sas
    for holding in (calling, answering):
        await holding.hold()
        await asyncio.sleep(0.3)
        before = holding.stats().received
        await asyncio.sleep(0.5)
        assert holding.stats().received - before <= 3, "a held phone must not be heard"
        await holding.resume()
        await both_hear(caller, callee)
    assert (calling.zrtp.sas, answering.zrtp.sas) == strings
    assert calling.stats().rejected == answering.stats().rejected == 0
    assert sum(isinstance(event, Secured) for event in caller.told) == 1


# Nothing in the clear


class Unseen:
    def see(self, data):
        """Passed on, and not kept."""


class Recording:
    """A relay on the media path that keeps the packets in order: both ways, or those `of_phone` alone."""

    def __init__(self, of_phone=False):
        self.packets = []
        self.from_phone = self
        self.to_phone = Unseen() if of_phone else self

    def see(self, data):
        self.packets.append(data)

    def __call__(self):
        return VoiceRelay(self)

    def voice(self):
        return [packet for packet in self.packets if not is_zrtp(packet)]


async def test_no_packet_of_voice_is_sent_before_there_are_keys(phones):
    line = Recording()
    caller, callee = await phones("a", "sealed", relay=line), await phones("b", "sealed", ring_s=0.1)
    await talk(caller, callee)
    assert is_zrtp(line.packets[0])
    assert len(line.voice()) > 80
    # Ten octets of authentication tag behind 160 of voice.
    assert {len(packet) for packet in line.voice()} == {12 + 160 + 10}


async def test_where_zrtp_is_required_and_the_server_has_none_nothing_is_ever_sent(phones):
    line = Recording(of_phone=True)
    phone = await phones("a", "open", relay=line)
    call = await phone.call("*43")
    await call.answered(10)
    await until(lambda: any(isinstance(event, NotSecured) for event in phone.told), "it is told", 6)
    assert "nothing is sent or heard" in call.who_could_listen()
    assert call.stats().sent == 0
    samples, _ = tone.read_wav(phone.heard) if phone.heard.exists() else (tone.np.zeros(1), 8000)
    assert not samples.any(), "what the server says in the clear is not heard"
    assert line.packets
    assert line.voice() == []


async def test_where_zrtp_is_preferred_and_the_server_has_none_the_call_is_open_and_says_so(phones):
    phone = await phones("a", "open", PREFERRED)
    call = await phone.call("*43")
    await call.answered(10)
    await skip_announcement(call)
    await hears(phone, HZ["a"])
    assert "This side is open" in call.who_could_listen()
    assert call.stats().suites is None


async def test_a_phone_for_zrtp_takes_no_call_that_demands_keys_in_the_signalling(server, phones):
    far = await phones("a", "strict", SDES, "tls")
    phone = await phones("b", "strict", transport="tls", ring_s=0.1)
    call = await far.call(phone.config.user)
    with pytest.raises(CallFailed) as failed:
        await call.answered(10)
    assert failed.value.status == 488


# What is remembered


async def test_the_secrets_of_a_call_are_known_in_the_next_one_and_so_is_a_compared_string(server, phones, tmp_path):
    users, seen = [server.user("sealed"), server.user("ended")], []
    for _ in range(2):
        caller = await phones("a", "", user=users[0], zrtp_folder=tmp_path / "kept")
        callee = await phones("b", "", user=users[1], zrtp_folder=tmp_path / "kept", ring_s=0.1)
        calling, answering = await talk(caller, callee)
        seen.append((calling.zrtp, answering.zrtp))
        calling.check_sas(True)
        record, _ = await legs_after(server, calling, answering)
        await caller.close()
        await callee.close()
    first, second = seen
    assert [view.cache for view in first] == ["first contact"] * 2
    assert [view.cache for view in second] == ["matched"] * 2
    assert [view.verified for view in first + second] == [False, False, True, False]
    for file in (tmp_path / "kept").iterdir():
        assert file.stat().st_mode & 0o077 == 0, file
    assert {leg.security.zrtp.cache for leg in record.legs} == {"matched"}


async def test_a_peer_that_has_lost_its_secrets_is_warned_about_until_the_strings_are_compared(
    server, phones, tmp_path
):
    users, seen = [server.user("sealed") for _ in range(2)], []
    file = tmp_path / "b" / f"{users[1]}@{DOMAIN}.zrtp.json"
    for turn in range(4):
        if turn in (1, 2):
            kept = json.loads(file.read_text())
            file.write_text(json.dumps(kept | {"peers": []}))
        caller = await phones("a", "", user=users[0], zrtp_folder=tmp_path / "a")
        callee = await phones("b", "", user=users[1], zrtp_folder=tmp_path / "b", ring_s=0.1)
        calling, answering = await talk(caller, callee)
        seen.append((calling.zrtp.cache, any(isinstance(event, SecurityWarning) for event in caller.told)))
        assert calling.zrtp.sas == answering.zrtp.sas
        if turn == 2:
            calling.check_sas(True)
        await calling.hang_up()
        await answering.ended(5)
        await caller.close()
        await callee.close()
    assert seen == [("first contact", False), ("mismatch", True), ("mismatch", True), ("matched", False)]


# Enrolment and the relayed string (RFC 6189 7.3)


async def enrol(server, phone):
    call = await phone.call("*44")
    await call.secured()
    await until(lambda: call.zrtp.enrolment_offered, "enrolment is offered")
    assert not call.zrtp.enrolled
    call.enrol()
    await until(lambda: call.stats().received, "the server, too, is secure: it sends")
    assert any(isinstance(event, Enrolled) for event in phone.told)
    # The BYE must not overtake our Conf2ACK, without which the server stores nothing.
    await until(lambda: f"{phone.config.user}@{DOMAIN} by ZRTP" in server.output(), "the server is secure too")
    await call.hang_up()


@pytest.mark.parametrize("enrolled", [(True, False), (False, True), (True, True), (False, False)])
async def test_an_enrolled_phone_is_relayed_the_string_that_the_other_one_shows(server, phones, enrolled):
    caller, callee = await phones("a", "ended"), await phones("b", "ended", ring_s=0.1)
    for phone, does in zip((caller, callee), enrolled, strict=True):
        if does:
            await enrol(server, phone)
    calling, answering = await talk(caller, callee)
    both = calling.zrtp, answering.zrtp
    assert tuple(view.enrolled for view in both) == enrolled
    if any(enrolled):
        await until(lambda: calling.zrtp.relayed or answering.zrtp.relayed, "the string is relayed")
    await asyncio.sleep(0.5)  # whatever else may come
    both = calling.zrtp, answering.zrtp
    # Two enrolled phones that were told each other's string would have nothing in common to compare.
    assert sum(view.relayed for view in both) == any(enrolled)
    assert all(has for view, has in zip(both, enrolled, strict=True) if view.relayed)
    assert (calling.zrtp.sas == answering.zrtp.sas) is any(enrolled)
    assert not any(isinstance(event, SecurityWarning) for event in caller.told + callee.told)
    record, legs = await legs_after(server, calling, answering)
    assert record.state is CallState.PROTECTED_TO_SERVER
    for call, does in zip((calling, answering), enrolled, strict=True):
        facts = legs[call.phone.config.user].zrtp
        assert facts.sas == call.zrtp.own_sas
        assert facts.enrolled is does
        assert facts.sas_relayed is call.zrtp.relayed


async def test_only_the_enrolment_service_offers_enrolment(phones):
    phone = await phones("a", "ended")
    call = await phone.call("*43")
    await call.secured()
    assert not call.zrtp.enrolment_offered
    with pytest.raises(ValueError, match="offers no enrolment"):
        call.enrol()


# The command line


def command_of(server, user, folder, *more):
    return [
        sys.executable, "-m", "sealtone.cli", "phone", "--user", user, "--domain", DOMAIN, "--transport", "udp",
        "--proxy", f"{LOOPBACK}:{server.sip_port}", "--protection", "zrtp", "--strictness", "require",
        "--zrtp-folder", str(folder), "--tone", "440", *more,
    ]  # fmt: skip


def variables_for(server, user):
    return {
        **os.environ,
        "SEALTONE_SECRET": server.secret(user),
        "PYTHONPATH": str(Path(sealtone.__file__).parents[1]),
    }


def test_the_command_line_phone_enrols_and_confirms_unasked_and_tells_it_as_json(server, tmp_path):
    user = server.user("ended")
    command = command_of(
        server, user, tmp_path, "--call", "*44", "--enrol", "--sas", "matches", "--duration", "2", "--json"
    )
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=30, env=variables_for(server, user), check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    events = {event["event"]: event for event in map(json.loads, done.stdout.splitlines())}
    assert events["secured"]["zrtp"]["trusted_mitm"]
    assert events["secured"]["zrtp"]["sas"]
    assert events["saschecked"]["zrtp"]["verified"]
    assert events["enrolled"]["zrtp"]["enrolled"]
    assert events["summary"]["received"] > 50
    assert server.call_of(user).legs[0].security.zrtp.sas == events["summary"]["zrtp"]["sas"]


def test_a_person_at_the_command_line_is_shown_the_string_and_says_that_it_matches(server, tmp_path):
    user, seen = server.user("ended"), ""
    person, terminal = pty.openpty()
    command = command_of(server, user, tmp_path, "--call", "*43")
    phone = subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, env=variables_for(server, user)
    )  # fmt: skip
    os.close(terminal)
    try:
        for text, answer in (("m matches", b"m\n"), ("SAS matches", b"q\n"), ("sent", b"")):
            deadline = time.monotonic() + 15
            while text not in seen and time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    seen += os.read(person, 65536).decode(errors="replace")
            assert text in seen, seen
            os.write(person, answer)
        assert phone.wait(10) == 0
    finally:
        phone.kill()
        phone.wait()
        os.close(person)
    facts = server.call_of(user).legs[0].security.zrtp
    assert f"SAS {facts.sas}" in seen
