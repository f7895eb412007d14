"""The files that phones are set up from."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtone.model import LegPolicy, MediaPath, Protection, SipUser, Strictness
from sealtone.provisioning import (
    PhoneSettings,
    ServerPlace,
    UnreadableSettings,
    linphone_codecs,
    linphone_settings,
    own_phone_settings,
    read_own_phone_settings,
    yealink_settings,
)
from sealtone.sdp.catalogue import CATALOGUE

PLACE = ServerPlace("pbx.example", 443)


def settings(protection: Protection = Protection.ZRTP, **more: object) -> PhoneSettings:
    values: dict[str, object] = {
        "username": "1000",
        "domain": "office.example",
        "server": PLACE,
        "policy": LegPolicy(protection, Strictness.REQUIRE),
        "ha1_md5": "a" * 32,
        "ha1_sha256": "b" * 64,
    }
    return PhoneSettings(**(values | more))  # type: ignore[arg-type]


def entries(document: bytes) -> dict[str, dict[str, str]]:
    """A Linphone document as sections of entries; every one has to overwrite what the phone has."""
    found: dict[str, dict[str, str]] = {}
    space = "{http://www.linphone.org/xsds/lpconfig.xsd}"
    for section in ElementTree.fromstring(document):
        assert section.tag == f"{space}section"
        assert all(entry.get("overwrite") == "true" for entry in section)
        found[section.attrib["name"]] = {entry.attrib["name"]: entry.text or "" for entry in section}
    return found


@pytest.mark.parametrize(
    ("protection", "encryption", "mandatory"),
    [(Protection.ZRTP, "zrtp", "1"), (Protection.SRTP, "srtp", "1"), (Protection.NONE, "none", "0")],
)
def test_linphone_is_told_to_encrypt_or_not_to_call(protection: Protection, encryption: str, mandatory: str) -> None:
    told = entries(linphone_settings(settings(protection)))
    assert told["sip"]["media_encryption"] == encryption
    assert told["sip"]["media_encryption_mandatory"] == mandatory
    assert told["sip"]["verify_server_certs"] == told["sip"]["verify_server_cn"] == "1"
    assert told["rtp"]["accept_any_encryption"] == "0"
    assert ("zrtp_key_agreements_suites" in told["sip"]) is (protection is Protection.ZRTP)


def test_linphone_gets_digest_proxy_and_identity_and_forgets_the_link() -> None:
    told = entries(linphone_settings(settings(display_name='Ann "the <boss>" \\')))
    assert told["auth_info_0"] == {
        "username": "1000",
        "domain": "office.example",
        "realm": "office.example",
        "ha1": "b" * 64,
        "algorithm": "SHA-256",
    }
    assert told["proxy_0"]["reg_proxy"] == "<sip:pbx.example:443;transport=tls>"
    assert told["proxy_0"]["reg_route"] == "<sip:pbx.example:443;transport=tls;lr>"
    assert told["proxy_0"]["reg_identity"] == '"Ann the <boss> " <sip:1000@office.example>'
    assert told["misc"]["transient_provisioning"] == "1"


def test_linphones_codecs_are_the_users_in_order_and_all_others_are_off() -> None:
    told = entries(linphone_settings(settings(chosen_codecs=("g729", "silk/16000", "opus"))))
    codecs = [told[f"audio_codec_{number}"] for number in range(sum(name.startswith("audio_codec") for name in told))]
    assert [(one["mime"], one["rate"]) for one in codecs if one["enabled"] == "1"] == [
        ("G729", "8000"),
        ("SILK", "16000"),
        ("opus", "48000"),
    ]
    assert len({(one["mime"], one["rate"], one["channels"]) for one in codecs}) == len(codecs) > len(CATALOGUE)
    assert linphone_codecs(settings(chosen_codecs=("silk/8000", "g729"))) == ("g729",)


def test_an_empty_list_of_codecs_permits_every_one() -> None:
    assert set(settings().codecs) == set(CATALOGUE)


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    assert ServerPlace("2001:db8::1", 5061).proxy == "sip:[2001:db8::1]:5061;transport=tls"


_TEXT = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=40)


@given(name=_TEXT, secret=_TEXT)
def test_nothing_that_a_person_types_adds_a_line_or_an_element(name: str, secret: str) -> None:
    ours = settings(display_name=name, secret=secret)
    told = entries(linphone_settings(ours))
    assert set(told) == set(entries(linphone_settings(settings())))
    lines = yealink_settings(ours).decode().splitlines()
    assert len(lines) == len(yealink_settings(settings()).decode().splitlines())


@given(
    name=_TEXT,
    protection=st.sampled_from([Protection.NONE, Protection.SRTP, Protection.ZRTP]),
    strictness=st.sampled_from(Strictness),
    path=st.sampled_from([MediaPath.SERVER, MediaPath.SEALED, MediaPath.DIRECT]),
    codecs=st.lists(st.sampled_from(sorted(CATALOGUE)), unique=True),
    authority=st.sampled_from(["", "-----BEGIN CERTIFICATE-----\n"]),
)
def test_our_own_phone_reads_what_was_written(
    name: str, protection: Protection, strictness: Strictness, path: MediaPath, codecs: list[str], authority: str
) -> None:
    ours = settings(
        display_name=name,
        policy=LegPolicy(protection, strictness, path),
        chosen_codecs=tuple(codecs),
        server=PLACE._replace(authority=authority),
    )
    assert read_own_phone_settings(own_phone_settings(ours)) == ours


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"\xff", b'{"sealtone_phone": 2}', b'{"sealtone_phone": 1, "user": 1}']
)
def test_our_own_phone_says_so_of_what_is_no_settings(data: bytes) -> None:
    with pytest.raises(UnreadableSettings):
        read_own_phone_settings(data)


def test_a_desk_phone_encrypts_over_tls_with_the_users_codecs_only() -> None:
    told = dict(
        line.split(" = ", 1)
        for line in yealink_settings(
            settings(Protection.SRTP, secret="k7mf-92qx", chosen_codecs=("g722", "pcma", "silk/8000"))
        )
        .decode()
        .splitlines()[1:]
    )
    assert told["account.1.password"] == "k7mf-92qx"
    assert told["account.1.sip_server.1.transport_type"] == "2"
    assert told["account.1.srtp_encryption"] == "2"
    on = {name for name, value in told.items() if name.endswith(".enable") and "codec" in name and value == "1"}
    assert on == {"account.1.codec.g722.enable", "account.1.codec.pcma.enable"}
    assert told["account.1.codec.g722.priority"] == "1"


def test_settings_do_not_print_what_is_as_good_as_a_secret() -> None:
    user = SipUser(1, 1, 1, "1000", "office.example", "a" * 32, "b" * 64)
    shown = repr(PhoneSettings.of(user, PLACE, "the secret"))
    assert "aaaa" not in shown
    assert "bbbb" not in shown
    assert "the secret" not in shown
