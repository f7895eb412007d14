"""G.711, both laws, by tables (ITU-T G.711; RFC 3551 4.5.14). Linear samples are 16-bit, native order, in `array("h")`.

Written out because the standard library's `audioop` is gone since Python 3.13.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

_BIAS = 0x84
_CLIP = 32635


def _ulaw_to_linear(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + _BIAS) << ((code & 0x70) >> 4)
    return _BIAS - magnitude if code & 0x80 else magnitude - _BIAS


def _alaw_to_linear(code: int) -> int:
    code ^= 0x55
    magnitude = (code & 0x0F) << 4
    exponent = (code & 0x70) >> 4
    magnitude = magnitude + 8 if exponent == 0 else (magnitude + 0x108) << (exponent - 1)
    return magnitude if code & 0x80 else -magnitude


def _linear_to_ulaw(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    magnitude = min(-sample if sample < 0 else sample, _CLIP) + _BIAS
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> (exponent + 3) & 0x0F) & 0xFF


def _linear_to_alaw(sample: int) -> int:
    sign = 0x80 if sample >= 0 else 0
    magnitude = min(sample if sample >= 0 else -sample - 1, 32767) >> 3
    exponent = max(magnitude.bit_length() - 5, 0)
    mantissa = magnitude >> (exponent if exponent else 1) & 0x0F
    return (sign | exponent << 4 | mantissa) ^ 0x55


class Law(NamedTuple):
    """One of the two companding laws. `to_linear` has 256 entries, `to_code` 65,536, by the sample as unsigned."""

    name: str
    payload_type: int
    to_linear: tuple[int, ...]
    to_code: bytes

    def decode(self, payload: bytes) -> array[int]:
        """Linear samples of a payload, one a byte."""
        return array("h", map(self.to_linear.__getitem__, payload))

    def encode(self, samples: array[int]) -> bytes:
        """The payload of linear samples, one byte each."""
        return bytes(map(self.to_code.__getitem__, array("H", samples.tobytes())))


def _law(name: str, payload_type: int, to_linear: Callable[[int], int], to_code: Callable[[int], int]) -> Law:
    codes = bytes(to_code(value if value < 32768 else value - 65536) for value in range(65536))
    return Law(name, payload_type, tuple(to_linear(code) for code in range(256)), codes)


@cache
def law(name: str) -> Law:
    """The law by its SDP name, "PCMU" or "PCMA"; built at first use. Raises KeyError for another."""
    to_linear, to_code, payload_type = {
        "PCMU": (_ulaw_to_linear, _linear_to_ulaw, 0),
        "PCMA": (_alaw_to_linear, _linear_to_alaw, 8),
    }[name.upper()]
    return _law(name.upper(), payload_type, to_linear, to_code)
