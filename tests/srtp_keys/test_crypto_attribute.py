"""a=crypto: what is read, what is refused, and that nothing weak or ambiguous becomes an object."""

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtone.srtp_keys import (
    PREFERENCE,
    CryptoAttribute,
    CryptoError,
    CryptoSyntaxError,
    CryptoUnacceptable,
    KeyMaterial,
    Mki,
    Suite,
    ZrtpKeyMaterial,
    ZrtpSuite,
    answer_to,
    choose,
    generate,
    offer_of,
)

LENGTHS = {
    "AES_CM_128_HMAC_SHA1_80": (16, 14),
    "AES_CM_128_HMAC_SHA1_32": (16, 14),
    "AES_256_CM_HMAC_SHA1_80": (32, 14),
    "AES_256_CM_HMAC_SHA1_32": (32, 14),
    "AEAD_AES_128_GCM": (16, 12),
    "AEAD_AES_256_GCM": (32, 12),
}


def inline(length: int, fill: int = 7) -> str:
    return base64.b64encode(bytes([fill]) * length).decode()


KEY_30 = inline(30)
LINE = f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}"


@pytest.mark.parametrize("name", LENGTHS)
def test_key_and_salt_lengths_are_those_of_the_rfcs(name: str) -> None:
    suite = Suite(name)
    assert (suite.key_len, suite.salt_len) == LENGTHS[name]


def test_every_suite_of_ours_is_tested_for_its_lengths() -> None:
    assert {suite.value for suite in Suite} == set(LENGTHS)


def test_the_example_of_rfc_4568_is_read() -> None:
    attribute = CryptoAttribute.parse("1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20")
    assert (attribute.tag, attribute.suite) == (1, Suite.AES_CM_128_HMAC_SHA1_80)
    secret = base64.b64decode("WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz")
    assert (attribute.key.key, attribute.key.salt) == (secret[:16], secret[16:])
    assert attribute.lifetime == 1 << 20


@pytest.mark.parametrize("padding", ["", "=", "=="])
def test_a_key_is_read_with_or_without_its_base64_padding(padding: str) -> None:
    text = inline(46).rstrip("=") + padding
    assert CryptoAttribute.parse(f"3 AES_256_CM_HMAC_SHA1_80 inline:{text}").key.key == bytes([7]) * 32


def test_an_alias_is_understood_and_repeated_in_the_answer() -> None:
    offered = CryptoAttribute.parse(f"2 AES_CM_256_HMAC_SHA1_80 inline:{inline(46)}")
    answer = answer_to(offered, os.urandom)
    assert offered.suite is Suite.AES_256_CM_HMAC_SHA1_80
    assert str(answer).startswith("2 AES_CM_256_HMAC_SHA1_80 inline:")
    assert answer.key != offered.key


@pytest.mark.parametrize(
    ("extra", "lifetime", "mki"),
    [
        ("|2^31", 1 << 31, None),
        ("|1000000", 1_000_000, None),
        ("|2^48|1:4", 1 << 48, Mki(1, 4)),
        ("|1:4", None, Mki(1, 4)),
        ("|255:1", None, Mki(255, 1)),
    ],
)
def test_lifetime_and_key_identifier_are_told_apart(extra: str, lifetime: int | None, mki: Mki | None) -> None:
    attribute = CryptoAttribute.parse(LINE + extra)
    assert (attribute.lifetime, attribute.mki) == (lifetime, mki)


@pytest.mark.parametrize(
    "parameter",
    [
        "UNENCRYPTED_SRTP",
        "UNENCRYPTED_SRTCP",
        "UNAUTHENTICATED_SRTP",
        "unencrypted_srtp",
        "-UNENCRYPTED_SRTP",
        "--UNAUTHENTICATED_SRTP",
        "UNENCRYPTED_SRTP=",
        "WSH=64 UNENCRYPTED_SRTP",
        "KDR=0",
        "KDR=24",
        "FEC_ORDER=FEC_SRTP",
        f"FEC_KEY=inline:{KEY_30}",
        "WSH=63",
        "SOMETHING_NEW",
        "SOMETHING=1",
    ],
)
def test_a_parameter_that_weakens_or_is_not_known_refuses_the_line(parameter: str) -> None:
    with pytest.raises(CryptoUnacceptable):
        CryptoAttribute.parse(f"{LINE} {parameter}")


def test_harmless_parameters_are_accepted() -> None:
    assert CryptoAttribute.parse(f"{LINE} WSH=128 -x-optional=1").window == 128


@pytest.mark.parametrize(
    "value",
    [
        f"1 NULL_HMAC_SHA1_80 inline:{KEY_30}",
        f"1 F8_128_HMAC_SHA1_80 inline:{KEY_30}",
        f"1 AES_192_CM_HMAC_SHA1_80 inline:{inline(38)}",
        f"{LINE};inline:{KEY_30}|2^20|2:4",
        f"{LINE}|2^20|1:5",
        f"{LINE}|1:0",
        f"{LINE}|256:1",
        f"{LINE}|2^49",
        f"{LINE}|0",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{inline(30, 0)}",
    ],
)
def test_what_is_well_formed_but_must_not_be_used_is_unacceptable(value: str) -> None:
    with pytest.raises(CryptoUnacceptable):
        CryptoAttribute.parse(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        "1 AES_CM_128_HMAC_SHA1_80",
        f"x AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}",
        f"-1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}",
        f"1234567890 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}",
        f"\u0661 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}",
        "1 AES_CM_128_HMAC_SHA1_80 inline:",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{inline(29)}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{inline(46)}",
        f"1 AEAD_AES_128_GCM inline:{KEY_30}",
        "1 AES_CM_128_HMAC_SHA1_80 inline:" + "*" * 40,
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30[:20]}={KEY_30[21:]}",
        f"1 AES_CM_128_HMAC_SHA1_80 uri:{KEY_30}",
        f"{LINE}|",
        f"{LINE}|2^",
        f"{LINE}|abc",
        f"{LINE}|1:4|2^20",
        f"{LINE}|1:4|2:4",
        f"{LINE}|2^20|1:4|x",
        f"{LINE}|1:",
        f"{LINE} WSH=64 WSH=65",
        f"{LINE} WSH=",
        f"{LINE} " + " ".join(f"-x{n}" for n in range(17)),
        f"{LINE} " + "-x" * 600,
    ],
)
def test_what_cannot_be_read_is_a_syntax_error(value: str) -> None:
    with pytest.raises(CryptoSyntaxError):
        CryptoAttribute.parse(value)


def test_reasons_and_reprs_never_hold_the_key() -> None:
    attribute = CryptoAttribute.parse(LINE)
    assert KEY_30 not in repr(attribute)
    assert KEY_30 not in repr(attribute.key)
    assert "07" not in repr(attribute.key)
    assert "07" not in str(attribute.key)
    with pytest.raises(CryptoSyntaxError) as caught:
        CryptoAttribute.parse(f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}AAAA")
    assert KEY_30 not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        f"1 inline:{KEY_30} AES_CM_128_HMAC_SHA1_80",
        f"1 {KEY_30} x",
        f"{LINE} {KEY_30}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline: {KEY_30}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30[:10]} {KEY_30[10:]}",
    ],
)
def test_a_key_in_the_wrong_place_does_not_get_into_the_reason(value: str) -> None:
    with pytest.raises(CryptoError) as caught:
        CryptoAttribute.parse(value)
    assert KEY_30[10:20] not in str(caught.value)


def test_the_name_of_an_unknown_cipher_or_parameter_is_in_the_reason() -> None:
    with pytest.raises(CryptoUnacceptable, match="F8_128_HMAC_SHA1_80"):
        CryptoAttribute.parse(f"1 F8_128_HMAC_SHA1_80 inline:{KEY_30}")
    with pytest.raises(CryptoUnacceptable, match="NEW_THING"):
        CryptoAttribute.parse(f"{LINE} NEW_THING=1")


def test_the_offerers_first_allowed_line_is_chosen() -> None:
    offered = offer_of([Suite.AES_CM_128_HMAC_SHA1_80, Suite.AEAD_AES_256_GCM], os.urandom)
    assert choose(offered, PREFERENCE) is offered[0]
    assert choose(offered, [Suite.AEAD_AES_256_GCM]) is offered[1]
    assert choose(offered, [Suite.AES_256_CM_HMAC_SHA1_80]) is None


def test_a_short_tag_is_taken_only_when_nothing_longer_is_offered() -> None:
    offered = offer_of([Suite.AES_CM_128_HMAC_SHA1_32, Suite.AES_CM_128_HMAC_SHA1_80], os.urandom)
    assert choose(offered, tuple(Suite)) is offered[1]
    assert choose(offered[:1], tuple(Suite)) is offered[0]


def test_a_line_with_a_key_identifier_is_passed_over() -> None:
    with_mki = CryptoAttribute.parse(f"{LINE}|2^20|1:4")
    plain = CryptoAttribute.parse(LINE.replace("1 ", "2 ", 1))
    assert choose([with_mki, plain], tuple(Suite)) is plain
    assert choose([with_mki], tuple(Suite)) is None


def test_an_offer_has_rising_tags_and_a_fresh_key_in_each_line() -> None:
    offered = offer_of(PREFERENCE, os.urandom)
    assert [attribute.tag for attribute in offered] == [1, 2, 3, 4, 5]
    assert len({attribute.key.key[:16] for attribute in offered}) == 5


@pytest.mark.parametrize(
    ("new", "old", "weaker"),
    [
        ("AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM", True),
        ("AES_256_CM_HMAC_SHA1_32", "AES_256_CM_HMAC_SHA1_80", True),
        ("AES_256_CM_HMAC_SHA1_80", "AEAD_AES_256_GCM", False),
        ("AEAD_AES_256_GCM", "AES_CM_128_HMAC_SHA1_32", False),
        ("AES_CM_128_HMAC_SHA1_32", "AES_CM_128_HMAC_SHA1_32", False),
    ],
)
def test_suites_are_compared_by_key_and_tag(new: str, old: str, weaker: bool) -> None:
    assert Suite(new).weaker_than(Suite(old)) is weaker


def test_key_material_of_the_wrong_length_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="needs a key of 16"):
        KeyMaterial(Suite.AES_CM_128_HMAC_SHA1_80, bytes(15), bytes(14))


def test_equal_bytes_under_another_suite_are_another_key() -> None:
    first = KeyMaterial(Suite.AES_CM_128_HMAC_SHA1_80, b"k" * 16, b"s" * 14)
    assert first == KeyMaterial(Suite.AES_CM_128_HMAC_SHA1_80, b"k" * 16, b"s" * 14)
    assert first != KeyMaterial(Suite.AES_CM_128_HMAC_SHA1_32, b"k" * 16, b"s" * 14)
    assert first != KeyMaterial(Suite.AES_CM_128_HMAC_SHA1_80, b"k" * 16, b"t" * 14)


@pytest.mark.parametrize("suite", ZrtpSuite)
def test_no_suite_of_zrtp_is_taken_from_sdes(suite: ZrtpSuite) -> None:
    with pytest.raises(CryptoUnacceptable, match="not supported"):
        CryptoAttribute.parse(f"1 {suite.value} inline:{inline(suite.key_len + suite.salt_len)}")


def test_a_zrtp_suite_is_named_by_its_cipher_and_tag() -> None:
    suite = ZrtpSuite.of("2FS3", "SK64")
    assert (suite.value, suite.key_len, suite.salt_len, suite.short_tag) == ("ZRTP_2FS3_SK64", 32, 14, False)
    assert [ZrtpSuite.of(name, "HS32").key_len for name in ("AES1", "AES2", "2FS2", "AES3")] == [16, 24, 24, 32]
    for cipher, tag in (("AES4", "HS80"), ("AES3", "HS16"), ("", "")):
        with pytest.raises(ValueError, match="ZRTP_"):
            ZrtpSuite.of(cipher, tag)


def test_a_zrtp_key_hides_its_bytes_and_is_not_an_sdes_key() -> None:
    key = ZrtpKeyMaterial(ZrtpSuite.ZRTP_AES1_HS80, b"k" * 16, b"s" * 14)
    assert repr(key) == "<ZrtpKeyMaterial ZRTP_AES1_HS80>"
    assert key != KeyMaterial(Suite.AES_CM_128_HMAC_SHA1_80, b"k" * 16, b"s" * 14)
    assert key == ZrtpKeyMaterial(ZrtpSuite.ZRTP_AES1_HS80, b"k" * 16, b"s" * 14)
    with pytest.raises(ValueError, match="needs a key of 24"):
        ZrtpKeyMaterial(ZrtpSuite.ZRTP_2FS2_SK32, bytes(16), bytes(14))


@st.composite
def attributes(draw: st.DrawFn) -> CryptoAttribute:
    suite = draw(st.sampled_from(list(Suite)))
    secret = draw(st.binary(min_size=suite.key_len + suite.salt_len, max_size=suite.key_len + suite.salt_len))
    key = KeyMaterial(suite, b"\x01" + secret[1 : suite.key_len], secret[suite.key_len :])
    length = draw(st.integers(1, 4))
    mki = draw(st.none() | st.builds(Mki, st.integers(0, 256**length - 1), st.just(length)))
    lifetime = draw(st.none() | st.integers(1, 1 << 48))
    return CryptoAttribute(
        draw(st.integers(0, 999_999_999)), key, None, lifetime, mki, draw(st.none() | st.integers(64, 1 << 20))
    )


@given(attributes())
def test_what_is_written_is_read_back_the_same(attribute: CryptoAttribute) -> None:
    assert CryptoAttribute.parse(str(attribute)) == attribute


@given(st.sampled_from(list(Suite)))
def test_a_generated_key_round_trips(suite: Suite) -> None:
    attribute = CryptoAttribute(1, generate(suite, os.urandom))
    assert CryptoAttribute.parse(str(attribute)).key == attribute.key


@given(st.text(max_size=120))
def test_any_text_is_read_or_refused(text: str) -> None:
    value = f"1 AES_CM_128_HMAC_SHA1_80 {text}"
    try:
        attribute = CryptoAttribute.parse(value)
    except CryptoError:
        return
    assert attribute == CryptoAttribute.parse(str(attribute))
