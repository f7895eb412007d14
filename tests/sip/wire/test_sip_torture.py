"""RFC 4475 and RFC 5118: every message of both gets the verdict of the table beside it."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

import vectors
from sealtone.sip.errors import FramingError, SipParseError
from sealtone.sip.framing import StreamFramer
from sealtone.sip.message import Request, Response, parse_message
from sealtone.sip.uri import SipUri, canonical_aor
from sealtone.sip.validate import validate

VECTORS = Path(vectors.__file__).parent
RFC_4475 = vectors.vectors("rfc4475.txt")
RFC_5118 = vectors.vectors("rfc5118.txt")


def verdicts(rfc: str) -> list[tuple[str, str, str]]:
    with (VECTORS / f"{rfc}-verdicts.tsv").open(newline="") as table:
        return [(row["message"], row["verdict"], row["status"]) for row in csv.DictReader(table, delimiter="\t")]


def torture(name: str) -> bytes:
    return RFC_4475[name].octets


def ipv6_torture(name: str) -> bytes:
    return RFC_5118[name].octets


def verdict_of(data: bytes) -> tuple[str, str]:
    try:
        message = parse_message(data)
    except SipParseError as error:
        return ("refuse", str(error.status)) if isinstance(error.partial, Request) else ("drop", "")
    problem = validate(message)
    if problem is None:
        return "accept", ""
    return ("refuse", str(problem.status)) if isinstance(message, Request) else ("drop", "")


@pytest.mark.parametrize(("name", "verdict", "status"), verdicts("rfc4475"))
def test_every_message_of_rfc_4475_gets_its_verdict(name: str, verdict: str, status: str) -> None:
    assert verdict_of(torture(name)) == (verdict, status)


@pytest.mark.parametrize(("name", "verdict", "status"), verdicts("rfc5118"))
def test_every_message_of_rfc_5118_gets_its_verdict(name: str, verdict: str, status: str) -> None:
    assert verdict_of(ipv6_torture(name)) == (verdict, status)


def test_the_tables_name_every_message_of_both_rfcs_once() -> None:
    for rfc, messages, count in (("rfc4475", RFC_4475, 49), ("rfc5118", RFC_5118, 12)):
        assert [name for name, _, _ in verdicts(rfc)] == list(messages)
        assert len(messages) == count


def test_the_notation_of_rfc_4475_is_expanded_to_its_octets() -> None:
    assert vectors.expanded("<allOneLine>\na\n b\n</allOneLine>\nc<hex>00\nfF</hex>\n") == b"a b\r\nc\0\xff\r\n"
    assert vectors.expanded("<repeat count=3>ab</repeat>\n") == b"ababab\r\n"


# Content-Length as the RFC means it where it is right: a mistake in writing a body down would show here.
LENGTH_IS_WRONG_ON_PURPOSE = {"clerr", "ncl", "mcl01"}


@pytest.mark.parametrize("name", [*RFC_4475, *RFC_5118])
def test_the_bodies_have_the_length_that_the_messages_say(name: str) -> None:
    head, _, body = (RFC_4475 | RFC_5118)[name].octets.partition(b"\r\n\r\n")
    said = re.search(rb"(?mi)^(?:content-length|l) *: *(-?\d+)", head)
    if name == "dblreq":
        assert body.startswith(b"\r\nINVITE ")
    elif said is not None and name not in LENGTH_IS_WRONG_ON_PURPOSE:
        # RFC 4475 gives some bodies without their last CRLF, or with an empty line more.
        assert abs(len(body) - int(said[1])) <= 4


@pytest.mark.parametrize("name", [name for name, verdict, _ in verdicts("rfc4475") if verdict == "accept"])
def test_accepted_messages_survive_writing_and_reading_again(name: str) -> None:
    message = parse_message(torture(name))
    again = parse_message(message.encode())
    without_length = [pair for pair in message.headers.items() if pair[0] != "Content-Length"]
    assert [pair for pair in again.headers.items() if pair[0] != "Content-Length"] == without_length
    assert again.body == message.body


def test_the_tortuous_invite_is_read_field_by_field() -> None:
    message = parse_message(torture("wsinv"))
    assert isinstance(message, Request)
    assert message.to.uri == "sip:vivekg@chair-dnrc.example.com"
    assert message.to.tag == "1918181833n"
    assert message.from_.display == 'J Rosenberg \\"'
    assert message.from_.tag == "98asjd8"
    assert message.max_forwards == 68
    assert message.cseq == (9, "INVITE")
    assert [(via.transport, via.host) for via in message.vias] == [
        ("UDP", "192.0.2.2"),
        ("TCP", "spindle.example.com"),
        ("UDP", "192.168.255.111"),
    ]
    assert message.via.branch == "390skdjuw"
    assert message.headers.get("Subject") == ""
    assert [route.uri for route in message.routes] == [
        "sip:services.example.com;lr;unknownwith=value;unknown-no-value",
    ]
    assert message.contacts[0].display == 'Quoted string ""'
    assert message.contacts[0].param("newparam") == "newvalue"
    assert message.contacts[0].param("secondparam") == ""


def test_octets_after_the_content_length_of_a_datagram_are_no_second_request() -> None:
    message = parse_message(torture("dblreq"))
    assert isinstance(message, Request)
    assert message.method == "REGISTER"
    assert message.body == b""


def test_escaped_users_are_told_apart_from_unescaped_hosts() -> None:
    message = parse_message(torture("esc01"))
    assert isinstance(message, Request)
    assert canonical_aor(SipUri.parse(message.uri)) == "sips:user@example.com@example.net"
    assert canonical_aor(message.to.sip_uri) == "user@example.com"


def test_an_escaped_nul_stays_part_of_the_user() -> None:
    message = parse_message(torture("escnull"))
    assert canonical_aor(message.to.sip_uri) == "null-\0-null@example.com"


def test_a_percent_in_a_method_is_no_escape() -> None:
    message = parse_message(torture("esc02"))
    assert isinstance(message, Request)
    assert message.method == "RE%47IST%45R"


def test_a_utf_8_reason_phrase_survives() -> None:
    message = parse_message(torture("unreason"))
    assert isinstance(message, Response)
    assert message.reason == "= 2**3 * 5**2 но сто девяносто девять - простое"


def test_a_binary_body_is_kept_octet_for_octet() -> None:
    data = torture("mpart01")
    message = parse_message(data)
    assert message.body == data.partition(b"\r\n\r\n")[2]


def test_a_port_inside_the_brackets_is_part_of_the_address() -> None:
    ambiguous = parse_message(ipv6_torture("port-ambiguous"))
    unambiguous = parse_message(ipv6_torture("port-unambiguous"))
    assert isinstance(ambiguous, Request)
    assert isinstance(unambiguous, Request)
    assert SipUri.parse(ambiguous.uri)[3:5] == ("2001:db8::10:5070", None)
    assert SipUri.parse(unambiguous.uri)[3:5] == ("2001:db8::10", 5070)


@pytest.mark.parametrize("name", ["via-received-param-with-delim", "via-received-param-no-delim"])
def test_received_is_read_with_and_without_brackets(name: str) -> None:
    assert parse_message(ipv6_torture(name)).via.received == "2001:db8::9:255"


@pytest.mark.parametrize("name", [name for name, _, _ in verdicts("rfc4475")])
def test_on_a_stream_every_torture_message_is_framed_or_ends_the_connection(name: str) -> None:
    framer = StreamFramer()
    try:
        framed = framer.feed(torture(name))
    except FramingError:
        return
    assert all(isinstance(item, bytes) and torture(name).find(item) >= 0 for item in framed)
