"""What the server has written down after all these attacks: no password, no key.

It runs after every other test here, over the journal and trace of the whole session and every file of the data folder.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from pathlib import Path

from hostile.server import OURS, Server
from hostile.talk import settled, talking
from hostile.wire import SDP, Line, Person, offer
from hostile.zrtp_peer import echoed
from interop.processes import LOOPBACK
from sealtone.phone import Phone
from sealtone.sip.digest import ha1


def files_of(server: Server) -> dict[Path, bytes]:
    """Every file in the data folder, the journal with the trace among them."""
    found = {}
    for path in server.folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # what the server has just put in another's place
            if path.is_file():
                found[path] = path.read_bytes()
    return found


def holders(server: Server, secret: bytes) -> list[str]:
    """The files that hold a secret: as it is, or in hexadecimal or base64 of either alphabet."""
    forms = {
        secret,
        secret.hex().encode(),
        secret.hex().upper().encode(),
        base64.b64encode(secret).rstrip(b"="),
        base64.urlsafe_b64encode(secret).rstrip(b"="),
    }
    return [path.name for path, content in files_of(server).items() if any(form in content for form in forms)]


def keys_of(phone: Phone) -> list[bytes]:
    """Master keys with their salts, as SDES writes them, of the phone's calls."""
    found = []
    for call in phone.calls:
        agreement = call.negotiator.agreement if call.negotiator else None
        for material in (agreement.send_key, agreement.receive_key) if agreement else ():
            assert material is not None
            found.append(material.key + material.salt)
            found.append(material.key)
    return found


async def test_the_search_finds_what_is_there(server: Server) -> None:
    user = server.user("open")
    async with await Line.to(server, "tcp") as line:
        await Person(line, user, server.secret(user)).register()
    await settled(lambda: "server.out" in holders(server, f"{user}@{OURS}".encode()), lambda: "not in the journal")
    names = holders(server, f"{user}@{OURS}".encode())
    assert any(
        name.endswith((".db", ".sqlite", ".db-wal", ".sqlite-wal", ".sqlite3", ".sqlite3-wal")) for name in names
    )


async def test_neither_journal_nor_trace_nor_database_hold_an_srtp_key(server: Server) -> None:
    async with talking(server) as talk:
        keys = keys_of(talk.a.phone) + keys_of(talk.b.phone)
        assert len(keys) == 8
        # A change in mid-call writes the keys once more.
        await talk.a.established.hold()
        await talk.a.established.resume()
        talk.mark()
    await asyncio.sleep(0.3)  # the journal gathers its lines
    await settled(
        lambda: b"a=crypto:" in files_of(server)[server.folder / "server.out"],
        lambda: "the trace shows no key that there was",
    )
    for key in keys:
        assert not holders(server, key)
    inline = re.findall(r"inline:([A-Za-z0-9+/]{20,})", server.output())
    assert not inline, inline[:3]


async def test_neither_journal_nor_trace_nor_database_hold_a_zrtp_secret(server: Server) -> None:
    """Not the keys of the media, and what is kept for the next call only encrypted."""
    async with echoed(server) as (phone, _, caller):
        await phone.is_secure()
        await phone.hears()
        association = phone.session.association
        assert association is not None
        retained = association.record.rs1
        assert retained is not None
        secrets = [*phone.keys, retained.octets]
        zid = association.record.peer_zid
    await asyncio.sleep(0.3)
    await settled(
        lambda: caller.user.encode() in files_of(server)[server.folder / "server.out"],
        lambda: "the call is not in the trace",
    )
    assert zid, "the server's ZID, which is no secret"
    assert len(secrets) == 3
    for secret in secrets:
        assert not holders(server, secret)


async def test_neither_journal_nor_trace_nor_database_hold_a_key_sent_where_none_belongs(server: Server) -> None:
    """In the clear, in a MESSAGE, in the wrong header: what a phone should not have sent is masked all the same."""
    key = base64.b64encode(b"canary of a master key and salt")[:40].decode()
    crypto = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}"
    user = server.user("open")
    async with await Line.to(server, "tcp", LOOPBACK) as line:
        who = Person(line, user, server.secret(user))
        await who.register()
        for body in (offer(LOOPBACK, 40000, crypto, profile="RTP/SAVP"), offer(LOOPBACK, 40000, crypto + "|2^20|1:4")):
            await who.ask("INVITE", f"sip:0@{OURS}", headers=(("Contact", who.contact), SDP), body=body)
        await who.ask("MESSAGE", f"sip:0@{OURS}", headers=(SDP,), body=offer(LOOPBACK, 1, crypto))
        # broken: nothing but the trace ever looks at it
        line.send(b"INVITE x SIP/2.0\r\nContent-Length: %d\r\n\r\n%s" % (len(crypto), crypto.encode()))
        await line.final("none", timeout_s=0.4)
    assert not holders(server, key.encode())


async def test_neither_journal_nor_trace_nor_database_hold_a_sip_password(server: Server) -> None:
    user = server.user("open")
    async with await Line.to(server, "udp") as line:
        who = Person(line, user, server.secret(user))
        assert (await who.register()).status == 200
        await who.ask("OPTIONS")
    everything = b"\0".join(files_of(server).values())
    # Of those who used theirs, and of some who did not.
    for address in (*server.handed_out[-60:], *list(server.secrets)[-10:]):
        secret = server.secrets[address]
        name, _, domain = address.partition("@")
        assert secret.encode() not in everything, address
        for algorithm in ("MD5", "SHA-256"):
            digest = ha1(name, domain, secret, algorithm)
            assert digest.encode() not in everything, address
            assert bytes.fromhex(digest) not in everything, address


async def test_the_trace_does_not_show_the_answer_to_a_challenge(server: Server) -> None:
    """From it a weak password could be found by trying."""
    answers = re.findall(r'response="?([0-9a-f]{32,})', server.output())
    assert not answers, answers[:3]
    assert re.search(r"(?m)Authorization: Digest", server.output())


async def test_files_with_secrets_are_for_their_owner_alone(server: Server) -> None:
    found = [path for path in server.folder.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    found += [path for path in server.folder.rglob("*.key") if path not in found]
    found += list(server.folder.glob("*.db"))
    assert len(found) >= 3, found
    for path in found:
        assert path.stat().st_mode & 0o077 == 0, f"{path.name} {oct(path.stat().st_mode)}"
