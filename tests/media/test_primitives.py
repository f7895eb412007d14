"""The primitives of ZRTP beside plain Python written from the papers and RFCs."""

import hmac
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from hypothesis import given, settings
from hypothesis import strategies as st

from sealtone.media import KEY_AGREEMENT_LENGTHS, KeyAgreementName, MacName, Primitives, SkeinName
from zrtp.reference import curve3617 as curve
from zrtp.reference.skein import skein512
from zrtp.reference.twofish import cfb

core = Primitives()
SKEIN_OCTETS: dict[SkeinName, int] = {"SKN2": 32, "SKN3": 48, "Skein-512": 64}
TWOFISH_KEYS = st.sampled_from((16, 24, 32)).flatmap(lambda size: st.binary(min_size=size, max_size=size))


def _pi(bits: int) -> int:
    """Floor of pi times 2^bits, by Machin's formula."""
    one = 1 << (bits + 64)

    def arctan_inverse(x: int) -> int:
        total = term = one // x
        n, sign = 3, -1
        while term:
            term //= x * x
            total += sign * (term // n)
            n, sign = n + 2, -sign
        return total

    return 4 * (4 * arctan_inverse(5) - arctan_inverse(239)) >> 64


# RFC 3526, sections 3 and 4, by the formulas there.
PRIMES: dict[KeyAgreementName, int] = {
    "DH2k": 2**2048 - 2**1984 - 1 + 2**64 * (_pi(1918) + 124476),
    "DH3k": 2**3072 - 2**3008 - 1 + 2**64 * (_pi(2942) + 1690314),
}


def _probably_prime(n: int) -> bool:
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7, 11, 13):
        x = pow(base, odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


@pytest.mark.parametrize("prime", PRIMES.values(), ids=PRIMES)
def test_the_primes_of_rfc_3526_are_safe_primes(prime: int) -> None:
    assert _probably_prime(prime)
    assert _probably_prime((prime - 1) // 2)


@pytest.mark.parametrize("name", SKEIN_OCTETS)
@given(data=st.binary(max_size=300))
@settings(max_examples=25)
def test_skein_hashes_as_the_reference_does(name: SkeinName, data: bytes) -> None:
    assert core.zrtp_hash(name, data) == skein512(data, SKEIN_OCTETS[name])


@pytest.mark.parametrize("name", SKEIN_OCTETS)
@given(key=st.binary(max_size=200), data=st.binary(max_size=300))
@settings(max_examples=25)
def test_the_skein_mac_is_that_of_the_reference(name: SkeinName, key: bytes, data: bytes) -> None:
    assert core.zrtp_mac(name, key, data) == skein512(data, SKEIN_OCTETS[name], key)


@pytest.mark.parametrize(("name", "standard"), [("S256", "sha256"), ("S384", "sha384")])
@given(key=st.binary(max_size=200), data=st.binary(max_size=300))
@settings(max_examples=100)
def test_hmac_is_that_of_the_standard_library(name: MacName, standard: str, key: bytes, data: bytes) -> None:
    assert core.zrtp_mac(name, key, data) == hmac.digest(key, data, standard)


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 127, 128, 129, 192])
def test_skein_agrees_with_the_reference_at_the_edges_of_blocks(length: int) -> None:
    data = bytes(range(length))
    assert core.zrtp_hash("SKN2", data) == skein512(data, 32)
    assert core.zrtp_mac("SKN3", data, data) == skein512(data, 48, data)


@given(
    key=st.sampled_from((16, 24, 32)).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
    iv=st.binary(min_size=16, max_size=16),
    data=st.binary(max_size=70),
)
@settings(max_examples=50)
def test_aes_cfb_is_that_of_the_cryptography_package_both_ways(key: bytes, iv: bytes, data: bytes) -> None:
    cipher = Cipher(AES(key), CFB(iv))
    sealed = core.aes_cfb(key, iv, data, encrypt=True)
    assert sealed == cipher.encryptor().update(data)
    assert core.aes_cfb(key, iv, sealed, encrypt=False) == data


@given(key=TWOFISH_KEYS, iv=st.binary(min_size=16, max_size=16), data=st.binary(max_size=70))
@settings(max_examples=25)
def test_twofish_cfb_is_that_of_the_reference_both_ways(key: bytes, iv: bytes, data: bytes) -> None:
    sealed = core.twofish_cfb(key, iv, data, encrypt=True)
    assert sealed == cfb(key, iv, data, encrypt=True)
    assert core.twofish_cfb(key, iv, sealed, encrypt=False) == data
    assert cfb(key, iv, sealed, encrypt=False) == data


@pytest.mark.parametrize("name", PRIMES)
@given(private=st.sampled_from((32, 48, 64)).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
@settings(max_examples=20)
def test_finite_field_diffie_hellman_is_exponentiation(name: KeyAgreementName, private: bytes) -> None:
    prime, exponent = PRIMES[name], int.from_bytes(private, "big")
    size = KEY_AGREEMENT_LENGTHS[name].public
    if exponent == 0:
        return
    public = core.dh_public(name, private)
    assert public == pow(2, exponent, prime).to_bytes(size, "big")
    peer = pow(3, exponent + 5, prime)
    assert core.dh_shared(name, private, peer.to_bytes(size, "big")) == pow(peer, exponent, prime).to_bytes(size, "big")


def _single_bits() -> Iterator[bytes]:
    return ((1 << bit).to_bytes(64, "big") for bit in range(512))


@pytest.mark.parametrize("name", PRIMES)
def test_every_bit_of_an_exponent_counts(name: KeyAgreementName) -> None:
    size, value = KEY_AGREEMENT_LENGTHS[name].public, 2
    for private in _single_bits():
        assert core.dh_public(name, private) == value.to_bytes(size, "big")
        value = value * value % PRIMES[name]


@pytest.mark.parametrize("name", PRIMES)
def test_values_that_give_no_secret_are_refused(name: KeyAgreementName) -> None:
    prime, size = PRIMES[name], KEY_AGREEMENT_LENGTHS[name].public
    private = bytes(range(1, 33))
    for value in (0, 1, prime - 1, prime, prime + 1, 2 ** (8 * size) - 1):
        with pytest.raises(ValueError, match="public value"):
            core.dh_shared(name, private, value.to_bytes(size, "big"))
    for value in (2, prime - 2):
        assert core.dh_shared(name, private, value.to_bytes(size, "big"))
    for length in (0, size - 1, size + 1):
        with pytest.raises(ValueError, match="public value"):
            core.dh_shared(name, private, b"\x02" * length)


@pytest.mark.parametrize("name", PRIMES)
def test_a_leading_zero_of_a_secret_is_kept(name: KeyAgreementName) -> None:
    size = KEY_AGREEMENT_LENGTHS[name].public
    one = bytes(31) + b"\1"
    small = (5).to_bytes(size, "big")
    assert core.dh_shared(name, one, small) == small


def test_curve3617_has_the_published_order() -> None:
    assert curve.on_curve(curve.BASE)
    assert curve.multiply(curve.ORDER, curve.BASE) == curve.NEUTRAL
    assert _probably_prime(curve.P)
    assert _probably_prime(curve.ORDER)


PRIVATE_E414 = st.binary(min_size=52, max_size=52).filter(curve.scalar_of)


@given(private=PRIVATE_E414, other=PRIVATE_E414)
@settings(max_examples=15)
def test_curve3617_agrees_with_the_reference(private: bytes, other: bytes) -> None:
    peer = curve.multiply(curve.scalar_of(other), curve.BASE)
    assert core.dh_public("E414", other) == curve.encode(peer)
    shared = curve.multiply(curve.scalar_of(private), peer)
    assert core.dh_shared("E414", private, curve.encode(peer)) == shared[0].to_bytes(52, "big")


@pytest.mark.parametrize("private", [b"\xff" * 52, bytes(51) + b"\x08", b"\x20" + bytes(51)], ids=["all", "8", "top"])
def test_curve3617_takes_the_edges_of_private_keys(private: bytes) -> None:
    expected = curve.multiply(curve.scalar_of(private), curve.BASE)
    assert core.dh_public("E414", private) == curve.encode(expected)


def test_curve3617_agrees_with_gnu_zrtp() -> None:
    vectors = json.loads((Path(__file__).parents[1] / "vectors/gnu_zrtp.json").read_text())
    for key in vectors["e414"]["keys"]:
        private, public = bytes.fromhex(key["private"]), bytes.fromhex(key["public"])
        assert core.dh_public("E414", private) == public
        assert core.dh_shared("E414", private, public) == bytes.fromhex(key["shared"])


def _square_root(square: int) -> int | None:
    """Modulo the prime, which is 3 modulo 4."""
    root = pow(square, (curve.P + 1) // 4, curve.P)
    return root if root * root % curve.P == square % curve.P else None


def _points_of_order_eight() -> list[curve.Point]:
    """The eight points that three doublings take to the neutral one."""
    found = [curve.NEUTRAL]
    x = 1
    while len(found) < 8:
        x += 1
        root = _square_root((1 - x * x) * pow(1 - 3617 * x * x, -1, curve.P))
        if root is None:
            continue
        generator = curve.multiply(curve.ORDER, (x, root))
        multiples = [curve.multiply(i, generator) for i in range(8)]
        found = max(found, sorted(set(multiples)), key=len)
    return found


def test_points_that_give_no_secret_are_refused() -> None:
    private = bytes(range(52))
    x, y = curve.BASE
    for point in _points_of_order_eight():
        assert curve.on_curve(point)
        with pytest.raises(ValueError, match="public value"):
            core.dh_shared("E414", private, curve.encode(point))
    # Off the curve; not reduced; of another length.
    for bad in ((x, y + 1), (x + 1, y), (0, 0), (y, y)):
        with pytest.raises(ValueError, match="public value"):
            core.dh_shared("E414", private, curve.encode(bad))
    with pytest.raises(ValueError, match="public value"):
        core.dh_shared("E414", private, curve.encode((x, y + curve.P)))
    for length in (0, 52, 103, 105):
        with pytest.raises(ValueError, match="public value"):
            core.dh_shared("E414", private, curve.encode(curve.BASE)[:length].ljust(length, b"\0"))


def test_a_point_of_mixed_order_gives_nothing_of_the_key_away() -> None:
    """What a point of small order adds is gone: the lowest three bits of a private key are zero."""
    private = bytes(range(52))
    public = curve.multiply(1000, curve.BASE)
    expected = core.dh_shared("E414", private, curve.encode(public))
    for point in _points_of_order_eight():
        mixed = curve.add(public, point)
        assert core.dh_shared("E414", private, curve.encode(mixed)) == expected


def test_wrong_names_and_lengths_are_value_errors() -> None:
    name: KeyAgreementName
    for name, lengths in KEY_AGREEMENT_LENGTHS.items():
        for length in (0, min(lengths.private) - 1, max(lengths.private) + 1):
            with pytest.raises(ValueError, match="private key"):
                core.dh_public(name, b"\1" * length)
        with pytest.raises(ValueError, match="private key"):
            core.dh_public(name, bytes(lengths.private[0]))
    with pytest.raises(ValueError, match="EC25"):
        core.dh_public("EC25", bytes(32))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="S256"):
        core.zrtp_hash("S256", b"")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="S512"):
        core.zrtp_mac("S512", b"", b"")  # type: ignore[arg-type]
    for key, iv in ((bytes(15), bytes(16)), (bytes(32), bytes(15))):
        with pytest.raises(ValueError, match="bytes"):
            core.twofish_cfb(key, iv, b"", encrypt=True)
        with pytest.raises(ValueError, match="bytes"):
            core.aes_cfb(key, iv, b"", encrypt=True)


def test_other_threads_run_during_a_key_agreement() -> None:
    """While one thread works on exponentiations, this one counts, although it would never be given the lock."""
    private, peer = b"\xa5" * 64, core.dh_public("DH3k", b"\x5a" * 64)
    before = sys.getswitchinterval()
    sys.setswitchinterval(60)
    done = threading.Event()

    def work() -> None:
        for _ in range(20):
            core.dh_shared("DH3k", private, peer)
        done.set()

    try:
        thread = threading.Thread(target=work)
        thread.start()
        turns = 0
        while not done.wait(0.0005):
            turns += 1
        thread.join()
    finally:
        sys.setswitchinterval(before)
    assert turns > 5
