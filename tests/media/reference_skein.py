"""Skein-512 in plain Python, written from "The Skein Hash Function Family" 1.3 and sharing nothing with the core."""

_MASK = (1 << 64) - 1
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
_PERMUTATION = (2, 1, 4, 7, 6, 5, 0, 3)


def _words(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8)]


def threefish_512(key: bytes, tweak: int, block: bytes) -> bytes:
    """Section 3.3, with every subkey worked out first."""
    k = _words(key)
    parity = 0x1BD11BDAA9FC1A22
    for word in k:
        parity ^= word
    k.append(parity)
    t = [tweak & _MASK, tweak >> 64]
    t.append(t[0] ^ t[1])
    subkeys = []
    for s in range(19):
        subkey = [k[(s + i) % 9] for i in range(8)]
        subkey[5] += t[s % 3]
        subkey[6] += t[(s + 1) % 3]
        subkey[7] += s
        subkeys.append(subkey)
    v = _words(block)
    for d in range(72):
        if d % 4 == 0:
            v = [(a + b) & _MASK for a, b in zip(v, subkeys[d // 4], strict=True)]
        mixed = []
        for j in range(4):
            low = (v[2 * j] + v[2 * j + 1]) & _MASK
            r = _ROTATIONS[d % 8][j]
            turned = (v[2 * j + 1] << r | v[2 * j + 1] >> (64 - r)) & _MASK
            mixed += [low, turned ^ low]
        v = [mixed[i] for i in _PERMUTATION]
    return b"".join(((a + b) & _MASK).to_bytes(8, "little") for a, b in zip(v, subkeys[18], strict=True))


def _ubi(chaining: bytes, message: bytes, kind: int) -> bytes:
    """Section 3.4."""
    blocks = [message[i : i + 64] for i in range(0, len(message), 64)] or [b""]
    position = 0
    for number, block in enumerate(blocks):
        position += len(block)
        first, final = number == 0, number == len(blocks) - 1
        tweak = position | kind << 120 | first << 126 | final << 127
        padded = block.ljust(64, b"\0")
        out = threefish_512(chaining, tweak, padded)
        chaining = bytes(a ^ b for a, b in zip(out, padded, strict=True))
    return chaining


def skein_512(message: bytes, output_bits: int, key: bytes = b"") -> bytes:
    """The hash, or with a key the MAC; `output_bits` is a multiple of eight of at most 512."""
    chaining = _ubi(bytes(64), key, 0) if key else bytes(64)
    configuration = b"SHA3" + (1).to_bytes(2, "little") + bytes(2) + output_bits.to_bytes(8, "little") + bytes(16)
    chaining = _ubi(chaining, configuration, 4)
    chaining = _ubi(chaining, message, 48)
    return _ubi(chaining, bytes(8), 63)[: output_bits // 8]
