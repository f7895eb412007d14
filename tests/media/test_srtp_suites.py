"""Every suite of ZRTP beside the plain Python reference, and every name on both sides of the binding."""

import json
from pathlib import Path
from typing import Any

import pytest

from media.reference_srtp import ReferenceSrtp
from sealtone.media import Srtp, SrtpError
from sealtone.srtp_keys import Suite, ZrtpSuite

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors/gnu_zrtp.json").read_text())["srtp"]
SSRC = b"\xca\xfe\xba\xbe"
ALL: list[Suite | ZrtpSuite] = [*Suite, *ZrtpSuite]


def _key(suite: Suite | ZrtpSuite) -> tuple[bytes, bytes]:
    return bytes(range(1, 1 + suite.key_len)), bytes(range(101, 101 + suite.salt_len))


def _pair(suite: ZrtpSuite) -> tuple[Srtp, ReferenceSrtp]:
    return Srtp(suite.value, *_key(suite)), ReferenceSrtp(suite.value, *_key(suite))


def _rtp(sequence: int, payload: bytes) -> bytes:
    return b"\x80\x08" + sequence.to_bytes(2, "big") + b"\0\0\1\2" + SSRC + payload


RTCP = b"\x80\xc9\x00\x01" + SSRC + b"\x80\xcb\x00\x01" + SSRC


@pytest.mark.parametrize("suite", ALL)
def test_both_sides_know_every_suite_by_name_and_lengths(suite: Suite | ZrtpSuite) -> None:
    key, salt = _key(suite)
    assert Srtp(suite.value, key, salt).suite == suite.value
    for bad_key, bad_salt in ((key[1:], salt), (key + b"\0", salt), (key, salt[1:])):
        with pytest.raises(SrtpError):
            Srtp(suite.value, bad_key, bad_salt)


def test_a_suite_of_no_name_is_refused() -> None:
    for name in ("ZRTP_AES4_HS80", "ZRTP_AES1_HS16", "ZRTP_AES1", "zrtp_aes1_hs80", ""):
        with pytest.raises(ValueError, match="unknown SRTP suite"):
            Srtp(name, bytes(16), bytes(14))


@pytest.mark.parametrize("suite", ZrtpSuite)
def test_packets_are_those_of_the_reference_over_a_wrap(suite: ZrtpSuite) -> None:
    core, reference = _pair(suite)
    receiver, _ = _pair(suite)
    for sequence, roll_over in ((65_534, 0), (65_535, 0), (0, 1), (1, 1)):
        packet = _rtp(sequence, bytes(range(sequence % 7, 33)))
        expected = reference.protect_rtp(packet, roll_over)
        assert core.protect_rtp(packet) == expected
        assert receiver.unprotect_rtp(expected) == packet
        with pytest.raises(SrtpError, match="before"):
            receiver.unprotect_rtp(expected)


@pytest.mark.parametrize("suite", ZrtpSuite)
def test_control_packets_are_those_of_the_reference(suite: ZrtpSuite) -> None:
    core, reference = _pair(suite)
    receiver, _ = _pair(suite)
    for index in range(2):
        expected = reference.protect_rtcp(RTCP, index)
        assert core.protect_rtcp(RTCP) == expected
        assert receiver.unprotect_rtcp(expected) == RTCP
        with pytest.raises(SrtpError, match="before"):
            receiver.unprotect_rtcp(expected)


@pytest.mark.parametrize("name", VECTORS["suites"])
def test_packets_are_those_of_gnu_zrtp(name: str) -> None:
    expected, suite = VECTORS["suites"][name], ZrtpSuite(name)
    core, receiver = Srtp(name, *_key(suite)), Srtp(name, *_key(suite))
    packet = bytes.fromhex(VECTORS["rtp_header"]) + bytes(range(33))
    for roll_over in ("rtp_roc_0", "rtp_roc_1"):
        sealed = bytes.fromhex(expected[roll_over])
        assert core.protect_rtp(packet) == sealed
        assert receiver.unprotect_rtp(sealed) == packet
        for sequence in (0x8000, 0xFFFF, 0x0010):
            receiver.unprotect_rtp(core.protect_rtp(packet[:2] + sequence.to_bytes(2, "big") + packet[4:]))
    control = bytes.fromhex(expected["rtcp"])
    assert receiver.unprotect_rtcp(control) == bytes.fromhex(VECTORS["rtcp"])
    ours = core.protect_rtcp(bytes.fromhex(VECTORS["rtcp"]))
    # With HS32 it cuts the tag to 32 bits, against the RFC.
    assert ours[: len(control)] == control
    assert len(ours) - len(control) == (6 if name.endswith("HS32") else 0)


@pytest.mark.parametrize("suite", ZrtpSuite)
def test_a_wrong_tag_is_refused_and_costs_the_right_packet_nothing(suite: ZrtpSuite) -> None:
    receiver, reference = _pair(suite)
    packet = _rtp(7, b"voice")
    sealed, control = reference.protect_rtp(packet, 0), reference.protect_rtcp(RTCP, 5)
    for octet in range(len(sealed)):
        with pytest.raises(SrtpError):
            receiver.unprotect_rtp(sealed[:octet] + bytes([sealed[octet] ^ 0x40]) + sealed[octet + 1 :])
    for octet in range(len(control)):
        with pytest.raises(SrtpError):
            receiver.unprotect_rtcp(control[:octet] + bytes([control[octet] ^ 0x40]) + control[octet + 1 :])
    assert receiver.unprotect_rtp(sealed) == packet
    assert receiver.unprotect_rtcp(control) == RTCP


@pytest.mark.parametrize("suite", ZrtpSuite)
def test_short_control_tags_are_taken_with_hs32_only(suite: ZrtpSuite) -> None:
    """Linphone and baresip send them; with Skein the short tag is the tag."""
    receiver, reference = _pair(suite)
    short = reference.protect_rtcp(RTCP, 0, 4)
    if suite.value.endswith(("HS32", "SK32")):
        assert receiver.unprotect_rtcp(short) == RTCP
    else:
        with pytest.raises(SrtpError):
            receiver.unprotect_rtcp(short)


def test_the_tags_of_one_mac_are_not_those_of_another() -> None:
    """Skein's output depends on its length: 32 bits are not the start of 64."""
    packet = _rtp(7, b"voice")
    tags = set()
    for tag in ("HS80", "HS32", "SK64", "SK32"):
        suite = ZrtpSuite.of("AES3", tag)
        tags.add(Srtp(suite.value, *_key(suite)).protect_rtp(packet)[len(packet) :][:4])
    assert len(tags) == 3
