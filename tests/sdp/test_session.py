"""The session description's lines: lossless, tolerant where phones are, strict where readers could differ."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdp.bodies import BROWSER_LIKE, LINPHONE, lines, offer
from sealtone.sdp import Line, MediaSection, SdpError, SessionDescription
from sealtone.sdp.session import MAX_BODY_BYTES, MAX_FORMATS, MAX_LINE_LENGTH, MAX_LINES, MAX_SECTIONS


@pytest.mark.parametrize("body", [LINPHONE, BROWSER_LIKE])
def test_a_description_is_written_back_byte_for_byte(body: bytes) -> None:
    assert SessionDescription.parse(body).encode() == body


def test_lines_that_end_with_lf_alone_are_read_alike() -> None:
    body = offer("m=audio 4000 RTP/AVP 0")
    assert SessionDescription.parse(body.replace(b"\r\n", b"\n")).encode() == body


@pytest.mark.parametrize("tail", [b"", b"\r\n", b"\r\n\r\n", b"\n\n"])
def test_a_missing_last_line_end_or_blank_lines_at_the_end_do_no_harm(tail: bytes) -> None:
    body = offer("m=audio 4000 RTP/AVP 0")
    assert SessionDescription.parse(body.rstrip() + tail).encode() == body


def test_missing_o_s_and_t_lines_are_tolerated() -> None:
    description = SessionDescription.parse(lines("v=0", "c=IN IP4 192.0.2.7", "m=audio 4000 RTP/AVP 0"))
    assert description.sections[0].port == 4000
    assert description.value("s") is None


def test_bytes_of_an_old_character_set_survive() -> None:
    body = b"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=B\xfcro\r\nt=0 0\r\n"
    assert SessionDescription.parse(body).encode() == body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n\r\n",
        b"v=1\r\n",
        b"hello",
        b"\r\nv=0\r\n",
        b"o=- 1 1 IN IP4 192.0.2.7\r\nv=0\r\n",
        lines("v=0", "v=0"),
        lines("v=0", "o=- 1 1 IN IP4 192.0.2.7", "o=- 2 1 IN IP4 192.0.2.7"),
        lines("v=0", "s=a", "s=b"),
        lines("v=0", "c=IN IP4 192.0.2.7", "c=IN IP4 192.0.2.8"),
        offer("m=audio 4000 RTP/AVP 0", "c=IN IP4 192.0.2.7", "c=IN IP4 192.0.2.8"),
        offer("m=audio 4000 RTP/AVP 0", "v=0", "m=audio 4002 RTP/AVP 0"),
        offer("m=audio 4000 RTP/AVP 0", "t=0 0"),
        offer("", "m=audio 4000 RTP/AVP 0"),
        offer("m=audio 4000 RTP/AVP 0", " a=sendonly"),
        offer("m=audio 4000 RTP/AVP 0", "x=what"),
        offer("m=audio 4000 RTP/AVP 0", "sendonly"),
        offer("m=audio 4000 RTP/AVP 0").replace(b"t=0 0\r\n", b"t=0 0\r"),
        offer("m=audio 4000 RTP/AVP 0", "a=x\x00y"),
        offer("m=audio 4000 RTP/AVP 0", "a=x\x0by"),
        offer("m=audio 4000 RTP/AVP"),
        offer("m=audio RTP/AVP 0 8"),
        offer("m=audio 65536 RTP/AVP 0"),
        offer("m=audio -1 RTP/AVP 0"),
        offer("m=audio +4 RTP/AVP 0"),
        offer("m=audio 4000/0 RTP/AVP 0"),
        offer("m=audio 4000/x RTP/AVP 0"),
        offer("m="),
    ],
)
def test_what_two_readers_could_take_differently_is_refused(body: bytes) -> None:
    with pytest.raises(SdpError):
        SessionDescription.parse(body)


@pytest.mark.parametrize(
    "body",
    [
        offer("m=audio 4000 RTP/AVP 0", "a=" + "x" * MAX_LINE_LENGTH),
        offer(*["a=x"] * MAX_LINES),
        offer(*["m=audio 4000 RTP/AVP 0"] * (MAX_SECTIONS + 1)),
        offer("m=audio 4000 RTP/AVP " + " ".join(map(str, range(MAX_FORMATS + 1)))),
        offer("m=audio 4000 RTP/AVP 0") + b"a=x\r\n" * (MAX_BODY_BYTES // 5),
    ],
)
def test_what_is_over_a_limit_is_refused(body: bytes) -> None:
    with pytest.raises(SdpError):
        SessionDescription.parse(body)


def test_a_body_at_its_limits_is_read_in_linear_time() -> None:
    body = offer("m=audio 4000 RTP/AVP 0", *["a=" + "x" * 40] * (MAX_LINES - 7))
    costs = []
    for _ in range(3):
        start = time.thread_time()
        SessionDescription.parse(body)
        costs.append(time.thread_time() - start)
    assert min(costs) < 0.05


def test_a_port_count_is_kept() -> None:
    section = MediaSection.parse("audio 4000/2 RTP/AVP 0")
    assert (section.port, section.port_count, str(section)) == (4000, 2, "audio 4000/2 RTP/AVP 0")


text = st.text(st.characters(blacklist_categories=["Cc", "Cs"]), max_size=30)
words = st.text("abcXYZ0123/-*", min_size=1, max_size=8)
sections = st.builds(
    MediaSection,
    st.sampled_from(["audio", "video", "application"]),
    st.integers(0, 65535),
    words,
    st.lists(words, min_size=1, max_size=5).map(tuple),
    st.lists(st.builds(Line, st.sampled_from("abik"), text), max_size=5),
)
session_lines = st.lists(st.builds(Line, st.sampled_from("abiuepzrtk"), text), max_size=5)


@given(session_lines, st.lists(sections, max_size=4))
def test_what_is_written_is_read_back_the_same(first: list[Line], parts: list[MediaSection]) -> None:
    body = SessionDescription([Line("v", "0"), *first], parts).encode()
    description = SessionDescription.parse(body)
    assert description.lines == [Line("v", "0"), *first]
    assert [section.lines for section in description.sections] == [section.lines for section in parts]
    assert description.encode() == body


@given(st.binary(max_size=200))
def test_any_bytes_are_read_losslessly_or_refused(tail: bytes) -> None:
    body = b"v=0\r\n" + tail
    try:
        encoded = SessionDescription.parse(body).encode()
    except SdpError:
        return
    assert SessionDescription.parse(encoded).encode() == encoded
