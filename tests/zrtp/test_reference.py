"""The plain Python primitives against the answers that their authors published."""

from __future__ import annotations

import hashlib
import os

import pytest

from sealtone.zrtp import StandardCrypto
from sealtone.zrtp.provider import modulus
from zrtp.reference import curve3617
from zrtp.reference.native import PRIMES, ReferenceNative
from zrtp.reference.skein import skein512
from zrtp.reference.twofish import Twofish, cfb


@pytest.mark.parametrize(
    ("key", "ciphertext"),
    [
        ("00" * 16, "9F589F5CF6122C32B6BFEC2F2AE8C35A"),
        ("0123456789ABCDEFFEDCBA98765432100011223344556677", "CFD1D2E5A9BE9CDF501F13B892BD2248"),
        ("0123456789ABCDEFFEDCBA987654321000112233445566778899AABBCCDDEEFF", "37527BE0052334B89F0CFCCAE87CFA20"),
    ],
)
def test_twofish_gives_the_published_answers(key, ciphertext):
    assert Twofish(bytes.fromhex(key)).encrypt(bytes(16)).hex().upper() == ciphertext


def test_feedback_mode_decrypts_what_it_encrypted_at_any_length():
    key, iv = os.urandom(32), os.urandom(16)
    for length in (0, 1, 15, 16, 17, 40, 64):
        data = os.urandom(length)
        assert cfb(key, iv, cfb(key, iv, data, True), False) == data
    assert cfb(key, iv, bytes(16), True) == Twofish(key).encrypt(iv)


def test_skein_gives_the_published_answers():
    assert skein512(b"", 64).hex() == (
        "bc5b4c50925519c290cc634277ae3d6257212395cba733bbad37a4af0fa06af4"
        "1fca7903d06564fea7a2d3730dbdb80c1f85562dfcc070334ea4d1d9e72cba7a"
    )
    assert skein512(b"", 32).hex() == "39ccc4554a8b31853b9de7a1fe638a24cce6b35a55f2431009e18780335d2621"
    # Skein 1.3 paper, appendix C: 64 octets FF FE FD ... C0.
    message = bytes(range(255, 191, -1))
    assert skein512(message, 64).hex().startswith("45863ba3be0c4dfc27e75d358496f4ac")


def test_the_base_point_of_curve3617_lies_on_it_and_has_its_order():
    assert curve3617.on_curve(curve3617.BASE)
    assert curve3617.multiply(curve3617.ORDER, curve3617.BASE) == curve3617.NEUTRAL


@pytest.mark.parametrize("name", ["DH2k", "DH3k"])
def test_the_primes_computed_from_pi_are_those_that_rfc_3526_prints(name):
    assert modulus(name) == PRIMES[name]


@pytest.mark.parametrize("name", ["DH2k", "DH3k"])
def test_the_finite_field_of_the_provider_agrees_with_the_reference(name):
    native, private, other = ReferenceNative(), os.urandom(32), os.urandom(32)
    pair = StandardCrypto().key_pair(name, private)
    assert pair.public == native.dh_public(name, private)
    assert pair.agree(native.dh_public(name, other)) == native.dh_shared(name, other, pair.public)


def test_hashes_of_the_provider_are_those_of_the_names():
    crypto = StandardCrypto(ReferenceNative())
    assert crypto.digest("S256", b"x") == hashlib.sha256(b"x").digest()
    assert crypto.digest("S384", b"x") == hashlib.sha384(b"x").digest()
    assert crypto.digest("SKN2", b"x") == skein512(b"x", 32)
    assert crypto.mac("SKN3", b"key", b"x") == skein512(b"x", 48, b"key")
