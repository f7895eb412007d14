"""What a phone's audio line says."""

import pytest

from sdp.bodies import BROWSER_LIKE, KEY, LINPHONE, lines, offer
from sealtone.sdp import (
    MAX_CRYPTO_LINES,
    AudioDescription,
    Codec,
    Direction,
    SdpError,
    SectionHead,
    read_answer,
    read_audio,
    read_audio_lines,
)
from sealtone.srtp_keys import Suite

CRYPTO = f"AES_CM_128_HMAC_SHA1_80 inline:{KEY}"


def test_a_linphone_offer_is_read_whole() -> None:
    audio = read_audio(LINPHONE)
    assert (audio.address, audio.port, audio.profile) == ("192.0.2.20", 7078, "RTP/SAVP")
    assert audio.codecs == (
        Codec(96, "opus", 48000, 2, "useinbandfec=1"),
        Codec(97, "speex", 16000, 1, "vbr=on"),
        Codec(98, "speex", 8000, 1, "vbr=on"),
        Codec(0, "PCMU", 8000),
        Codec(8, "PCMA", 8000),
        Codec(18, "G729", 8000, 1, "annexb=yes"),
        Codec(101, "telephone-event", 48000),
        Codec(99, "telephone-event", 16000),
        Codec(100, "telephone-event", 8000),
    )
    assert [attribute.suite for attribute in audio.crypto] == [
        Suite.AES_CM_128_HMAC_SHA1_80,
        Suite.AES_256_CM_HMAC_SHA1_80,
    ]
    assert audio.crypto_refused == ("it would leave the call's reports unencrypted (UNENCRYPTED_SRTCP)",)
    assert audio.direction is Direction.SENDRECV
    assert audio.rtcp_address == ("192.0.2.20", 7079)
    assert audio.layout[1] == SectionHead("video", "RTP/SAVP", ("96",))
    assert audio.is_secure_profile


def test_ice_fingerprints_and_feedback_do_not_get_into_the_description() -> None:
    audio = read_audio(BROWSER_LIKE)
    for leak in ("LeAk", "198.51.100.77", "transport-cc", "AA:BB", "1001", "extmap"):
        assert leak not in repr(audio)
    assert audio.rtcp_mux
    assert audio.rtcp_address == (audio.address, audio.port)


def test_the_address_under_the_audio_line_beats_the_sessions() -> None:
    assert read_audio(offer("m=audio 4000 RTP/AVP 0", "c=IN IP4 192.0.2.9")).address == "192.0.2.9"
    assert read_audio(offer("m=audio 4000 RTP/AVP 0")).address == "192.0.2.7"


def test_an_ipv6_address_is_read_in_its_shortest_form() -> None:
    audio = read_audio(offer("m=audio 4000 RTP/AVP 0", session=("c=IN IP6 2001:DB8:0:0::1",)))
    assert audio.address == "2001:db8::1"


@pytest.mark.parametrize(
    "connection",
    [
        "IN IP4 224.2.36.42/127",
        "IN IP4 224.2.36.42",
        "IN IP4 255.255.255.255",
        "IN IP4 phone.example",
        "IN IP4 192.0.2.300",
        "IN IP4 192.0.2",
        "IN IP4 192.0.2.07",
        "IN IP4 1.2.3.4.5",
        "IN IP4 \u0661.2.3.4",
        "IN IP6 ff02::1",
        "IN IP6 fe80::1%eth0",
        "IN IP6 ::g",
        "IN IP4",
        "ATM NSAP 47",
        "IN IP4 192.0.2.7 extra",
    ],
)
def test_an_address_that_is_not_one_host_is_refused(connection: str) -> None:
    with pytest.raises(SdpError):
        read_audio(offer("m=audio 4000 RTP/AVP 0", session=(f"c={connection}",)))


def test_an_audio_line_without_any_address_is_refused() -> None:
    with pytest.raises(SdpError, match="no connection address"):
        read_audio(offer("m=audio 4000 RTP/AVP 0", session=()))


@pytest.mark.parametrize(
    ("session", "section", "expected"),
    [
        ((), (), Direction.SENDRECV),
        (("a=sendonly",), (), Direction.SENDONLY),
        (("a=sendonly",), ("a=recvonly",), Direction.RECVONLY),
        ((), ("a=inactive", "a=inactive"), Direction.INACTIVE),
    ],
)
def test_the_direction_of_the_audio_line_beats_the_sessions(
    session: tuple[str, ...], section: tuple[str, ...], expected: Direction
) -> None:
    audio = read_audio(offer("m=audio 4000 RTP/AVP 0", *section, session=("c=IN IP4 192.0.2.7", *session)))
    assert audio.direction is expected
    assert audio.on_hold is (expected in (Direction.SENDONLY, Direction.INACTIVE))


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("a=sendrecv", Direction.SENDONLY),
        ("a=sendonly", Direction.SENDONLY),
        ("a=recvonly", Direction.INACTIVE),
        ("a=inactive", Direction.INACTIVE),
    ],
)
@pytest.mark.parametrize("connection", ["c=IN IP4 0.0.0.0", "c=IN IP6 ::"])
def test_a_null_address_is_hold_as_rfc_2543_did_it(connection: str, attribute: str, expected: Direction) -> None:
    audio = read_audio(offer("m=audio 4000 RTP/AVP 0", connection, attribute))
    assert audio.direction is expected
    assert audio.on_hold
    assert audio.null_address


@pytest.mark.parametrize(
    "section",
    [
        ("a=sendonly", "a=recvonly"),
        ("a=rtpmap:96 opus/48000/2", "a=rtpmap:96 PCMU/8000"),
        (f"a=crypto:1 {CRYPTO}", f"a=crypto:1 {CRYPTO}"),
        (f"a=crypto:1 {CRYPTO}", f"a=crypto:01 {CRYPTO} UNENCRYPTED_SRTP"),
        ("a=rtcp:5000", "a=rtcp:5002"),
    ],
)
def test_statements_that_contradict_each_other_refuse_the_description(section: tuple[str, ...]) -> None:
    with pytest.raises(SdpError):
        read_audio(offer("m=audio 4000 RTP/AVP 0 96", *section))


def test_two_directions_at_session_level_refuse_the_description() -> None:
    with pytest.raises(SdpError):
        read_audio(offer("m=audio 4000 RTP/AVP 0", session=("c=IN IP4 192.0.2.7", "a=sendonly", "a=sendrecv")))


def test_static_payload_types_need_no_rtpmap_and_may_be_overruled_by_one() -> None:
    codecs = read_audio(offer("m=audio 4000 RTP/AVP 9 3 4", "a=rtpmap:4 iLBC/8000")).codecs
    assert codecs == (Codec(9, "G722", 8000), Codec(3, "GSM", 8000), Codec(4, "iLBC", 8000))


def test_a_dynamic_payload_type_without_an_rtpmap_is_left_out() -> None:
    assert read_audio(offer("m=audio 4000 RTP/AVP 96 0 97")).codecs == (Codec(0, "PCMU", 8000),)


def test_an_unknown_codec_is_kept_as_it_is() -> None:
    codecs = read_audio(
        offer("m=audio 4000 RTP/AVP 120", "a=rtpmap:120 X-Future.Codec/96000/6", 'a=fmtp:120 a=1; b="2"')
    ).codecs
    assert codecs == (Codec(120, "X-Future.Codec", 96000, 6, 'a=1; b="2"'),)


def test_a_payload_type_listed_twice_counts_once_and_split_fmtp_lines_are_joined() -> None:
    codecs = read_audio(offer("m=audio 4000 RTP/AVP 0 0", "a=fmtp:0 a=1", "a=fmtp:0 b=2", "a=fmtp:0 b=2")).codecs
    assert [codec.payload_type for codec in codecs] == [0]
    assert codecs[0].fmtp == "a=1;b=2"


@pytest.mark.parametrize(
    "rtpmap", ["opus", "opus/", "opus/x", "opus/0", "/8000", "a b/8000", "opus/48000/x", "x/99999999"]
)
def test_an_rtpmap_that_cannot_be_read_refuses_the_description(rtpmap: str) -> None:
    with pytest.raises(SdpError):
        read_audio(offer("m=audio 4000 RTP/AVP 96", f"a=rtpmap:96 {rtpmap}"))


@pytest.mark.parametrize("format_", ["128", "00", "08", "x", "-1", "1000", "\u0661"])
def test_a_format_that_is_no_payload_type_refuses_the_description(format_: str) -> None:
    with pytest.raises(SdpError):
        read_audio(offer(f"m=audio 4000 RTP/AVP 0 {format_}"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("20", 20), (" 30 ", 30), ("20.0", 20), ("0", None), ("x", None), ("-20", None), ("99999", None)],
)
def test_a_packet_time_is_a_wish_and_nonsense_is_no_wish(value: str, expected: int | None) -> None:
    audio = read_audio(offer("m=audio 4000 RTP/AVP 0", f"a=ptime:{value}", f"a=maxptime:{value}"))
    assert (audio.ptime_ms, audio.maxptime_ms) == (expected, expected)


def test_rtcp_is_at_the_next_port_unless_said_otherwise() -> None:
    assert read_audio(offer("m=audio 4000 RTP/AVP 0")).rtcp_address == ("192.0.2.7", 4001)
    assert read_audio(offer("m=audio 4000 RTP/AVP 0", "a=rtcp:5000")).rtcp_address == ("192.0.2.7", 5000)
    assert read_audio(offer("m=audio 4000 RTP/AVP 0", "a=rtcp:5000 IN IP6 2001:db8::5")).rtcp_address == (
        "2001:db8::5",
        5000,
    )


@pytest.mark.parametrize("value", ["0", "65536", "x", "", "5000 IN IP4 224.0.0.1", "5000 IN"])
def test_a_place_for_rtcp_that_is_none_refuses_the_description(value: str) -> None:
    with pytest.raises(SdpError):
        read_audio(offer("m=audio 4000 RTP/AVP 0", f"a=rtcp:{value}"))


def test_a_key_line_at_session_level_means_nothing() -> None:
    audio = read_audio(offer("m=audio 4000 RTP/SAVP 0", session=("c=IN IP4 192.0.2.7", f"a=crypto:1 {CRYPTO}")))
    assert audio.crypto == ()


def test_a_key_line_of_another_m_line_is_not_the_audios() -> None:
    audio = read_audio(offer("m=audio 4000 RTP/SAVP 0", "m=video 4002 RTP/SAVP 96", f"a=crypto:1 {CRYPTO}"))
    assert audio.crypto == ()


def test_too_many_key_lines_refuse_the_description() -> None:
    crypto = [f"a=crypto:{tag} {CRYPTO}" for tag in range(MAX_CRYPTO_LINES + 1)]
    assert len(read_audio(offer("m=audio 4000 RTP/SAVP 0", *crypto[:-1])).crypto) == MAX_CRYPTO_LINES
    with pytest.raises(SdpError):
        read_audio(offer("m=audio 4000 RTP/SAVP 0", *crypto))


def test_one_bad_key_line_does_not_spoil_its_neighbours() -> None:
    audio = read_audio(
        offer("m=audio 4000 RTP/SAVP 0", "a=crypto:1 garbage", "a=crypto:2 NULL x", f"a=crypto:3 {CRYPTO}")
    )
    assert [attribute.tag for attribute in audio.crypto] == [3]
    assert len(audio.crypto_refused) == 2


def test_all_audio_lines_that_can_carry_a_call_are_given_in_order() -> None:
    found = read_audio_lines(
        offer(
            "m=video 4000 RTP/AVP 96",
            "m=audio 0 RTP/SAVP 0",
            "m=audio 4002 UDP/TLS/RTP/SAVPF 0",
            f"m=audio 4004 RTP/SAVP 8\r\na=crypto:1 {CRYPTO}",
            "m=audio 4006 RTP/AVP 0",
        )
    )
    assert [(audio.section, audio.port, audio.profile) for audio in found] == [
        (3, 4004, "RTP/SAVP"),
        (4, 4006, "RTP/AVP"),
    ]
    assert found[0].layout == found[1].layout
    assert len(found[0].layout) == 5


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ((), "no audio line"),
        (("m=video 4000 RTP/AVP 96",), "no audio line"),
        (("m=audio 0 RTP/AVP 0",), "switched off"),
        (("m=audio 4000 UDP/TLS/RTP/SAVPF 0",), "profile UDP/TLS/RTP/SAVPF is not supported"),
        (("m=audio 4000 RTP/NULL 0",), "profile RTP/NULL is not supported"),
        (("m=audio 4000 RTP/AVP 96",), "names no codec"),
    ],
)
def test_without_a_usable_audio_line_the_reason_is_said(section: tuple[str, ...], reason: str) -> None:
    with pytest.raises(SdpError, match=reason):
        read_audio(offer(*section))


OFFER = AudioDescription("198.51.100.1", 20000, (Codec(0, "PCMU", 8000),))


def test_an_answer_is_read_at_the_place_of_the_offer() -> None:
    layout = (SectionHead("video", "RTP/AVP", ("96",)), SectionHead("audio", "RTP/AVP", ("0",)))
    answer = read_answer(
        offer("m=video 0 RTP/AVP 96", "m=audio 4002 RTP/AVP 0"), OFFER._replace(section=1, layout=layout)
    )
    assert (answer.section, answer.port) == (1, 4002)


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ((), "leaves out"),
        (("m=audio 0 RTP/AVP 0",), "refuses the audio"),
        (("m=video 4000 RTP/AVP 0",), "another kind"),
        (("m=audio 4000 UDP/TLS/RTP/SAVPF 0",), "not supported"),
        (("m=audio 4000 RTP/AVP 96",), "no codec"),
    ],
)
def test_an_answer_without_our_audio_says_what_is_wrong(section: tuple[str, ...], reason: str) -> None:
    with pytest.raises(SdpError, match=reason):
        read_answer(offer(*section), OFFER)


def test_a_reason_never_holds_an_address_or_a_key() -> None:
    with pytest.raises(SdpError) as caught:
        read_audio(lines("v=0", "c=IN IP4 192.0.2.999", "m=audio 4000 RTP/SAVP 0", f"a=crypto:1 {CRYPTO}"))
    assert "192" not in str(caught.value)
    assert KEY not in str(caught.value)
