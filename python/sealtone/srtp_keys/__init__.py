"""SRTP keys as SDES carries them: suites, key material and the ``a=crypto`` attribute (RFC 4568)."""

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
from sealtone.srtp_keys.suites import PREFERENCE, Entropy, KeyMaterial, Suite, generate

__all__ = [
    "PREFERENCE",
    "CryptoAttribute",
    "CryptoError",
    "CryptoSyntaxError",
    "CryptoUnacceptable",
    "Entropy",
    "KeyMaterial",
    "Mki",
    "Suite",
    "answer_to",
    "choose",
    "generate",
    "offer_of",
]
