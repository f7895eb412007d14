"""SRTP keys: suites and key material, and the ``a=crypto`` attribute in which SDES carries them (RFC 4568)."""

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
    MasterKey,
    SrtpSuite,
    Suite,
    ZrtpKeyMaterial,
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
    "MasterKey",
    "Mki",
    "SrtpSuite",
    "Suite",
    "ZrtpKeyMaterial",
    "ZrtpSuite",
    "answer_to",
    "choose",
    "generate",
    "offer_of",
    "suite_named",
]
