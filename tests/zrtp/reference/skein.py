"""Skein-512, version 1.3 (Ferguson and others: "The Skein Hash Function Family", 2010): hash and MAC."""

from __future__ import annotations

_MASK = (1 << 64) - 1
_PARITY = 0x1BD11BDAA9FC1A22
_ROTATIONS = (
    (46, 36, 19, 37),
    (33, 27, 14, 42),
    (17, 49, 36, 39),
    (44, 9, 54, 56),
    (39, 30, 34, 24),
    (13, 50, 10, 17),
    (25, 29, 39, 43),
    (8, 35, 56, 22),
)
_ORDER = (2, 1, 4, 7, 6, 5, 0, 3)
_KEY, _CONFIG, _MESSAGE, _OUTPUT = 0, 4, 48, 63
_BLOCK = 64


def _words(octets: bytes) -> list[int]:
    return [int.from_bytes(octets[at : at + 8], "little") for at in range(0, len(octets), 8)]


def threefish(key: bytes, tweak: int, block: bytes) -> bytes:
    k = _words(key)
    parity = _PARITY
    for word in k:
        parity ^= word
    k.append(parity)
    t = [tweak & _MASK, tweak >> 64]
    t.append(t[0] ^ t[1])
    v = _words(block)

    def add_subkey(s: int) -> None:
        for i in range(8):
            v[i] = v[i] + k[(s + i) % 9] & _MASK
        v[5] = v[5] + t[s % 3] & _MASK
        v[6] = v[6] + t[(s + 1) % 3] & _MASK
        v[7] = v[7] + s & _MASK

    for number in range(72):
        if number % 4 == 0:
            add_subkey(number // 4)
        for pair, by in enumerate(_ROTATIONS[number % 8]):
            a, b = v[2 * pair], v[2 * pair + 1]
            a = a + b & _MASK
            v[2 * pair], v[2 * pair + 1] = a, (b << by | b >> 64 - by) & _MASK ^ a
        v[:] = [v[i] for i in _ORDER]
    add_subkey(18)
    return b"".join(word.to_bytes(8, "little") for word in v)


def _ubi(chain: bytes, message: bytes, kind: int) -> bytes:
    at = 0
    while True:
        block = message[at : at + _BLOCK]
        last = at + _BLOCK >= len(message)
        tweak = min(at + _BLOCK, len(message)) | kind << 120 | (at == 0) << 126 | last << 127
        padded = block.ljust(_BLOCK, b"\0")
        chain = bytes(a ^ b for a, b in zip(threefish(chain, tweak, padded), padded, strict=True))
        if last:
            return chain
        at += _BLOCK


def skein512(message: bytes, octets: int, key: bytes = b"") -> bytes:
    """The hash of so many octets (64 at most); with a key, the MAC."""
    chain = _ubi(bytes(_BLOCK), key, _KEY) if key else bytes(_BLOCK)
    config = b"SHA3" + (1).to_bytes(2, "little") + bytes(2) + (octets * 8).to_bytes(8, "little") + bytes(16)
    chain = _ubi(chain, config, _CONFIG)
    chain = _ubi(chain, message, _MESSAGE)
    return _ubi(chain, bytes(8), _OUTPUT)[:octets]
