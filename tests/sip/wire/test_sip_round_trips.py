"""Whatever can be read can be written, and reads the same again."""

from __future__ import annotations

import string

from hypothesis import given, settings
from hypothesis import strategies as st

from sealtone.sip.digest import Challenge, Credentials
from sealtone.sip.errors import SipParseError
from sealtone.sip.grammar import parse_params, quote, split_list, unquote
from sealtone.sip.header_names import canonical_name
from sealtone.sip.headers import (
    CSeq,
    MediaType,
    NameAddr,
    RAck,
    Reason,
    ReferTo,
    ReplacesHeader,
    RetryAfter,
    SessionExpires,
    Via,
)
from sealtone.sip.masking import masked
from sealtone.sip.message import Headers, Request, Response, parse_message
from sealtone.sip.uri import SipUri, canonical_aor, equivalent, escape_user, unescape
from sealtone.sip.validate import validate

TOKEN_CHARS = string.ascii_letters + string.digits + "-.!%*_+`'~"
tokens = st.text(TOKEN_CHARS, min_size=1, max_size=12)
words = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20)
uints = st.integers(0, 2**31 - 1)
ipv6 = st.ip_addresses(v=6).map(str)
hosts = st.one_of(words, st.ip_addresses(v=4).map(str), ipv6)
ports = st.none() | st.integers(0, 65535)
param_names = words.filter(lambda name: name not in ("cause", "text"))  # these have fields of their own in a Reason
params = st.lists(st.tuples(param_names, st.none() | tokens | texts.map(quote)), max_size=4).map(tuple)
uri_params = st.lists(st.tuples(words, st.none() | words), max_size=3).map(tuple)
uris = st.builds(
    SipUri,
    st.sampled_from(["sip", "sips"]),
    texts.filter(bool).map(escape_user),
    st.none() | words,
    hosts,
    ports,
    uri_params,
    st.just("") | st.builds(lambda name, value: f"{name}={value}", words, words),
)
name_addrs = st.builds(NameAddr, texts, uris.map(str), params)
replaces = st.builds(ReplacesHeader, tokens, tokens, tokens, st.booleans())


@given(uris)
def test_uris_round_trip_and_equal_themselves(uri: SipUri) -> None:
    assert SipUri.parse(str(uri)) == uri
    assert equivalent(uri, SipUri.parse(str(uri)))


@given(texts.filter(bool), words)
def test_the_key_of_a_user_gives_back_user_and_host(user: str, host: str) -> None:
    key = canonical_aor(SipUri.parse(f"sip:{escape_user(user)}@{host}"))
    assert key.rpartition("@")[::2] == (user, host)
    assert unescape(escape_user(user)) == user


@given(name_addrs)
def test_addresses_round_trip(address: NameAddr) -> None:
    again = NameAddr.parse(str(address))
    assert again == address
    assert str(again) == str(address)
    assert again.sip_uri == SipUri.parse(address.uri)


@given(st.lists(name_addrs, min_size=1, max_size=4))
def test_a_list_of_addresses_in_one_line_comes_apart_again(addresses: list[NameAddr]) -> None:
    line = ", ".join(str(address) for address in addresses)
    message = Response(200, "OK", Headers([("Contact", line)]))
    assert message.contacts == addresses


@given(st.builds(Via, tokens.map(str.upper), hosts, ports, params))
def test_vias_round_trip(via: Via) -> None:
    assert Via.parse(str(via)) == via


@given(st.builds(Via, st.just("UDP"), hosts, ports, st.just((("branch", "z9hG4bKx"), ("rport", None)))), hosts, ports)
def test_a_received_via_says_where_it_came_from(via: Via, address: str, port: int | None) -> None:
    noted = Via.parse(str(via.with_received(address, port or 0)))
    assert (noted.received, noted.rport, noted.branch) == (address, port or 0, "z9hG4bKx")


@given(st.builds(CSeq, uints, tokens))
def test_cseqs_round_trip(cseq: CSeq) -> None:
    assert CSeq.parse(str(cseq)) == cseq


@given(st.builds(RAck, uints, uints, tokens))
def test_racks_round_trip(rack: RAck) -> None:
    assert RAck.parse(str(rack)) == rack


@given(st.builds(SessionExpires, uints, st.sampled_from([None, "uac", "uas"]), params))
def test_session_intervals_round_trip(value: SessionExpires) -> None:
    assert SessionExpires.parse(str(value)) == value


@given(replaces)
def test_replaces_round_trip(value: ReplacesHeader) -> None:
    assert ReplacesHeader.parse(str(value)) == value


@given(st.builds(ReferTo, st.builds(NameAddr, texts, uris.map(str), params), st.none() | replaces))
def test_refer_to_round_trips_with_an_escaped_replaces(value: ReferTo) -> None:
    assert ReferTo.parse(str(value)) == value


@given(st.builds(Reason, tokens, st.none() | uints, texts, params))
def test_reasons_round_trip(value: Reason) -> None:
    assert Reason.parse(str(value)) == value


@given(st.builds(RetryAfter, uints, params))
def test_retry_after_round_trips(value: RetryAfter) -> None:
    assert RetryAfter.parse(str(value)) == value


@given(st.builds(MediaType, words, words, params))
def test_media_types_round_trip(value: MediaType) -> None:
    assert MediaType.parse(str(value)) == value


@given(
    st.builds(
        Challenge,
        texts,
        texts.filter(bool),
        st.sampled_from(["MD5", "SHA-256"]),
        st.just(("auth",)),
        st.booleans(),
        st.none() | texts,
    )
)
def test_challenges_round_trip(value: Challenge) -> None:
    assert Challenge.parse(str(value)) == value


@given(
    st.builds(
        Credentials,
        username=texts,
        realm=texts,
        nonce=texts,
        uri=texts,
        response=words,
        algorithm=st.sampled_from(["MD5", "SHA-256"]),
        qop=st.sampled_from(["auth", "auth-int"]),
        nc=st.integers(0, 2**32 - 1).map(lambda number: f"{number:08x}"),
        cnonce=texts.filter(bool),
        opaque=st.none() | texts,
    )
)
def test_credentials_round_trip(value: Credentials) -> None:
    assert Credentials.parse(str(value)) == value


@given(texts)
def test_quoting_round_trips(text: str) -> None:
    assert unquote(quote(text)) == text
    assert split_list(f"a, {quote(text)} ,b") == ["a", quote(text), "b"]
    assert parse_params(f";x={quote(text)};y") == (("x", quote(text)), ("y", None))


raw_values = texts.map(lambda text: text.strip(" \t"))
header_lists = st.lists(
    st.tuples(tokens.map(canonical_name).filter(lambda name: name != "Content-Length"), raw_values), max_size=8
)


@given(tokens, st.text(string.printable.strip().replace(" ", ""), min_size=1), header_lists, st.binary(max_size=50))
def test_requests_round_trip(method: str, uri: str, pairs: list[tuple[str, str]], body: bytes) -> None:
    message = Request(method, uri, Headers(pairs), body)
    again = parse_message(message.encode())
    assert isinstance(again, Request)
    assert (again.method, again.uri, again.body) == (method, uri, body)
    assert again.headers.items()[:-1] == pairs
    assert again.encode() == message.encode()


@given(st.integers(100, 699), raw_values, header_lists, st.binary(max_size=50))
def test_responses_round_trip(status: int, reason: str, pairs: list[tuple[str, str]], body: bytes) -> None:
    message = Response(status, reason, Headers(pairs), body)
    again = parse_message(message.encode())
    assert isinstance(again, Response)
    assert (again.status, again.reason, again.body) == (status, reason, body)
    assert again.headers.items()[:-1] == pairs


PIECES = st.sampled_from(
    [b"INVITE sip:a@b SIP/2.0", b"SIP/2.0 200 OK", b"\r\n", b"\r\n\r\n", b"\n", b"\r\n ", b"Via: ", b"SIP/2.0/UDP h", b"From: ", b"To:",
     b"<sip:a@b>", b'"', b"\\", b";tag=x", b",", b"Contact: *", b"CSeq: 1 INVITE", b"Call-ID: x", b"l: 3", b"\xff\x00", b"Route: <"]
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(PIECES | st.binary(max_size=8), max_size=25).map(b"".join))
def test_hostile_octets_are_read_or_refused_and_nothing_else(data: bytes) -> None:
    masked(data)
    try:
        message = parse_message(data)
    except SipParseError as error:
        if isinstance(error.partial, Request):
            Response.to_request(error.partial, error.status, "x", "tag").encode()
        return
    again = parse_message(message.encode())
    assert again.encode() == message.encode()
    assert again.body == message.body
    if validate(message) is None:
        assert message.via.host
        assert message.cseq.method
