"""Keys are not shown, not kept and not handed out early."""

from __future__ import annotations

import ast
from pathlib import Path

import sealtone.zrtp
from sealtone.zrtp import CacheRecord, CacheUpdate, Failed, MediaKeys, RetainedSecret, SecretsReady, Secured
from sealtone.zrtp.keys import Keys
from zrtp.scenes import Person, call, kind_of, secured

PACKAGE = Path(sealtone.zrtp.__file__).parent


def secrets_of(keys: Keys) -> list[bytes]:
    named = [keys.our_mac_key, keys.peer_mac_key, keys.our_zrtp_key, keys.peer_zrtp_key, keys.retained, keys.session]
    media = keys.media
    return [bytes(each) for each in (*named, media.send_key, media.send_salt, media.receive_key, media.receive_salt)]


def test_no_event_and_no_object_shows_a_secret_when_printed():
    a, b = Person("a").session(), Person("b").session()
    net = call(a, b)
    secrets = secrets_of(a._exchange.keys)
    assert len(set(secrets)) == len(secrets)
    record = net.all(0, CacheUpdate)[0].record
    texts = [repr(each) for each in [*net.told[0], record, record.rs1, a.association.multistream(), a._exchange.shared]]
    for secret in [*secrets, record.rs1.octets, a._chain.h0]:
        for text in texts:
            assert repr(secret)[2:-1] not in text
            assert secret.hex() not in text
    assert repr(CacheRecord(bytes(12), RetainedSecret(b"\x99" * 32), pbx=b"\x98" * 32)).count("\\x9") == 0


def test_closing_overwrites_all_keys_the_handed_out_ones_too():
    a, b = Person("a").session(), Person("b").session()
    net = call(a, b)
    keys, media = a._exchange.keys, net.all(0, Secured)[0].keys
    assert all(any(secret) for secret in secrets_of(keys))
    a.close()
    assert not any(any(secret) for secret in secrets_of(keys))
    assert not any(media.send_key)
    assert len(media.send_key) == 16
    assert a.next_timeout() is None
    a.receive(net.sent[1][0], 1.0)
    assert a.transmits() == []
    assert a.association is None


def test_a_failure_overwrites_the_keys_that_were_handed_out_before_it():
    a, b = Person("a").session(), Person("b").session()
    net = call(a, b, 60, tap=lambda sender, datagram: [] if kind_of(datagram) == b"Conf2ACK" else [datagram])
    waiting = 0 if net.all(0, Failed) else 1
    (ready,) = net.all(waiting, SecretsReady)
    assert not any(ready.keys.send_key)


def test_media_keys_can_be_wiped_by_their_owner():
    keys = MediaKeys(
        "AES1", "HS80", bytearray(b"a" * 16), bytearray(b"b" * 14), bytearray(b"c" * 16), bytearray(b"d" * 14)
    )
    assert "a" * 16 not in repr(keys)
    keys.wipe()
    assert keys.send_key == bytes(16)
    assert keys.receive_salt == bytes(14)


def test_every_call_has_keys_of_its_own():
    a, b = Person("a"), Person("b")
    seen = {bytes(secured(call(a.session(), b.session()))[0].keys.send_key) for _ in range(10)}
    assert len(seen) == 10


def test_the_package_knows_neither_the_project_nor_clocks_nor_the_system():
    forbidden = {"asyncio", "socket", "time", "random", "secrets", "os", "logging", "pathlib", "threading", "ssl"}
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] not in forbidden, path.name
                assert not name.startswith("sealtone") or name.startswith("sealtone.zrtp"), path.name


def test_secrets_are_compared_in_constant_time_only():
    """Nothing of the exchange compares MACs, IDs or commitments by == or in."""
    for name in ("exchange", "hashchain", "matching", "association"):
        tree = ast.parse((PACKAGE / f"{name}.py").read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and any(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops):
                text = ast.unparse(node)
                assert not any(word in text for word in ("mac", "_id", "hvi", "commitment")), f"{name}: {text}"
