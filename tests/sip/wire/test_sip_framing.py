"""Stream framing: one reading, or the end of the connection."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtone.sip.errors import FramingError
from sealtone.sip.framing import MAX_HEAD, KeepAlive, StreamFramer
from sealtone.sip.message import Request, parse_message


def request(method: str = "MESSAGE", body: bytes = b"", length: str | None = None, extra: str = "") -> bytes:
    length_line = f"Content-Length: {len(body)}\r\n" if length is None else length
    head = (
        f"{method} sip:b@c SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\n"
        f"Call-ID: 1\r\nCSeq: 1 {method}\r\n{extra}{length_line}\r\n"
    )
    return head.encode() + body


SMUGGLED = request("BYE")
STREAM = (
    request(body=b"hello")
    + b"\r\n\r\n"
    + request("OPTIONS")
    + request(body=SMUGGLED)
    + b"SIP/2.0 200 OK\r\nl:0\r\n\r\n"
)
MESSAGES = [request(body=b"hello"), request("OPTIONS"), request(body=SMUGGLED), b"SIP/2.0 200 OK\r\nl:0\r\n\r\n"]


def messages(items: list[bytes | KeepAlive]) -> list[bytes]:
    return [item for item in items if isinstance(item, bytes)]


def fed_in_pieces(data: bytes, size: int) -> list[bytes | KeepAlive]:
    framer = StreamFramer()
    items: list[bytes | KeepAlive] = []
    for start in range(0, len(data), size):
        items += framer.feed(data[start : start + size])
    assert framer.pending == 0
    return items


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 1000, 100_000])
def test_the_same_octets_give_the_same_messages_however_tcp_cuts_them(size: int) -> None:
    assert messages(fed_in_pieces(STREAM, size)) == MESSAGES


@given(st.lists(st.integers(1, len(STREAM)), max_size=12))
def test_any_cutting_of_the_stream_gives_the_same_messages(cuts: list[int]) -> None:
    framer = StreamFramer()
    items: list[bytes | KeepAlive] = []
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(edges):
        items += framer.feed(STREAM[start:end])
    assert messages(items) == MESSAGES


def test_a_message_inside_a_body_stays_a_body() -> None:
    items = StreamFramer().feed(request(body=SMUGGLED * 3))
    assert len(items) == 1
    assert parse_message(messages(items)[0]).body == SMUGGLED * 3


def test_keep_alives_are_told_apart() -> None:
    framer = StreamFramer()
    assert framer.feed(b"\r\n\r\n") == [KeepAlive.PING]
    assert framer.feed(b"\r\n") == [KeepAlive.PONG]
    assert framer.feed(b"\r\n") == [KeepAlive.PING]
    assert framer.feed(b"\r") == []
    assert framer.feed(b"\n") == [KeepAlive.PONG]
    assert framer.feed(request()) == [request()]


def test_a_flood_of_keep_alives_is_reported_once_a_read() -> None:
    assert StreamFramer().feed(b"\r\n\r\n" * 10_000) == [KeepAlive.PING]


@pytest.mark.parametrize(
    "length",
    [
        "Content-Length: -1\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 5,5\r\n",
        "Content-Length: 5;a=b\r\n",
        "Content-Length: \r\n",
        "Content-Length: 5\r\n 5\r\n",
        "Content-Length: ٥\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 0\r\n",
        "Content-Length: 5\r\nl: 5\r\n",
        "L : 5\r\ncontent-LENGTH\t: 0\r\n",
        "",
        "Content_Length: 5\r\n",
        "Content-Length\x0b: 5\r\n",
        " Content-Length: 5\r\n",
    ],
)
def test_a_length_with_more_than_one_reading_ends_the_connection(length: str) -> None:
    framer = StreamFramer()
    with pytest.raises(FramingError) as refused:
        framer.feed(request(body=b"hello", length=length) + SMUGGLED)
    assert refused.value.status == 400
    assert isinstance(refused.value.partial, Request)
    assert refused.value.partial.call_id == "1"
    assert refused.value.complete == []
    with pytest.raises(FramingError):
        framer.feed(SMUGGLED)


@pytest.mark.parametrize("length", ["l: 5\r\n", "CONTENT-length  :\t5 \r\n", "Content-Length:\r\n 5\r\n", "l:005\r\n"])
def test_every_legal_way_to_write_one_length_is_read(length: str) -> None:
    data = request(body=b"hello", length=length)
    assert StreamFramer().feed(data + SMUGGLED) == [data, SMUGGLED]
    assert parse_message(data).body == b"hello"


@pytest.mark.parametrize("length", ["65536", "999999999", "9" * 400])
def test_a_huge_length_ends_the_connection_before_any_body_is_awaited(length: str) -> None:
    with pytest.raises(FramingError) as refused:
        StreamFramer().feed(request(length=f"Content-Length: {length}\r\n"))
    assert refused.value.status == 513


@pytest.mark.parametrize("extra", ["X: a\nl: 3\r\n", "X: a\rl: 3\r\n", "X: a\n\nBYE sip:b@c SIP/2.0\r\n"])
def test_a_bare_line_end_in_a_head_ends_the_connection(extra: str) -> None:
    with pytest.raises(FramingError):
        StreamFramer().feed(request(extra=extra))


def test_a_length_inside_a_folded_line_is_no_length() -> None:
    data = request(extra="Subject: a\r\n Content-Length: 500\r\n\tl: 9\r\n")
    assert StreamFramer().feed(data) == [data]


def test_white_space_before_the_colon_is_the_same_header() -> None:
    data = request(body=b"hello", length="Content-Length : 5\r\n")
    assert StreamFramer().feed(data) == [data]


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\r\n\r\n", b"\n\n", b"\r\r\n", b"PRI * HTTP/2.0\r\n\r\n"],
)
def test_a_stream_that_is_not_sip_ends_the_connection(data: bytes) -> None:
    with pytest.raises(FramingError):
        StreamFramer().feed(data)


def test_a_head_that_never_ends_ends_the_connection() -> None:
    framer = StreamFramer()
    assert framer.feed(b"OPTIONS sip:a" + b"a" * (MAX_HEAD - 100)) == []
    with pytest.raises(FramingError) as refused:
        framer.feed(b"a" * 200)
    assert refused.value.status == 513
    assert framer.pending == 0


def test_messages_before_a_fault_in_the_same_piece_are_not_lost() -> None:
    with pytest.raises(FramingError) as refused:
        StreamFramer().feed(request("OPTIONS") + request(length=""))
    assert refused.value.complete == [request("OPTIONS")]


@given(st.binary(max_size=400))
def test_whatever_comes_the_framer_gives_back_only_what_came(data: bytes) -> None:
    framer = StreamFramer()
    try:
        items = framer.feed(data)
    except FramingError:
        return
    assert sum(len(item) for item in messages(items)) + framer.pending <= len(data)
