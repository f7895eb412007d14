"""Each message octet by octet, written down from the figures of RFC 6189 5 without the package's help.

A string of the RFC's notation becomes octets by `words`: each item is one or more 32-bit words, a number or octets.
"""

from __future__ import annotations

import struct

import pytest

from sealtone.zrtp.algorithms import Algorithms, Suite
from sealtone.zrtp.commit import Commit
from sealtone.zrtp.confirm import Confirm, SasRelay, Sealed
from sealtone.zrtp.dhpart import DHPart, SecretIds
from sealtone.zrtp.errors import CrcMismatch, ErrorCode, MalformedPacket
from sealtone.zrtp.hello import Hello, HelloHash
from sealtone.zrtp.message import Kind
from sealtone.zrtp.notices import CLEAR_ACK, CONF2_ACK, ERROR_ACK, HELLO_ACK, RELAY_ACK, Error, GoClear, Ping, PingAck
from sealtone.zrtp.packet import Fragment, Packet, crc32c, is_zrtp


def words(*items: int | bytes) -> bytes:
    return b"".join(item if isinstance(item, bytes) else struct.pack(">I", item) for item in items)


def counting(octets: int, start: int = 0) -> bytes:
    return bytes((start + at) & 0xFF for at in range(octets))


H3, H2, H1, H0 = (counting(32, start) for start in (0x30, 0x20, 0x10, 0x01))
ZID = counting(12, 0xA0)
MAC = counting(8, 0xE0)
HVI, NONCE, KEY_ID, IV = counting(32, 0x50), counting(16, 0x60), counting(8, 0x70), counting(16, 0x80)


def test_a_packet_has_header_cookie_source_message_and_swapped_crc():
    # Figure 2; the CRC bit by bit from its polynomial.
    message = bytes.fromhex("505a0003") + b"HelloACK"
    packet = Packet(0x1234, 0xDEADBEEF, message).encode()
    assert packet[:-4] == bytes.fromhex("10001234 5a525450 deadbeef") + message
    crc = 0xFFFFFFFF
    for octet in packet[:-4]:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    assert packet[-4:] == struct.pack("<I", crc ^ 0xFFFFFFFF)
    assert Packet.parse(packet) == Packet(0x1234, 0xDEADBEEF, message)
    assert Packet.parse(packet).kind == b"HelloACK"


def test_hello_is_laid_out_as_in_figure_3():
    hello = Hello(
        version="1.10",
        client_id="Client",
        h3=H3,
        zid=ZID,
        algorithms=Algorithms(("S256", "S384"), ("AES1",), ("HS32", "HS80", "SK32"), ("DH3k", "Mult"), ("B32 ",)),
        signs=True,
        trusted_mitm=True,
        passive=False,
        mac=MAC,
    )
    expected = words(
        0x505A0000 | 31,
        b"Hello   ",
        b"1.10",
        b"Client          ",
        H3,
        ZID,
        0x60021321,  # 0 S M P, unused, hc 2, cc 1, ac 3, kc 2, sc 1
        b"S256S384",
        b"AES1",
        b"HS32HS80SK32",
        b"DH3kMult",
        b"B32 ",
        MAC,
    )
    assert len(expected) == 31 * 4
    assert hello.encode() == expected
    assert Hello.parse(expected) == hello


@pytest.mark.parametrize(("flag", "octet"), [("signs", 0x40), ("trusted_mitm", 0x20), ("passive", 0x10)])
def test_each_flag_of_hello_has_its_bit(flag, octet):
    hello = Hello("1.10", "x", H3, ZID, Algorithms(), **{flag: True})
    assert hello.encode()[12 + 64] == octet
    assert Hello.parse(hello.encode()) == hello


def test_a_hello_may_list_nothing_or_seven_of_each_known_or_not():
    nothing = Hello("1.10", "", H3, ZID, Algorithms((), (), (), (), ()))
    assert len(nothing.encode()) == 22 * 4
    seven = tuple(f"\xff\x00 {digit}" for digit in range(7))
    full = Hello("1.10", "0123456789abcdef", H3, ZID, Algorithms(seven, seven, seven, seven, seven))
    assert len(full.encode()) == (22 + 35) * 4
    for hello in (nothing, full):
        assert Hello.parse(hello.encode()) == hello


SUITE = {"hash": "S256", "cipher": "AES3", "auth_tag": "HS80", "sas_type": "B256"}


@pytest.mark.parametrize(
    ("agreement", "commitment", "key_id", "length"),
    [("DH3k", HVI, b"", 29), ("Mult", NONCE, b"", 25), ("Prsh", NONCE, KEY_ID, 27)],
    ids=["DH, figure 5", "Multistream, figure 6", "Preshared, figure 7"],
)
def test_commit_is_laid_out_as_in_its_figure(agreement, commitment, key_id, length):
    commit = Commit(H2, ZID, Suite(key_agreement=agreement, **SUITE), commitment, key_id, MAC)
    expected = words(
        0x505A0000 | length,
        b"Commit  ",
        H2,
        ZID,
        b"S256",
        b"AES3",
        b"HS80",
        agreement.encode(),
        b"B256",
        commitment,
        key_id,
        MAC,
    )
    assert len(expected) == length * 4
    assert commit.encode() == expected
    assert Commit.parse(expected) == commit


@pytest.mark.parametrize("kind", [Kind.DHPART1, Kind.DHPART2], ids=["figure 8", "figure 9"])
@pytest.mark.parametrize(
    ("octets", "length"), [(384, 117), (256, 85), (64, 37), (96, 45), (132, 54), (32, 29), (56, 35), (104, 47)]
)
def test_dhpart_is_laid_out_as_in_its_figure(kind, octets, length):
    rs1, rs2, aux, pbx = (counting(8, start) for start in (0x11, 0x22, 0x33, 0x44))
    value = counting(octets, 0x99)
    dhpart = DHPart(kind, H1, SecretIds(rs1, rs2, aux, pbx), value, MAC)
    expected = words(0x505A0000 | length, kind.value, H1, rs1, rs2, aux, pbx, value, MAC)
    assert len(expected) == length * 4
    assert dhpart.encode() == expected
    assert DHPart.parse(expected, kind) == dhpart


@pytest.mark.parametrize("kind", [Kind.CONFIRM1, Kind.CONFIRM2])
def test_confirm_is_laid_out_as_in_figure_10(kind):
    plain = words(H0, 0x0000000F, 0xFFFFFFFF)
    confirm = Confirm(H0, enrolment=True, verified=True, allow_clear=True, disclosure=True)
    assert confirm.encode() == plain
    assert Confirm.parse(plain) == confirm
    shell = Sealed(kind, MAC, IV, counting(40))
    expected = words(0x505A0000 | 19, kind.value, MAC, IV, counting(40))
    assert len(expected) == 19 * 4
    assert shell.encode() == expected
    assert Sealed.parse(expected, kind) == shell


@pytest.mark.parametrize(
    ("flag", "bit"), [("enrolment", 0x8), ("verified", 0x4), ("allow_clear", 0x2), ("disclosure", 0x1)]
)
def test_each_flag_of_confirm_has_its_bit(flag, bit):
    assert Confirm(H0, **{flag: True}, expiry_s=3600).encode() == words(H0, bit, 3600)
    assert Confirm.parse(words(H0, bit, 3600)) == Confirm(H0, **{flag: True}, expiry_s=3600)


@pytest.mark.parametrize("signature_words", [1, 20, 255, 256, 511])
def test_the_length_of_a_signature_has_nine_bits_and_its_type_counts(signature_words):
    signature = b"X509" + counting(4 * signature_words - 4)
    plain = words(H0, signature_words << 8 | 0x4, 0, signature)
    assert Confirm.parse(plain) == Confirm(H0, verified=True, expiry_s=0, signature=signature)
    assert Confirm.parse(plain).encode() == plain
    relayed = words(signature_words << 8, b"B32 ", counting(32), signature)
    assert SasRelay.parse(relayed).signature == signature
    assert SasRelay.parse(relayed).encode() == relayed


def test_unused_bits_of_confirm_are_ignored():
    assert Confirm.parse(words(H0, 0xFFFE00F4, 5)) == Confirm(H0, verified=True, expiry_s=5)


def test_sasrelay_is_laid_out_as_in_figure_16():
    plain = words(0x00000004, b"B256", counting(32, 0x40))
    relay = SasRelay(verified=True, rendering="B256", sas_hash=counting(32, 0x40))
    assert relay.encode() == plain
    assert SasRelay.parse(plain) == relay
    assert not relay.is_null
    assert SasRelay(False, "B32 ", bytes(32)).is_null
    shell = words(0x505A0000 | 19, b"SASrelay", MAC, IV, counting(40))
    assert Sealed(Kind.SAS_RELAY, MAC, IV, counting(40)).encode() == shell
    assert Sealed.parse(shell, Kind.SAS_RELAY).ciphertext == counting(40)


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (HELLO_ACK, b"HelloACK"),
        (CONF2_ACK, b"Conf2ACK"),
        (ERROR_ACK, b"ErrorACK"),
        (CLEAR_ACK, b"ClearACK"),
        (RELAY_ACK, b"RelayACK"),
    ],
)
def test_acknowledgements_are_three_words(message, name):
    assert message == words(0x505A0003, name)


def test_error_is_laid_out_as_in_figure_12():
    assert Error(ErrorCode.EQUAL_ZIDS).encode() == words(0x505A0004, b"Error   ", 0x90)
    assert Error.parse(words(0x505A0004, b"Error   ", 0x100)) == Error(0x100)


def test_goclear_is_laid_out_as_in_figure_14():
    assert GoClear(MAC).encode() == words(0x505A0005, b"GoClear ", MAC)
    assert GoClear.parse(GoClear(MAC).encode()) == GoClear(MAC)


def test_ping_and_pingack_are_laid_out_as_in_their_figures():
    ping = Ping("1.10", counting(8, 0x12))
    assert ping.encode() == words(0x505A0006, b"Ping    ", b"1.10", counting(8, 0x12))
    assert Ping.parse(ping.encode()) == ping
    answer = PingAck("1.10", counting(8, 0x55), counting(8, 0x12), 0xCAFEBABE)
    assert answer.encode() == words(0x505A0009, b"PingACK ", b"1.10", counting(8, 0x55), counting(8, 0x12), 0xCAFEBABE)
    assert PingAck.parse(answer.encode()) == answer


def test_the_error_codes_are_those_of_table_8():
    assert [int(code) for code in ErrorCode] == [
        0x10, 0x20, 0x30, 0x40, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x61, 0x62, 0x63, 0x70, 0x80, 0x90, 0x91, 0xA0,
        0xB0, 0x100,
    ]  # fmt: skip
    assert all(code.meaning for code in ErrorCode)
    assert "0x7777" in ErrorCode.describe(0x7777)


def test_the_hello_hash_is_read_and_written_as_in_sdp():
    value = "1.10 fe30efd02423cb054e50efd0248742ac7a52c8f91bc2df881ae642c371ba46df"  # 8.1
    parsed = HelloHash.parse(value)
    assert str(parsed) == value
    assert HelloHash.parse(value.upper().replace("1.10", " 1.10 ")) == parsed
    for bad in ("", "1.10", "1.10 fe30", value + "00", value[:-1] + "g", "1.10.0.0.0 " + value[5:]):
        assert HelloHash.parse(bad) is None


def test_a_fragment_of_post_quantum_zrtp_is_read():
    header = bytes.fromhex("11000007 5a525450 00000001") + struct.pack(">HHHH", 9, 60, 4, 2)
    body = header + counting(8)
    fragment = Fragment.parse(body + crc32c(body))
    assert (fragment.message_id, fragment.total, fragment.offset) == (9, 240, 16)
    assert fragment.part == counting(8)
    assert is_zrtp(body + crc32c(body))
    with pytest.raises(MalformedPacket):
        Packet.parse(body + crc32c(body))
    with pytest.raises(CrcMismatch):
        Fragment.parse(body + bytes(4))


@pytest.mark.parametrize("first", [0x00, 0x0F, 0x14, 0x16, 0x80])
def test_only_first_octets_16_to_19_with_the_cookie_are_zrtp(first):
    datagram = bytearray(Packet(1, 2, HELLO_ACK).encode())
    assert is_zrtp(bytes(datagram))
    assert not is_zrtp(bytes(datagram[:15]))
    datagram[0] = first
    assert not is_zrtp(bytes(datagram))
    datagram[0], datagram[4] = 0x10, 0x00
    assert not is_zrtp(bytes(datagram))
