"""The one-step reading of plain addresses and Vias reads everything as the careful one does."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sealtone.sip.errors import SipParseError
from sealtone.sip.headers import NameAddr, Via

_pieces = st.sampled_from(
    [
        '"', "<", ">", ";", "=", "\\", "*", " ", "\t", ",", ":", "[", "]", "é", "\x0b", "\udcff", "@", "%41", "|",
        "Ann", "sip:a@b", "sip:1000@192.0.2.1:5060", "tag", "tag=", "TAG=x", "tag=3f", "expires=60", ";tag=1",
        "SIP/2.0/UDP ", "SIP/2.0/WSS ", "SIP/2.0/udp ", "SIP / 2.0 / TCP ", "192.0.2.1", "host-1.example", "_h", "-h",
        ":5060", ":65535", ":65536", ":99999", ":0", ";branch=z9hG4bK1", ";rport", ";rport=1", ";received=::1", "[::1]",
    ]
)  # fmt: skip
_near = st.lists(_pieces, max_size=9).map("".join)
_address = st.builds("{}<{}>{}".format, st.sampled_from(["", '"A" ', '"A"', "A ", '"a\\"b" ']), _near, _near)
_via = st.builds("SIP/2.0/{} {}{}".format, st.sampled_from(["UDP", "TLS", "WS", "x"]), _near, _near)


def _outcome(parse: object, raw: str) -> object:
    try:
        return parse(raw)  # type: ignore[operator]
    except SipParseError:
        return "refused"


@settings(max_examples=1500)
@given(st.one_of(_near, _address))
def test_an_address_reads_alike_both_ways(raw: str) -> None:
    assert _outcome(NameAddr.parse, raw) == _outcome(NameAddr._parse_carefully, raw)


@settings(max_examples=1500)
@given(st.one_of(_near, _via))
def test_a_via_reads_alike_both_ways(raw: str) -> None:
    assert _outcome(Via.parse, raw) == _outcome(Via._parse_carefully, raw)


def test_the_plain_forms_are_those_that_phones_write() -> None:
    assert NameAddr.parse('"Ann Lee" <sip:1000@h>;tag=3f') == NameAddr("Ann Lee", "sip:1000@h", (("tag", "3f"),))
    assert Via.parse("SIP/2.0/TLS 192.0.2.1:5061;rport;branch=z9hG4bK1") == Via(
        "TLS", "192.0.2.1", 5061, (("rport", None), ("branch", "z9hG4bK1"))
    )
