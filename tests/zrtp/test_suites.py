"""Every algorithm that we have, with every other it may meet."""

from __future__ import annotations

import itertools

import pytest

from sealtone.zrtp import Algorithms, Initiative, Role, Session, StandardCrypto, UsageError
from sealtone.zrtp.algorithms import AUTH_TAGS, CIPHERS, HASHES, KEY_AGREEMENTS, SAS_TYPES
from zrtp.reference.native import PRIMES, ReferenceNative
from zrtp.scenes import Entropy, Person, call, secured, with_algorithms

NATIVE_ONLY = ("SKN2", "SKN3", "2FS1", "2FS2", "2FS3", "E414")


def suites():
    """Each key agreement with each hash and cipher; tags and SAS types go round."""
    tags, sas = itertools.cycle(AUTH_TAGS), itertools.cycle(sorted(SAS_TYPES))
    for agreement, hash_name, cipher in itertools.product(KEY_AGREEMENTS, HASHES, CIPHERS):
        if KEY_AGREEMENTS[agreement].strong_hash_required and HASHES[hash_name].octets < 48:
            continue
        yield agreement, hash_name, cipher, next(tags), next(sas)


@pytest.mark.parametrize("suite", list(suites()), ids="-".join)
def test_two_sides_come_to_the_same_keys_and_sas(suite):
    agreement, hash_name, cipher, tag, sas_type = suite
    algorithms = with_algorithms(
        key_agreements=(agreement,), hashes=hash_name, ciphers=cipher, auth_tags=tag, sas_types=sas_type
    )
    a, b = Person("alice", algorithms=algorithms), Person("bob", algorithms=algorithms)
    said, _ = secured(call(a.session(), b.session()))
    assert (said.suite.key_agreement, said.suite.hash, said.suite.cipher) == (agreement, hash_name, cipher)
    assert (said.suite.auth_tag, said.suite.sas_type) == (tag, sas_type)
    assert len(said.keys.send_key) == CIPHERS[cipher].key_octets
    assert len(said.keys.send_salt) == 14


@pytest.mark.parametrize("tag", AUTH_TAGS)
@pytest.mark.parametrize("sas_type", sorted(SAS_TYPES))
def test_each_tag_goes_with_each_sas_type(tag, sas_type):
    algorithms = with_algorithms(auth_tags=tag, sas_types=sas_type)
    said, _ = secured(call(Person("a", algorithms=algorithms).session(), Person("b", algorithms=algorithms).session()))
    assert (said.suite.auth_tag, said.suite.sas_type) == (tag, sas_type)


@pytest.mark.parametrize("agreement", KEY_AGREEMENTS)
def test_either_side_can_be_the_initiator(agreement):
    algorithms = with_algorithms(key_agreements=(agreement,), hashes="S384")
    waiting = {"initiative": Initiative.NEVER}
    a, b = Person("a", algorithms=algorithms), Person("b", algorithms=algorithms)
    said, _ = secured(call(a.session(profile=waiting), b.session()))
    assert said.role is Role.RESPONDER
    said, _ = secured(call(a.session(), b.session(profile=waiting)))
    assert said.role is Role.INITIATOR


def test_without_a_native_part_its_algorithms_are_refused_when_a_session_is_made():
    plain = StandardCrypto()
    for name in NATIVE_ONLY:
        assert not plain.supports(name)
        assert StandardCrypto(ReferenceNative()).supports(name)
    person = Person("a", algorithms=with_algorithms(ciphers=("2FS3", "AES1")))
    with pytest.raises(UsageError, match="2FS3"):
        Session(person.profile, plain, Entropy(1), ssrc=1, unix_time=0)
    with pytest.raises(ValueError, match="native"):
        plain.digest("SKN2", b"")


@pytest.mark.parametrize(
    "wrong",
    [
        {"hashes": ()},
        {"ciphers": ("AES9",)},
        {"auth_tags": ("HS80", "HS80")},
        {"key_agreements": ("Mult",)},
        {"key_agreements": ("X255", "E255", "EC25", "X448", "DH3k", "E414", "EC38", "EC52")},
        {"sas_types": ("B32",)},
    ],
)
def test_lists_that_no_hello_can_carry_are_refused(wrong):
    with pytest.raises(UsageError):
        Person("a", algorithms=Algorithms(**wrong))


MONTGOMERY = {"X255": 2**255 - 19, "E255": 2**255 - 19, "X448": 2**448 - 2**224 - 1}
FIELD = {"DH2k": PRIMES["DH2k"], "DH3k": PRIMES["DH3k"]}


def bad_values(agreement):
    """0, 1, p-1, p and more, as the key agreement writes them; and strings of the wrong length."""
    octets = KEY_AGREEMENTS[agreement].public_octets
    order = "little" if agreement in MONTGOMERY else "big"
    prime = MONTGOMERY.get(agreement) or FIELD.get(agreement)
    numbers = [0, 1] + ([prime - 1, prime] if prime else [])
    if agreement in FIELD:
        numbers += [prime + 1, prime + 2, 2 ** (8 * octets) - 1]
    return [number.to_bytes(octets, order) for number in numbers] + [b"", bytes(octets - 4), bytes(octets + 4)]


@pytest.mark.parametrize("native", [ReferenceNative(), None], ids=["native", "plain"])
@pytest.mark.parametrize("agreement", KEY_AGREEMENTS)
def test_bad_public_values_are_refused_by_the_provider(agreement, native):
    crypto = StandardCrypto(native)
    if not crypto.supports(agreement):
        return
    pair = crypto.key_pair(agreement, Entropy(agreement)(_private(agreement)))
    for bad in bad_values(agreement):
        with pytest.raises(ValueError):
            pair.agree(bad)


def _private(agreement):
    return KEY_AGREEMENTS[agreement].private_octets


@pytest.mark.parametrize("agreement", ["EC25", "EC38", "EC52", "E414"])
def test_a_point_beside_the_curve_is_refused(agreement):
    crypto = StandardCrypto(ReferenceNative())
    pair = crypto.key_pair(agreement, Entropy("one")(_private(agreement)))
    other = bytearray(crypto.key_pair(agreement, Entropy("two")(_private(agreement))).public)
    assert pair.agree(bytes(other))
    other[-1] ^= 1
    with pytest.raises(ValueError):
        pair.agree(bytes(other))
