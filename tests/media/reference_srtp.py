"""SRTP and SRTCP of the counter-mode suites (RFC 3711, RFC 6189) in plain Python, sharing nothing with the core.

Block ciphers and MACs are arguments, so that Twofish and Skein stand where AES and HMAC do.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from zrtp.reference.skein import skein512
from zrtp.reference.twofish import Twofish

Encrypt = Callable[[bytes], bytes]


def _aes(key: bytes) -> Encrypt:
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update


def _twofish(key: bytes) -> Encrypt:
    return Twofish(key).encrypt


@dataclass(frozen=True)
class Algorithms:
    cipher: Callable[[bytes], Encrypt]
    mac: Callable[[bytes, bytes], bytes]
    auth_key_len: int
    rtp_tag_len: int
    rtcp_tag_len: int


def _hmac_sha1(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha1")


_CIPHERS = {"AES": _aes, "2FS": _twofish}
_TAGS: dict[str, tuple[Callable[[bytes, bytes], bytes], int, int, int]] = {
    "HS80": (_hmac_sha1, 20, 10, 10),
    "HS32": (_hmac_sha1, 20, 4, 10),
    "SK32": (lambda key, data: skein512(data, 4, key), 32, 4, 4),
    "SK64": (lambda key, data: skein512(data, 8, key), 32, 8, 8),
}


def algorithms_of(name: str) -> Algorithms:
    """Of a suite named as in ``ZRTP_AES1_HS80``."""
    _, cipher, tag = name.split("_")
    return Algorithms(_CIPHERS[cipher[:3]], *_TAGS[tag])


def _counter_mode(encrypt: Encrypt, iv: int, data: bytes) -> bytes:
    """Section 4.1.1."""
    out = b""
    for number, start in enumerate(range(0, len(data), 16)):
        mask = encrypt((iv + number).to_bytes(16, "big"))
        out += bytes(a ^ b for a, b in zip(data[start : start + 16], mask, strict=False))
    return out


class ReferenceSrtp:
    """The sender of one direction."""

    def __init__(self, name: str, key: bytes, salt: bytes) -> None:
        self._algorithms = algorithms_of(name)
        prf = self._algorithms.cipher(key)
        master_salt = int.from_bytes(salt, "big")

        def derive(label: int, length: int) -> bytes:
            """Section 4.3 with a key derivation rate of zero."""
            return _counter_mode(prf, (label << 48 ^ master_salt) << 16, bytes(length))

        keys = []
        for first in (0, 3):
            encrypt = self._algorithms.cipher(derive(first, len(key)))
            auth = derive(first + 1, self._algorithms.auth_key_len)
            keys.append((encrypt, auth, int.from_bytes(derive(first + 2, 14), "big")))
        self._rtp, self._rtcp = keys

    def protect_rtp(self, packet: bytes, roll_over_counter: int) -> bytes:
        """`packet` has a header of twelve bytes."""
        encrypt, auth, salt = self._rtp
        sequence, ssrc = int.from_bytes(packet[2:4], "big"), int.from_bytes(packet[8:12], "big")
        index = roll_over_counter << 16 | sequence
        iv = salt << 16 ^ ssrc << 64 ^ index << 16
        body = packet[:12] + _counter_mode(encrypt, iv, packet[12:])
        mac = self._algorithms.mac(auth, body + roll_over_counter.to_bytes(4, "big"))
        return body + mac[: self._algorithms.rtp_tag_len]

    def protect_rtcp(self, packet: bytes, index: int, tag_len: int | None = None) -> bytes:
        encrypt, auth, salt = self._rtcp
        ssrc = int.from_bytes(packet[4:8], "big")
        iv = salt << 16 ^ ssrc << 64 ^ index << 16
        body = packet[:8] + _counter_mode(encrypt, iv, packet[8:]) + (1 << 31 | index).to_bytes(4, "big")
        mac = self._algorithms.mac(auth, body)
        return body + mac[: self._algorithms.rtcp_tag_len if tag_len is None else tag_len]
