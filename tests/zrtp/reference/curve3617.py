"""Curve3617, also called Curve41417: x^2 + y^2 = 1 + 3617 x^2 y^2 modulo 2^414 - 17 (Bernstein, Chuengsatiansup, Lange:
"Curve41417: Karatsuba revisited", 2014), as GNU ZRTP uses it: big-endian coordinates of 52 octets."""

from __future__ import annotations

P = 2**414 - 17
D = 3617
ORDER = 2**411 - 33364140863755142520810177694098385178984727200411208589594759
BASE = (
    17319886477121189177719202498822615443556957307604340815256226171904769976866975908866528699294134494857887698432266169206165,
    34,
)
NEUTRAL = (0, 1)
OCTETS = 52

Point = tuple[int, int]


def on_curve(point: Point) -> bool:
    x, y = point
    return (x * x + y * y - 1 - D * x * x * y * y) % P == 0


def add(one: Point, other: Point) -> Point:
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + y1 * x2) * pow(1 + product, -1, P)
    y = (y1 * y2 - x1 * x2) * pow(1 - product, -1, P)
    return x % P, y % P


def multiply(scalar: int, point: Point) -> Point:
    result = NEUTRAL
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def scalar_of(private: bytes) -> int:
    """Of 52 octets: the three lowest bits and the two highest cleared."""
    return int.from_bytes(private, "big") & (1 << 414) - 8


def encode(point: Point) -> bytes:
    return point[0].to_bytes(OCTETS, "big") + point[1].to_bytes(OCTETS, "big")


def decode(octets: bytes) -> Point:
    """Raises ValueError for what is no point of the curve of large order."""
    point = int.from_bytes(octets[:OCTETS], "big"), int.from_bytes(octets[OCTETS:], "big")
    if len(octets) != 2 * OCTETS or max(point) >= P or not on_curve(point) or multiply(8, point) == NEUTRAL:
        raise ValueError("not a point to be used")
    return point
