"""URIs: parsing, writing, comparison, keys."""

from __future__ import annotations

import pytest

from sealtone.sip.errors import SipParseError
from sealtone.sip.uri import SipUri, UnsupportedScheme, canonical_aor, equivalent, escape_user, unescape


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("sip:alice@atlanta.com", ("sip", "alice", None, "atlanta.com", None, (), "")),
        (
            "sip:alice:secretword@atlanta.com;transport=tcp",
            ("sip", "alice", "secretword", "atlanta.com", None, (("transport", "tcp"),), ""),
        ),
        (
            "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
            ("sips", "alice", None, "atlanta.com", None, (), "subject=project%20x&priority=urgent"),
        ),
        (
            "sip:+1-212-555-1212:1234@gateway.com;user=phone",
            ("sip", "+1-212-555-1212", "1234", "gateway.com", None, (("user", "phone"),), ""),
        ),
        ("sip:atlanta.com;lr", ("sip", None, None, "atlanta.com", None, (("lr", None),), "")),
        ("sip:alice;day=tuesday@atlanta.com", ("sip", "alice;day=tuesday", None, "atlanta.com", None, (), "")),
        ("SIP:[2001:db8::10]:5070", ("sip", None, None, "2001:db8::10", 5070, (), "")),
        ("sip:*97#@h", ("sip", "*97#", None, "h", None, (), "")),
        (
            "tel:+1-201-555-0123;phone-context=x",
            ("tel", "+1-201-555-0123", None, "", None, (("phone-context", "x"),), ""),
        ),
    ],
)
def test_a_uri_is_taken_apart_and_written_back(text: str, parts: tuple[object, ...]) -> None:
    uri = SipUri.parse(text)
    assert tuple(uri) == parts
    assert str(uri) == text.replace("SIP:", "sip:")


@pytest.mark.parametrize(
    "text",
    [
        "", "sip:", "sip", ":a@b", "sip:@b", "sip:a@", "sip:a@b@c", "sip:a b@c", "sip:a@b:port", "sip:a@b:99999", "sip:a@b:",
        "sip:a@[::1", "sip:a@[fe80::1]x", "sip:a@[]", "sip:a@b;", "sip:a@b;;lr", "sip:a@b?", "sip:a%4@b", "sip:a@b\r\n", "sip:a<b@c",
        "sip:2001:db8::10", "sip:é@b", "sip:a@b;=1", "tel:", "tel:abcxyz", "sip:a@-b", "sip:a@b c", "sip:\x00@b", "sip:a@b:-1",
    ],
)  # fmt: skip
def test_what_has_no_single_reading_is_refused(text: str) -> None:
    with pytest.raises(SipParseError):
        SipUri.parse(text)


@pytest.mark.parametrize("text", ["http://example.com", "soap.beep://x", "urn:service:sos", "mailto:a@b"])
def test_other_schemes_are_told_apart_from_broken_uris(text: str) -> None:
    with pytest.raises(UnsupportedScheme) as refused:
        SipUri.parse(text)
    assert refused.value.status == 416


# RFC 3261 section 19.1.4
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("tel:+1-201-555-0123", "tel:+12015550123"),
    ],
)
def test_the_equivalent_uris_of_the_rfc_are_equivalent_both_ways(a: str, b: str) -> None:
    assert equivalent(SipUri.parse(a), SipUri.parse(b))
    assert equivalent(SipUri.parse(b), SipUri.parse(a))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:bob:pw@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:biloxi.com"),
        ("tel:+1", "sip:+1@h"),
    ],
)
def test_the_different_uris_of_the_rfc_are_different_both_ways(a: str, b: str) -> None:
    assert not equivalent(SipUri.parse(a), SipUri.parse(b))
    assert not equivalent(SipUri.parse(b), SipUri.parse(a))


def test_the_key_of_an_address_of_record_has_no_port_no_parameters_and_no_escapes() -> None:
    assert canonical_aor(SipUri.parse("sips:%31000@PBX.Example.com:5061;transport=tls?a=b")) == "1000@pbx.example.com"
    assert canonical_aor(SipUri.parse("sip:Alice@h")) == "Alice@h"
    assert canonical_aor(SipUri.parse("sip:H")) == "h"
    assert canonical_aor(SipUri.parse("tel:+1-201-(555)")) == "+1201555"


def test_parameters_can_be_read_set_and_dropped() -> None:
    uri = SipUri.parse("sip:a@b;LR;transport=TLS")
    assert uri.is_loose_router
    assert uri.transport == "tls"
    assert uri.param("ob") is None
    assert str(uri.with_param("ob", None).without_param("transport")) == "sip:a@b;LR;ob"


@pytest.mark.parametrize("user", ["1000", "a@b", "ü ñ", "%", "x\x00y", "#*"])
def test_any_user_name_can_stand_in_a_uri(user: str) -> None:
    uri = SipUri.parse(f"sip:{escape_user(user)}@example.com")
    assert unescape(uri.user or "") == user


def test_long_uris_are_not_kept_in_the_cache() -> None:
    from sealtone.sip import uri

    before = uri._parse_cached.cache_info().currsize
    SipUri.parse("sip:" + "a" * 1000 + "@b")
    assert uri._parse_cached.cache_info().currsize == before
