"""The native part of the media core against the plain Python of `reference`, as whole key agreements."""

from __future__ import annotations

import pytest

from sealtone.media import _engine
from sealtone.zrtp import StandardCrypto
from sealtone.zrtp.algorithms import KEY_AGREEMENTS, private_octets
from sealtone.zrtp.packet import crc32c
from zrtp.reference.native import ReferenceNative
from zrtp.scenes import CRYPTO, Entropy, Person, call, secured, with_algorithms
from zrtp.test_suites import suites

pytestmark = pytest.mark.skipif(
    not hasattr(_engine, "zrtp_hash"), reason="the media core was built without the primitives of ZRTP"
)
NATIVE_SUITES = [
    suite
    for suite in suites()
    if suite[0] in ("DH2k", "DH3k", "E414") or suite[1].startswith("SKN") or suite[2].startswith("2FS")
]


@pytest.mark.parametrize("suite", NATIVE_SUITES, ids="-".join)
def test_the_native_part_and_the_reference_come_to_the_same_keys(suite):
    agreement, hash_name, cipher, tag, sas_type = suite
    algorithms = with_algorithms(
        key_agreements=(agreement,), hashes=hash_name, ciphers=cipher, auth_tags=tag, sas_types=sas_type
    )
    a, b = Person("alice", algorithms=algorithms), Person("bob", algorithms=algorithms)
    secured(call(a.session(crypto=StandardCrypto(_engine)), b.session()))


@pytest.mark.parametrize("cipher", ["AES1", "AES2", "AES3"])
@pytest.mark.parametrize("agreement", ["DH2k", "DH3k", "E414"])
def test_public_values_and_results_are_the_same_for_each_length_of_private_values(agreement, cipher):
    native = StandardCrypto(_engine)
    private, other = (Entropy(seed)(private_octets(agreement, cipher)) for seed in (1, 2))
    pair = native.key_pair(agreement, private)
    theirs = CRYPTO.key_pair(agreement, other)
    assert pair.public == CRYPTO.key_pair(agreement, private).public
    assert len(pair.public) == KEY_AGREEMENTS[agreement].public_octets
    assert pair.agree(theirs.public) == theirs.agree(pair.public)


def test_the_crc_is_the_same_natively_and_in_python_at_every_length():
    reference = ReferenceNative()
    for length in range(600):
        data = Entropy(length)(length)
        assert StandardCrypto(_engine).crc32c(data) == StandardCrypto().crc32c(data) == crc32c(data)
        assert crc32c(data) == reference.crc32c(data)
