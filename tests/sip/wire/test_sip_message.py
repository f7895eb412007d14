"""Messages: reading, typed access, changing, writing."""

from __future__ import annotations

import pytest

from sealtone.sip.errors import SipParseError, SipValueError
from sealtone.sip.header_names import canonical_name
from sealtone.sip.headers import CSeq
from sealtone.sip.message import MAX_HEADERS, Headers, Request, Response, parse_message
from sealtone.sip.validate import validate

INVITE = (
    b"INVITE sip:bob@biloxi.example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/TLS client.atlanta.example.com:5061;branch=z9hG4bK74bf9;rport, SIP/2.0/UDP 192.0.2.7\r\n"
    b"v: SIP/2.0/TCP [2001:db8::9]:5062;branch=z9hG4bKold;received=192.0.2.9\r\n"
    b"Max-Forwards: 70\r\n"
    b'f: "Alice \\"A\\" L." <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n'
    b"t: Bob <sip:bob@biloxi.example.com>\r\n"
    b"i: 3848276298220188511@atlanta.example.com\r\n"
    b"CSeq: 2 INVITE\r\n"
    b'm: <sip:alice@client.atlanta.example.com;transport=tls>;+sip.instance="<urn:uuid:1>";q=0.5\r\n'
    b"Supported: timer, 100rel\r\n"
    b"k: Replaces\r\n"
    b"Allow: INVITE,ACK, bye\r\n"
    b"c: Application / SDP ; charset=utf-8\r\n"
    b"X-Custom: one\r\n"
    b"x-custom: two\r\n"
    b"l: 4\r\n"
    b"\r\n"
    b"v=0\r"
)


def invite() -> Request:
    message = parse_message(INVITE)
    assert isinstance(message, Request)
    return message


def with_lines(*lines: bytes) -> bytes:
    head = b"OPTIONS sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\n"
    return head + b"Call-ID: x\r\nCSeq: 1 OPTIONS\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def test_typed_values_are_read_from_compact_and_long_names() -> None:
    message = invite()
    assert (message.method, message.uri) == ("INVITE", "sip:bob@biloxi.example.com")
    assert message.from_.display == 'Alice "A" L.'
    assert message.from_.tag == "9fxced76sl"
    assert (message.to.display, message.to.tag) == ("Bob", None)
    assert message.call_id == "3848276298220188511@atlanta.example.com"
    assert message.cseq == CSeq(2, "INVITE")
    assert message.max_forwards == 70
    assert message.supported == {"timer", "100rel", "replaces"}
    assert message.require == frozenset()
    assert message.allow == {"INVITE", "ACK", "BYE"}
    assert message.content_type == "application/sdp"
    assert message.expires is None
    assert message.contacts[0].param("+sip.instance") == "<urn:uuid:1>"
    assert message.body == b"v=0\r"


def test_vias_of_one_line_and_of_several_lines_stand_in_order() -> None:
    message = invite()
    assert [(via.transport, via.host, via.port) for via in message.vias] == [
        ("TLS", "client.atlanta.example.com", 5061),
        ("UDP", "192.0.2.7", None),
        ("TCP", "2001:db8::9", 5062),
    ]
    assert message.via.wants_rport
    assert message.via.rport is None
    assert message.vias[2].received == "192.0.2.9"


def test_header_names_are_found_in_any_spelling() -> None:
    headers = invite().headers
    assert headers.get("call-id") == headers.get("i") == headers.get("CALL-ID") == headers.get("Call-ID")
    assert headers.get("X-CUSTOM") == "one"
    assert headers.all("x-Custom") == ["one", "two"]
    assert "contact" in headers
    assert "M" in headers
    assert "Expires" not in headers
    assert headers.get("Expires") is None
    assert headers.get("X-Absent", "default") == "default"


def test_changes_through_headers_are_seen_by_typed_access() -> None:
    message = invite()
    assert message.via.host == "client.atlanta.example.com"
    assert message.cseq.seq == 2
    message.headers.prepend("Via", "SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKnew")
    message.headers.set("CSeq", "3 ACK")
    message.headers.remove("Contact")
    message.headers.add("Route", "<sip:proxy.example.com;lr>")
    assert message.via.host == "198.51.100.1"
    assert len(message.vias) == 4
    assert message.cseq == (3, "ACK")
    assert message.contacts == []
    assert [route.uri for route in message.routes] == ["sip:proxy.example.com;lr"]
    message.headers.remove_first("Via")
    assert message.via.host == "client.atlanta.example.com"


def test_set_replaces_every_occurrence_in_the_place_of_the_first() -> None:
    headers = Headers([("Via", "a"), ("X-A", "1"), ("To", "t"), ("x-a", "2"), ("Via", "b")])
    headers.set("X-a", "3")
    assert headers.items() == [("Via", "a"), ("X-a", "3"), ("To", "t"), ("Via", "b")]
    headers.set("Via", "c")
    assert headers.items() == [("Via", "c"), ("X-a", "3"), ("To", "t")]
    headers.set("CSeq", "1 BYE")
    assert headers.items()[-1] == ("CSeq", "1 BYE")


def test_a_copy_is_independent() -> None:
    headers = invite().headers
    copied = headers.copy()
    copied.set("To", "<sip:x@y>")
    assert headers.get("To") == "Bob <sip:bob@biloxi.example.com>"


def test_content_length_is_computed_when_writing() -> None:
    data = Request("MESSAGE", "sip:a@b", Headers([("To", "<sip:a@b>"), ("Content-Length", "99")]), b"hello").encode()
    assert data == b"MESSAGE sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\nContent-Length: 5\r\n\r\nhello"
    assert bytes(Response(200, "OK", Headers())) == b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("value", ["a\r\nEvil: 1", "a\nEvil: 1", "a\rb", "a\r\n\r\nBYE sip:x SIP/2.0"])
def test_a_line_break_never_gets_into_a_written_header(value: str) -> None:
    with pytest.raises(SipValueError):
        Request("MESSAGE", "sip:a@b", Headers([("Subject", value)])).encode()
    with pytest.raises(SipValueError):
        Response(200, value, Headers()).encode()
    with pytest.raises(SipValueError):
        Request("MESSAGE", value, Headers()).encode()


def test_a_header_name_that_is_no_token_is_not_taken() -> None:
    with pytest.raises(SipParseError):
        Headers().add("Bad Name", "x")
    with pytest.raises(SipParseError):
        canonical_name("Evil\r\nX")


def test_a_response_copies_the_dialog_headers_raw_and_adds_a_tag() -> None:
    response = Response.to_request(invite(), 180, "Ringing", "abc")
    assert response.headers.items() == [
        ("Via", "SIP/2.0/TLS client.atlanta.example.com:5061;branch=z9hG4bK74bf9;rport, SIP/2.0/UDP 192.0.2.7"),
        ("Via", "SIP/2.0/TCP [2001:db8::9]:5062;branch=z9hG4bKold;received=192.0.2.9"),
        ("From", '"Alice \\"A\\" L." <sip:alice@atlanta.example.com>;tag=9fxced76sl'),
        ("To", "Bob <sip:bob@biloxi.example.com>;tag=abc"),
        ("Call-ID", "3848276298220188511@atlanta.example.com"),
        ("CSeq", "2 INVITE"),
    ]
    assert Response.to_request(invite(), 100, "Trying").to.tag is None


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("<sip:b@c>;tag=old", "<sip:b@c>;tag=old"),
        ("<sip:b@c>;TAG=old", "<sip:b@c>;TAG=old"),
        ("<sip:tag@c>", "<sip:tag@c>;tag=new"),
        ('"tag=1" <sip:b@c>', '"tag=1" <sip:b@c>;tag=new'),
        ("sip:b@c", "sip:b@c;tag=new"),
    ],
)
def test_a_response_keeps_the_tag_that_is_there_and_is_not_fooled_by_one_that_is_not(to: str, expected: str) -> None:
    request = invite()
    request.headers.set("To", to)
    assert Response.to_request(request, 200, "OK", "new").headers.get("To") == expected


def test_folded_lines_are_joined_by_one_space() -> None:
    message = parse_message(with_lines(b"Subject: I know you're there,", b"\t pick up", b"  the phone"))
    assert message.headers.get("Subject") == "I know you're there, pick up the phone"


def test_octets_that_are_not_utf_8_survive() -> None:
    message = parse_message(with_lines(b"Subject: caf\xe9 \xff\xfe \xed\xa0\x80", b"User-Agent: \xc3\xa9"))
    assert message.headers.get("User-Agent") == "é"
    assert b"Subject: caf\xe9 \xff\xfe \xed\xa0\x80\r\n" in message.encode()


def test_line_ends_before_the_start_line_are_skipped() -> None:
    assert parse_message(b"\r\n\r\n" + INVITE).encode() == parse_message(INVITE).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"Subject: a\nEvil: b",
        b"Subject: a\rEvil: b",
        b"Subject a",
        b": a",
        b"Sub ject: a",
        b"Sub\x00ject: a",
        b"\xff: a",
    ],
)
def test_a_line_with_two_readings_is_refused_but_can_be_answered(line: bytes) -> None:
    with pytest.raises(SipParseError) as refused:
        parse_message(with_lines(line))
    assert refused.value.status == 400
    partial = refused.value.partial
    assert isinstance(partial, Request)
    assert partial.call_id == "x"
    assert partial.cseq == (1, "OPTIONS")


@pytest.mark.parametrize(
    "data",
    [b"", b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"hello\r\n\r\n", b"SIP/2.0 20 OK\r\n\r\n"],
)
def test_what_is_not_sip_is_refused_without_anything_to_answer(data: bytes) -> None:
    with pytest.raises(SipParseError) as refused:
        parse_message(data)
    assert not isinstance(refused.value.partial, Request) or b"HTTP" in data


def test_too_many_header_lines_are_refused() -> None:
    parse_message(with_lines(*[b"X: y"] * (MAX_HEADERS - 10)))
    with pytest.raises(SipParseError):
        parse_message(with_lines(*[b"X: y"] * (MAX_HEADERS + 1)))


def test_invented_header_names_do_not_grow_the_name_cache_without_bound() -> None:
    from sealtone.sip import header_names

    for number in range(5000):
        parse_message(with_lines(b"X-%d: y" % number))
    assert len(header_names.SPELLINGS) <= header_names._CACHED_SPELLINGS


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"Content-Length: 5", 400),
        (b"Content-Length: -1", 400),
        (b"Content-Length: +0", 400),
        (b"Content-Length: 0\r\nl: 0", 400),
        (b"Content-Length: \xd9\xa0", 400),
        (b"CSeq: 1 OPTIONS", 400),
        (b"Max-Forwards: 256", 400),
        (b"Max-Forwards: many", 400),
        (b"Route: <sip:a b@c>", 400),
        (b"Contact: *", 400),
        (b"Via: ", 400),
    ],
)
def test_a_readable_but_invalid_request_gets_its_status(line: bytes, status: int) -> None:
    problem = validate(parse_message(with_lines(line)))
    assert problem is not None
    assert problem.status == status


def test_a_sound_request_has_no_problem() -> None:
    assert validate(parse_message(with_lines(b"Content-Length: 0"))) is None


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_a_request_without_a_mandatory_header_is_answered_with_400(name: str) -> None:
    message = parse_message(with_lines())
    message.headers.remove(name)
    problem = validate(message)
    assert problem is not None
    assert problem.status == 400
    assert name in problem.reason


def test_an_invite_needs_exactly_one_contact() -> None:
    message = invite()
    message.headers.add("Contact", "<sip:other@example.com>")
    problem = validate(message)
    assert problem is not None
    assert "Contact" in problem.reason


def test_a_response_with_two_vias_is_not_ours() -> None:
    response = Response.to_request(invite(), 200, "OK", "x")
    assert validate(response) is not None


@pytest.mark.parametrize(
    "contact", ["<*>", '"all" <*>', "all <*>", "<sip:a@b", "sip:a@b?x=y", "a b", "<sip:a@b> x", '"a" sip:a@b']
)
def test_an_address_with_two_readings_is_refused(contact: str) -> None:
    message = invite()
    message.headers.set("Contact", contact)
    problem = validate(message)
    assert problem is not None
    assert problem.status == 400


@pytest.mark.parametrize("line_end", ["\r", "\n", "\n\r"])
@pytest.mark.parametrize("name", ["Via: SIP/2.0/UDP h", "From: <sip:a@b>;tag=1", "Call-ID: x", "CSeq: 1 OPTIONS"])
def test_the_answer_to_a_request_with_bare_line_ends_has_none(name: str, line_end: str) -> None:
    data = with_lines().replace(name.encode(), f"{name}{line_end}Evil: 1".encode())
    with pytest.raises(SipParseError) as refused:
        parse_message(data)
    assert isinstance(refused.value.partial, Request)
    answer = Response.to_request(refused.value.partial, 400, refused.value.reason, "t")
    assert "Evil" not in parse_message(answer.encode()).headers
