"""What the compiled reader takes, it reads as `parse_message` does, and `validate` has nothing against it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vectors
from sealtone.server.quick_reader import read_message, read_plain
from sealtone.sip.message import Message, Request, parse_message
from sealtone.sip.validate import validate

RFC_MESSAGES = [vector.octets for file in ("rfc4475.txt", "rfc5118.txt") for vector in vectors.vectors(file).values()]

INVITE = (
    b"INVITE sip:1001@office.example;transport=udp SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKa.1\r\nVia: SIP/2.0/TLS proxy.example;branch=z9hG4bKb\r\n"
    b'Max-Forwards: 70\r\nFrom: "Ann Lee" <sip:1000@office.example>;tag=3f\r\nTo: <sip:1001@office.example>\r\n'
    b"Call-ID: 77a@192.0.2.1\r\nCSeq: 102 INVITE\r\nContact: Ann <sip:1000@192.0.2.1:5060;ob>;expires=60;+sip.ice\r\n"
    b"Record-Route: <sip:192.0.2.9;lr>\r\nRoute: <sip:192.0.2.8;lr=on>\r\nX-Own: a, b\r\nSupported: 100rel,timer\r\n"
    b"Expires: 120\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"
)
RINGING = (
    b"SIP/2.0 180 Ringing\r\nv: SIP/2.0/UDP 192.0.2.1:5060;received=192.0.2.7;branch=z9hG4bKa\r\n"
    b"f: <sip:1000@office.example>;tag=3f\r\nt: <sip:1001@office.example>;tag=9\r\ni: 77a\r\nCSEQ: 1 INVITE\r\n"
    b"m: <sip:1001@192.0.2.2>\r\nl: 0\r\n\r\n"
)
REGISTER = (
    b"REGISTER sip:office.example SIP/2.0\r\nVia: SIP/2.0/WSS ws-1.example;branch=z9hG4bKr\r\n"
    b"From: <sips:1000@office.example>;tag=1\r\nTo: <sips:1000@office.example>\r\nCall-ID: r\r\nCSeq: 1 REGISTER\r\n"
    b"Contact: <sip:1000@192.0.2.1;transport=ws>;reg-id=1\r\nContact: <sip:1000@192.0.2.3>;q=0.5\r\n\r\n"
)
PLAIN = (INVITE, RINGING, REGISTER)

_TYPED = ("via", "vias", "from_", "to", "call_id", "cseq", "contacts", "routes", "record_routes")
_PIECES = [
    b"\r\n", b"\r", b"\n", b"\t", b" ", b"\x00", b"\x7f", b'"', b"\\", b"<", b">", b";", b"=", b"@", b":", b",", b"*",
    b"?", b"%", b"%41", b"%zz", b"[::1]", b"`", b"|", b"\xc3\xa9", b"\xff", b"\xc2\x85", b"+5", b"00000000070", b"256",
    b"4294967296", b"2147483648", b"65536", b":99999", b";tag=", b";tag", b";TAG=x", b";a=b=c", b"sip:", b"sips:",
    b"tel:1", b"SIP:", b"SIP/2.0", b"sip/2.0", b"UDP", b"udp", b"INVITE", b"invite", b"ACK", b"BYE", b"699", b"700",
    b"Via: SIP/2.0/UDP h;branch=1\r\n", b"To: <sip:a@b>\r\n", b"f: <sip:a@b>\r\n", b"Contact: *\r\n",
    b"content-length: 3\r\n", b"l: 03\r\n", b"Max-Forwards: 1\r\n", b"Replaces: a\r\n", b"RAck: 1 1 INVITE\r\n",
    b"Route: sip:a;lr\r\n", b"Subject : x\r\n", b" folded\r\n", b"X-A\r\n", b"c: a/b\r\n", b"\r\n\r\n",
]  # fmt: skip


def seen_alike(data: bytes) -> bool:
    """Whether the compiled reader takes `data`; where it does, everything is asserted to be as the careful reading."""
    quick = read_plain(data)
    if quick is None:
        return False
    careful = parse_message(data)
    assert validate(careful) is None
    assert type(quick) is type(careful)
    if isinstance(quick, Request) and isinstance(careful, Request):
        assert (quick.method, quick.uri) == (careful.method, careful.uri)
    else:
        assert (quick.status, quick.reason) == (careful.status, careful.reason)  # type: ignore[union-attr]
    assert quick.headers.items() == careful.headers.items()
    assert quick.body == careful.body
    for name in {*careful.headers, "Via", "Subject"}:
        assert quick.headers.get(name) == careful.headers.get(name)
    for attribute in _TYPED:
        one, other = getattr(quick, attribute), getattr(careful, attribute)
        assert (one, type(one)) == (other, type(other)), attribute
    assert validate(_without_knowledge(quick)) is None
    return True


def _without_knowledge(message: Message) -> Request:
    message.is_valid = False
    return message  # type: ignore[return-value]


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A plain message with a few pieces put in, taken out or moved."""
    data = draw(st.sampled_from(PLAIN))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from((0, 0, 1, 2, 5, 20)))
        data = data[:start] + draw(st.sampled_from([b"", *_PIECES])) + data[start + length :]
    return data


@st.composite
def with_other_values(draw: st.DrawFn) -> bytes:
    """A plain message of which one header line is another, or stands twice."""
    head, _, body = draw(st.sampled_from(PLAIN)).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    place = draw(st.integers(0, len(lines) - 1))
    name, _, value = lines[place].partition(b": ")
    pieces = draw(st.lists(st.sampled_from([*_PIECES, value, b"sip:a@b", b"<sip:a@b>", b"a", b"1"]), max_size=4))
    new = name + b": " + b"".join(pieces)
    lines[place : place + draw(st.integers(0, 1))] = [new]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@settings(max_examples=4000)
@given(st.one_of(broken(), with_other_values()))
def test_a_message_near_the_plain_form_reads_alike_or_is_left_to_the_careful_reading(data: bytes) -> None:
    seen_alike(data)


@pytest.mark.parametrize("data", PLAIN)
def test_what_phones_write_is_plain(data: bytes) -> None:
    assert seen_alike(data)


@pytest.mark.parametrize("data", RFC_MESSAGES)
def test_the_messages_of_rfc_4475_and_5118_read_alike_or_are_left(data: bytes) -> None:
    seen_alike(data)


def test_a_content_type_that_says_nothing_is_left() -> None:
    data = INVITE.replace(b"application/sdp", b";")
    assert read_plain(data) is None
    assert validate(parse_message(data)) is not None


def test_what_is_left_is_read_with_care() -> None:
    folded = INVITE.replace(b"X-Own: a,", b"X-Own: a,\r\n ")
    assert read_plain(folded) is None
    message = read_message(folded)
    assert (message.headers.get("X-Own"), message.is_valid) == ("a, b", False)


def test_every_spelling_of_a_known_header_becomes_its_name() -> None:
    spelled = RINGING.replace(b"\r\nl: 0", b"\r\nsUPPORTED: timer\r\nK: 100rel\r\nx-own: 1\r\nl: 0")
    message = read_plain(spelled)
    assert message is not None
    assert [*message.headers][-4:] == ["Supported", "Supported", "x-own", "Content-Length"]
    assert seen_alike(spelled)
