"""Twofish (Schneier, Kelsey, Whiting, Wagner, Hall, Ferguson: "Twofish: A 128-Bit Block Cipher", 1998), and CFB."""

from __future__ import annotations

from functools import cache

_Q_NIBBLES = (
    ("817D6F320B59ECA4", "ECB81235F4A6709D", "BA5E6D90C8F32471", "D7F4126E9B3085CA"),
    ("28BDF76E31940AC5", "1E2B4C376DA5F908", "4C75169A0ED82B3F", "B951C3DE647F208A"),
)


def _permutation(tables: tuple[str, ...]) -> bytes:
    t = [[int(digit, 16) for digit in table] for table in tables]

    def value(x: int) -> int:
        a, b = x >> 4, x & 15
        for first, second in ((t[0], t[1]), (t[2], t[3])):
            a, b = a ^ b, a ^ (b >> 1 | (b & 1) << 3) ^ (8 * a & 15)
            a, b = first[a], second[b]
        return 16 * b + a

    return bytes(value(x) for x in range(256))


Q0, Q1 = (_permutation(tables) for tables in _Q_NIBBLES)

_MDS = ((0x01, 0xEF, 0x5B, 0x5B), (0x5B, 0xEF, 0xEF, 0x01), (0xEF, 0x5B, 0x01, 0xEF), (0xEF, 0x01, 0xEF, 0x5B))
_RS = (
    (0x01, 0xA4, 0x55, 0x87, 0x5A, 0x58, 0xDB, 0x9E),
    (0xA4, 0x56, 0x82, 0xF3, 0x1E, 0xC6, 0x68, 0xE5),
    (0x02, 0xA1, 0xFC, 0xC1, 0x47, 0xAE, 0x3D, 0x19),
    (0xA4, 0x55, 0x87, 0x5A, 0x58, 0xDB, 0x9E, 0x03),
)


@cache
def _times(a: int, b: int, modulus: int) -> int:
    """In GF(2^8)."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0x100:
            a ^= modulus
        b >>= 1
    return product


def _matrix(matrix: tuple[tuple[int, ...], ...], vector: bytes, modulus: int) -> bytes:
    out = []
    for row in matrix:
        value = 0
        for a, b in zip(row, vector, strict=True):
            value ^= _times(a, b, modulus)
        out.append(value)
    return bytes(out)


def _h(x: int, words: list[bytes]) -> int:
    """The function h of section 4.3.2; `words` is the list L, of four octets each."""
    y = list(x.to_bytes(4, "little"))
    # One row for each word of the list, the outermost first; a longer key only adds stages inside.
    rows = ((Q0, Q0, Q1, Q1), (Q0, Q1, Q0, Q1), (Q1, Q1, Q0, Q0), (Q1, Q0, Q0, Q1))
    for stage in range(len(words) - 1, -1, -1):
        y = [rows[stage][at][y[at]] ^ words[stage][at] for at in range(4)]
    last = (Q1, Q0, Q1, Q0)
    return int.from_bytes(_matrix(_MDS, bytes(last[at][y[at]] for at in range(4)), 0x169), "little")


def _rol(x: int, by: int) -> int:
    return (x << by | x >> 32 - by) & 0xFFFFFFFF


class Twofish:
    def __init__(self, key: bytes) -> None:
        assert len(key) in (16, 24, 32)
        words = [key[at : at + 4] for at in range(0, len(key), 4)]
        even, odd = words[::2], words[1::2]
        self._s = [_matrix(_RS, key[at : at + 8], 0x14D) for at in range(0, len(key), 8)][::-1]
        self._k = []
        for i in range(20):
            a = _h(2 * i * 0x01010101, even)
            b = _rol(_h((2 * i + 1) * 0x01010101, odd), 8)
            self._k += [(a + b) & 0xFFFFFFFF, _rol((a + 2 * b) & 0xFFFFFFFF, 9)]

    def encrypt(self, block: bytes) -> bytes:
        k = self._k
        r = [int.from_bytes(block[at : at + 4], "little") ^ k[at // 4] for at in range(0, 16, 4)]
        for number in range(16):
            t0, t1 = _h(r[0], self._s), _h(_rol(r[1], 8), self._s)
            f0 = (t0 + t1 + k[2 * number + 8]) & 0xFFFFFFFF
            f1 = (t0 + 2 * t1 + k[2 * number + 9]) & 0xFFFFFFFF
            c2 = r[2] ^ f0
            r = [(c2 >> 1 | c2 << 31) & 0xFFFFFFFF, _rol(r[3], 1) ^ f1, r[0], r[1]]
        r = [r[2], r[3], r[0], r[1]]
        return b"".join((r[at] ^ k[4 + at]).to_bytes(4, "little") for at in range(4))


def cfb(key: bytes, iv: bytes, data: bytes, encrypt: bool) -> bytes:
    cipher, feedback, out = Twofish(key), iv, b""
    for at in range(0, len(data), 16):
        piece = data[at : at + 16]
        done = bytes(a ^ b for a, b in zip(piece, cipher.encrypt(feedback), strict=False))
        out += done
        feedback = done if encrypt else piece
    return out
