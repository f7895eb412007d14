"""SRTP keys: suites, key material, and the ``a=crypto`` attribute that carries them in SDES (RFC 4568)."""

from sealtone.srtp_keys.crypto_attribute import (
    CryptoAttribute,
    CryptoError,
    CryptoSyntaxError,
    CryptoUnacceptable,
    Mki,
    answer_to,
    choose,
    offer_of,
)
from sealtone.srtp_keys.suites import (
    PREFERENCE,
    Entropy,
    KeyMaterial,
    SrtpSuite,
    Suite,
    ZrtpSuite,
    generate,
    suite_named,
)

__all__ = [
    "PREFERENCE",
    "CryptoAttribute",
    "CryptoError",
    "CryptoSyntaxError",
    "CryptoUnacceptable",
    "Entropy",
    "KeyMaterial",
    "Mki",
    "SrtpSuite",
    "Suite",
    "ZrtpSuite",
    "answer_to",
    "choose",
    "generate",
    "offer_of",
    "suite_named",
]
