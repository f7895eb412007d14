"""Twofish in plain Python, written from "Twofish: A 128-Bit Block Cipher" and sharing nothing with the core.

It follows the paper's definitions: no tables of S-boxes, h is worked out for every word.
"""

_MASK = (1 << 32) - 1

_Q = (
    ("817d6f320b59eca4", "ecb81235f4a6709d", "ba5e6d90c8f32471", "d7f4126e9b3085ca"),
    ("28bdf76e31940ac5", "1e2b4c376da5f908", "4c75169a0ed82b3f", "b951c3de647f208a"),
)
_MDS = ((0x01, 0xEF, 0x5B, 0x5B), (0x5B, 0xEF, 0xEF, 0x01), (0xEF, 0x5B, 0x01, 0xEF), (0xEF, 0x01, 0xEF, 0x5B))
_RS = (
    (0x01, 0xA4, 0x55, 0x87, 0x5A, 0x58, 0xDB, 0x9E),
    (0xA4, 0x56, 0x82, 0xF3, 0x1E, 0xC6, 0x68, 0xE5),
    (0x02, 0xA1, 0xFC, 0xC1, 0x47, 0xAE, 0x3D, 0x19),
    (0xA4, 0x55, 0x87, 0x5A, 0x58, 0xDB, 0x9E, 0x03),
)


def _product(a: int, b: int, polynomial: int) -> int:
    out = 0
    while b:
        if b & 1:
            out ^= a
        b >>= 1
        a <<= 1
        if a & 0x100:
            a ^= polynomial
    return out


def _times(matrix: tuple[tuple[int, ...], ...], column: list[int], polynomial: int) -> list[int]:
    out = []
    for row in matrix:
        total = 0
        for a, b in zip(row, column, strict=True):
            total ^= _product(a, b, polynomial)
        out.append(total)
    return out


def _q(number: int, x: int) -> int:
    """Section 4.3.5."""
    a, b = x >> 4, x & 15
    for first, second in ((0, 1), (2, 3)):
        turned = (b >> 1 | b << 3) & 15
        a, b = a ^ b, a ^ turned ^ (8 * a & 15)
        a, b = int(_Q[number][first][a], 16), int(_Q[number][second][b], 16)
    return 16 * b + a


def _h(x: int, words: list[list[int]]) -> int:
    """Section 4.3.2."""
    y = list(x.to_bytes(4, "little"))
    order = {4: "1001", 3: "1100", 2: "0101", 1: "0011"}
    for step in range(len(words), 0, -1):
        y = [_q(int(q), octet) ^ key for q, octet, key in zip(order[step], y, words[step - 1], strict=True)]
    y = [_q(int(q), octet) for q, octet in zip("1010", y, strict=True)]
    return int.from_bytes(bytes(_times(_MDS, y, 0x169)), "little")


def _left(x: int, n: int) -> int:
    return (x << n | x >> (32 - n)) & _MASK


class Twofish:
    def __init__(self, key: bytes) -> None:
        k = len(key) // 8
        m = [list(key[i : i + 4]) for i in range(0, len(key), 4)]
        self._s = [_times(_RS, list(key[8 * i : 8 * i + 8]), 0x14D) for i in range(k)][::-1]
        self._k = []
        for i in range(20):
            a = _h(2 * i * 0x01010101, m[0::2])
            b = _left(_h((2 * i + 1) * 0x01010101, m[1::2]), 8)
            self._k += [(a + b) & _MASK, _left((a + 2 * b) & _MASK, 9)]

    def encrypt(self, block: bytes) -> bytes:
        r = [int.from_bytes(block[4 * i : 4 * i + 4], "little") ^ self._k[i] for i in range(4)]
        for number in range(16):
            t0, t1 = _h(r[0], self._s), _h(_left(r[1], 8), self._s)
            f0 = (t0 + t1 + self._k[2 * number + 8]) & _MASK
            f1 = (t0 + 2 * t1 + self._k[2 * number + 9]) & _MASK
            r = [_left(r[2] ^ f0, 31), _left(r[3], 1) ^ f1, r[0], r[1]]
        r = [r[2], r[3], r[0], r[1]]
        return b"".join((word ^ key).to_bytes(4, "little") for word, key in zip(r, self._k[4:8], strict=True))


def twofish_cfb(key: bytes, iv: bytes, data: bytes, *, encrypt: bool) -> bytes:
    """CFB with feedback of whole blocks."""
    cipher = Twofish(key)
    out = b""
    for start in range(0, len(data), 16):
        block = data[start : start + 16]
        mask = cipher.encrypt(iv)
        changed = bytes(a ^ b for a, b in zip(block, mask, strict=False))
        out += changed
        iv = changed if encrypt else block
    return out
