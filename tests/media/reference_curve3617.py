"""Curve3617 in plain Python, in affine coordinates: x^2 + y^2 = 1 + 3617 x^2 y^2 modulo 2^414 - 17.

Base point and order are those of safecurves.cr.yp.to.
"""

PRIME = 2**414 - 17
ORDER = 2**411 - 33364140863755142520810177694098385178984727200411208589594759
BASE = (0x1A334905141443300218C0631C326E5FCD46369F44C03EC7F57FF35498A4AB4D6D6BA111301A73FAA8537C64C4FD3812F3CBC595, 34)
NEUTRAL = (0, 1)

Point = tuple[int, int]


def on_curve(point: Point) -> bool:
    x, y = point
    return (x * x + y * y - 1 - 3617 * x * x * y * y) % PRIME == 0


def add(a: Point, b: Point) -> Point:
    product = 3617 * a[0] * b[0] * a[1] * b[1] % PRIME
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + product, -1, PRIME)
    y = (a[1] * b[1] - a[0] * b[0]) * pow(1 - product, -1, PRIME)
    return x % PRIME, y % PRIME


def multiply(scalar: int, point: Point) -> Point:
    result = NEUTRAL
    for bit in bin(scalar)[2:]:
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


def square_root(square: int) -> int | None:
    """Modulo the prime, which is 3 modulo 4."""
    root = pow(square, (PRIME + 1) // 4, PRIME)
    return root if root * root % PRIME == square % PRIME else None


def clamped(private: bytes) -> int:
    return int.from_bytes(private, "big") % 2**414 & ~7


def encode(point: Point) -> bytes:
    return point[0].to_bytes(52, "big") + point[1].to_bytes(52, "big")
