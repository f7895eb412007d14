"""From shared secrets to keys (RFC 6189 4.4.1.4, 4.4.2, 4.4.3 and 4.5).

Everything grows out of s0, which is computed in one of three ways and forgotten as soon as the keys are derived::

    DH mode       s0 = hash(1 || DHResult || "ZRTP-HMAC-KDF" || ZIDi || ZIDr || total_hash || len(s1) || s1 || ...)
    Preshared     s0 = KDF(preshared_key, "ZRTP PSK", ZIDi || ZIDr || total_hash)
    Multistream   s0 = KDF(ZRTPSess of the first stream, "ZRTP MSK", ZIDi || ZIDr || total_hash)

Keys are kept in bytearrays, which are overwritten when they are no longer needed, and never print themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sealtone.zrtp.algorithms import Suite
from sealtone.zrtp.crypto import Crypto, Octets, wipe
from sealtone.zrtp.message import MAC_OCTETS

SALT_BITS = 112
RETAINED_BITS = 256


def kdf(crypto: Crypto, hash_name: str, key: Octets, label: bytes, context: bytes, bits: int) -> bytearray:
    """HMAC(key, counter || label || 0 || context || length), its leftmost `bits` (RFC 6189 4.5.1)."""
    data = b"\0\0\0\1" + label + b"\0" + context + bits.to_bytes(4, "big")
    return bytearray(crypto.mac(hash_name, key, data)[: bits // 8])


def total_hash(crypto: Crypto, hash_name: str, messages: Iterable[bytes]) -> bytes:
    """Over whole messages: the responder's Hello and the Commit, and in DH mode DHPart1 and DHPart2 (4.4.1.4, 4.4.2.1,
    4.4.3.1)."""
    return crypto.digest(hash_name, b"".join(messages))


def _with_length(secret: Octets | None) -> bytes:
    return len(secret).to_bytes(4, "big") + secret if secret else bytes(4)


@dataclass(frozen=True, slots=True)
class Context:
    """What the two sides have in common in an exchange: the suite, the ZIDs and total_hash."""

    suite: Suite
    zid_initiator: bytes
    zid_responder: bytes
    total_hash: bytes

    @property
    def zids(self) -> bytes:
        return self.zid_initiator + self.zid_responder

    @property
    def octets(self) -> bytes:
        """KDF_Context."""
        return self.zids + self.total_hash


def s0_by_dh(
    crypto: Crypto, context: Context, dh_result: bytes, shared: tuple[Octets | None, Octets | None, Octets | None]
) -> bytearray:
    """`shared`: s1 (retained), s2 (auxiliary), s3 (PBX), each None where there is none in common (4.4.1.4)."""
    data = b"\0\0\0\1" + dh_result + b"ZRTP-HMAC-KDF" + context.octets + b"".join(map(_with_length, shared))
    return bytearray(crypto.digest(context.suite.hash, data))


def preshared_key(
    crypto: Crypto, hash_name: str, rs1: Octets, aux: Octets | None, pbx: Octets | None
) -> tuple[bytearray, bytes]:
    """The key that Preshared mode starts from, and the keyID by which the Commit names it (4.4.2.1)."""
    key = crypto.digest(hash_name, _with_length(rs1) + _with_length(aux) + _with_length(pbx))
    return bytearray(key), crypto.mac(hash_name, key, b"Prsh")[:MAC_OCTETS]


def s0_by_preshared(crypto: Crypto, context: Context, key: Octets) -> bytearray:
    """4.4.2.4."""
    suite = context.suite
    return kdf(crypto, suite.hash, key, b"ZRTP PSK", context.octets, suite.hash_octets * 8)


def s0_by_multistream(crypto: Crypto, context: Context, zrtp_session: Octets) -> bytearray:
    """4.4.3.2."""
    suite = context.suite
    return kdf(crypto, suite.hash, zrtp_session, b"ZRTP MSK", context.octets, suite.hash_octets * 8)


@dataclass(frozen=True, slots=True)
class MediaKeys:
    """What SRTP needs (RFC 6189 4.5.3): master keys of the cipher's length, master salts of 14 octets, by direction.

    `cipher` ("AES1", …) and `auth_tag` ("HS80", …) name the SRTP transforms. `wipe` when the leg ends.
    """

    cipher: str
    auth_tag: str
    send_key: bytearray = field(repr=False)
    send_salt: bytearray = field(repr=False)
    receive_key: bytearray = field(repr=False)
    receive_salt: bytearray = field(repr=False)

    def wipe(self) -> None:
        """Overwrite the keys."""
        for secret in (self.send_key, self.send_salt, self.receive_key, self.receive_salt):
            wipe(secret)


class Keys:
    """All that is derived from s0, for one side (RFC 6189 4.5.2 and 4.5.3). The caller wipes s0.

    `our_mac_key` and `peer_mac_key` (the "HMAC keys"), `our_zrtp_key` and `peer_zrtp_key` serve Confirm, SASrelay and
    GoClear. `retained` becomes rs1. `session` is ZRTPSess. `sas_hash` is sashash. In Multistream mode those three are
    None or empty: the first stream has them.
    """

    __slots__ = (
        "context",
        "exported",
        "media",
        "our_mac_key",
        "our_zrtp_key",
        "peer_mac_key",
        "peer_zrtp_key",
        "retained",
        "sas_hash",
        "session",
    )

    def __init__(self, crypto: Crypto, context: Context, s0: Octets, we_initiate: bool) -> None:
        suite = context.suite
        name, octets = suite.hash, context.octets
        key_bits, hash_bits = suite.cipher_octets * 8, suite.hash_octets * 8
        ours, peers = (b"Initiator ", b"Responder ") if we_initiate else (b"Responder ", b"Initiator ")
        self.context = context
        self.media = MediaKeys(
            suite.cipher,
            suite.auth_tag,
            kdf(crypto, name, s0, ours + b"SRTP master key", octets, key_bits),
            kdf(crypto, name, s0, ours + b"SRTP master salt", octets, SALT_BITS),
            kdf(crypto, name, s0, peers + b"SRTP master key", octets, key_bits),
            kdf(crypto, name, s0, peers + b"SRTP master salt", octets, SALT_BITS),
        )
        self.our_mac_key = kdf(crypto, name, s0, ours + b"HMAC key", octets, hash_bits)
        self.peer_mac_key = kdf(crypto, name, s0, peers + b"HMAC key", octets, hash_bits)
        self.our_zrtp_key = kdf(crypto, name, s0, ours + b"ZRTP key", octets, key_bits)
        self.peer_zrtp_key = kdf(crypto, name, s0, peers + b"ZRTP key", octets, key_bits)
        self.retained: bytearray | None = None
        self.session: bytearray | None = None
        self.exported: bytearray | None = None
        self.sas_hash = b""
        if suite.key_agreement != "Mult":
            self.retained = kdf(crypto, suite.hash, s0, b"retained secret", octets, RETAINED_BITS)
            self.session = kdf(crypto, suite.hash, s0, b"ZRTP Session Key", octets, hash_bits)
            self.exported = kdf(crypto, suite.hash, s0, b"Exported key", octets, hash_bits)
            self.sas_hash = bytes(kdf(crypto, suite.hash, s0, b"SAS", octets, 256))

    def pbx_secret(self, crypto: Crypto) -> bytes:
        """The secret that enrolment with a PBX leaves on both sides (7.3.1). Not in Multistream mode."""
        assert self.session is not None
        context = self.context
        return bytes(kdf(crypto, context.suite.hash, self.session, b"Trusted MiTM key", context.zids, RETAINED_BITS))

    def export(self, crypto: Crypto, label: bytes, bits: int) -> bytes:
        """A key for another protocol, at most as long as the hash (4.5.2). Not in Multistream mode."""
        assert self.exported is not None
        context = self.context
        return bytes(kdf(crypto, context.suite.hash, self.exported, label, context.octets, bits))

    def wipe(self) -> None:
        """Overwrite all but the media keys, which their owner wipes."""
        for secret in (self.our_mac_key, self.peer_mac_key, self.our_zrtp_key, self.peer_zrtp_key):
            wipe(secret)
        for secret_or_none in (self.retained, self.session, self.exported):
            wipe(secret_or_none)
