"""RTP, RTCP, order and loss, telephone events."""

import random
import struct

import pytest

from sealtone.phone.rtp import (
    DTMF_KEYS,
    DtmfReceiver,
    JitterBuffer,
    ReceiveStatistics,
    ReportBlock,
    RtpPacket,
    build_rtcp,
    build_rtp,
    dtmf_payloads,
    middle_ntp,
    parse_rtcp,
    parse_rtp,
)


def packet(sequence, payload=b"x", ssrc=1, timestamp=None):
    return RtpPacket(0, False, sequence & 0xFFFF, sequence * 160 if timestamp is None else timestamp, ssrc, payload)


def test_a_packet_is_read_back_as_built():
    data = build_rtp(8, True, 65535, 2**32 - 1, 0xDEADBEEF, b"voice")
    assert parse_rtp(data) == RtpPacket(8, True, 65535, 2**32 - 1, 0xDEADBEEF, b"voice")


def test_csrcs_extension_and_padding_are_taken_off():
    head = struct.pack(">BBHII", 0x80 | 0x20 | 0x10 | 2, 0, 1, 2, 3)
    data = head + b"csrccsrc" + struct.pack(">HH", 0xBEDE, 1) + b"ext!" + b"voice" + b"\0\0\3"
    assert parse_rtp(data) == RtpPacket(0, False, 1, 2, 3, b"voice")


@pytest.mark.parametrize("data", [b"", b"\x80" * 11, b"\x00" * 40, b"\xbf\x00" + b"\xff" * 12, b"\x90" + b"\0" * 11])
def test_what_is_no_rtp_is_none(data):
    assert parse_rtp(data) is None


def test_reports_are_read_back_as_built():
    block = ReportBlock(7, 12, -3, 70000, 88, 0x12345678, 65536)
    news = parse_rtcp(build_rtcp(5, "name", (1_700_000_000.5, 1600, 10, 1600), block, bye=True))
    assert news is not None
    assert news.ssrc == 5
    assert news.sender_ntp == middle_ntp(1_700_000_000.5)
    assert news.reports == (block,)
    assert news.bye


def test_broken_reports_are_none_and_never_raise():
    good = build_rtcp(5, "name", (1.0, 2, 3, 4), ReportBlock(1, 2, 3, 4, 5, 6, 7))
    rng = random.Random(4)
    for _ in range(2000):
        broken = bytearray(good[: rng.randrange(len(good) + 1)])
        for _ in range(3):
            if broken:
                broken[rng.randrange(len(broken))] = rng.randrange(256)
        parse_rtcp(bytes(broken))
    assert parse_rtcp(b"\x80\xc8\xff\xff" + bytes(24)) is None


def test_loss_is_counted_over_a_wrap_and_not_spoilt_by_reordering():
    statistics = ReceiveStatistics()
    for sequence in (65533, 65535, 65534, 0, 1, 4, 5):  # 2 and 3 are lost
        statistics.add(packet(sequence, timestamp=0), 0.0)
    assert statistics.received == 7
    assert statistics.lost == 2


def test_steady_arrival_has_no_jitter_and_shaken_arrival_has():
    steady, shaken = ReceiveStatistics(), ReceiveStatistics()
    rng = random.Random(1)
    for n in range(500):
        steady.add(packet(n), 100 + n * 0.02)
        shaken.add(packet(n), 100 + n * 0.02 + rng.uniform(0, 0.02))
    assert steady.jitter_ms < 0.1
    assert 3 < shaken.jitter_ms < 12


def test_the_report_tells_the_loss_since_the_last_one():
    statistics = ReceiveStatistics()
    for n in (1, 2, 3, 4):
        statistics.add(packet(n), n * 0.02)
    assert statistics.report(0, 0).fraction == 0
    for n in (5, 7):
        statistics.add(packet(n), n * 0.02)
    block = statistics.report(9, 10)
    assert (block.fraction, block.lost, block.last_sr, block.delay) == (85, 1, 9, 10)


def play(order, depth=3):
    """Feed packets in `order` (None: nothing arrives), one a tick; what came out, in order."""
    buffer = JitterBuffer(depth)
    out = []
    for number in [*order, *[None] * 10]:
        if number is not None:
            buffer.put(number, packet(number))
        taken = buffer.take()
        out.append(taken.sequence if taken else None)
    return buffer, out


def test_reordered_packets_come_out_in_order():
    buffer, out = play([10, 11, 12, 14, 13, 15, 17, 16, 18])
    assert [n for n in out if n is not None] == list(range(10, 19))
    assert buffer.late == 0


def test_a_lost_packet_leaves_one_gap_and_nothing_else():
    _, out = play([10, 11, 12, 13, 15, 16, 17])
    start = out.index(10)
    assert out[start : start + 8] == [10, 11, 12, 13, None, 15, 16, 17]


def test_a_packet_after_its_turn_is_dropped_and_counted():
    buffer, out = play([10, 11, 12, 14, 15, 16, 17, 13])
    assert 13 not in out
    assert buffer.late == 1


def test_a_burst_does_not_grow_the_delay_for_ever():
    buffer = JitterBuffer(depth=3, limit=25)
    for number in range(100):
        buffer.put(number, packet(number))
    out = [buffer.take() for _ in range(30)]
    assert sum(each is not None for each in out) <= 25
    assert out[0] is not None
    assert out[0].sequence >= 75


def test_a_short_gap_makes_the_buffer_deeper_and_a_pause_does_not():
    for missing, depth in ((5, 4), (50, 3)):
        buffer = JitterBuffer(depth=3)
        for number in range(4):
            buffer.put(number, packet(number))
        for _ in range(4 + missing):
            buffer.take()
        for number in range(4, 8):
            buffer.put(number, packet(number))
        assert buffer.depth == depth


def test_each_key_press_is_told_once_though_its_end_comes_thrice():
    keys = []
    receiver = DtmfReceiver()
    receiver.pressed = keys.append
    for place, key in enumerate("1*D0"):
        for payload in dtmf_payloads(key):
            receiver.receive(packet(place, payload, timestamp=1000 * place))
    assert keys == list("1*D0")


@pytest.mark.parametrize("key", DTMF_KEYS)
def test_a_key_press_ends_with_the_end_bit_three_times(key):
    payloads = dtmf_payloads(key, duration_ms=100)
    assert [payload[1] >> 7 for payload in payloads] == [0, 0, 0, 0, 1, 1, 1]
    assert {payload[0] for payload in payloads} == {DTMF_KEYS.index(key)}
    assert [struct.unpack(">H", payload[2:])[0] for payload in payloads] == [160, 320, 480, 640, 800, 800, 800]
