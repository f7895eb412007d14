"""The quick reading of plain descriptions beside the careful one."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sdp.bodies import KEY, LINPHONE, lines, offer
from sealtone.sdp import AudioDescription, SdpError, SessionDescription, read_answer, read_audio_lines
from sealtone.sdp.plain import read_plain

# What real phones write, what contradicts it, and what is spelled badly.
ATTRIBUTES = (
    "a=rtpmap:0 PCMU/8000", "a=rtpmap:0 PCMA/8000", "a=rtpmap:8 PCMA/8000/1", "a=rtpmap:101 telephone-event/8000",
    "a=rtpmap:96 opus/48000/2", "a=rtpmap:96 opus", "a=rtpmap: 8  PCMA/8000 ", "a=fmtp:101 0-16", "a=fmtp:96 useinbandfec=1",
    "a=fmtp:96 stereo=0", "a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive", "a=ptime:20", "a=ptime:20.0", "a=ptime:x",
    "a=maxptime:60", "a=rtcp-mux", "a=rtcp:40001", "a=rtcp:40003 IN IP4 192.0.2.8", "a=rtcp:0", "a=rtcp", "a=crypto",
    "a=rtcp:40001 IN IP4 224.0.0.1", f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}", "a=crypto:1 NONE inline:x",
    f"a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:{KEY}", f"a=zrtp-hash:1.10 {'0a' * 32}", "a=zrtp-hash:1.10 x", "a=zrtp-hash",
    "a=ssrc:1 cname:x", "a=candidate:1 1 udp 1 192.0.2.7 40000 typ host", "a=", "a=crypto :1", "b=AS:64", "c=IN IP4 0.0.0.0",
    "c=IN IP4 192.0.2.9", "c=IN IP4 999.0.2.9", "i=info", "k=clear", "x=1", "a=tool:\u00e9", "m=video 0 RTP/AVP 96",
)  # fmt: skip
M_LINES = (
    "m=audio 40000 RTP/AVP 0 8 101",
    "m=audio 40000 RTP/SAVP 0 8 96 101",
    "m=audio 40000 RTP/AVPF 96 0",
    "m=audio 0 RTP/AVP 0",
    "m=audio 65536 RTP/AVP 0",
    "m=audio 65535 RTP/AVP 0 0 00",
    "m=audio 40000 RTP/AVP 200",
    "m=audio 40000 RTP/AVP 98",
    "m=audio 40000/2 RTP/AVP 0",
    "m=audio 40000 UDP/TLS/RTP/SAVP 0",
    "m=AUDIO 40000 RTP/AVP 0",
)
SESSION = ("c=IN IP4 192.0.2.7", "c=IN IP4 0.0.0.0", "c=IN IP6 2001:db8::1", "b=CT:1", "a=sendonly", "a=tool:x", "i=x")


def outcome(read: bytes | SessionDescription) -> tuple[AudioDescription, ...] | str:
    try:
        return read_audio_lines(read)
    except SdpError as error:
        return str(error)


def careful(body: bytes) -> tuple[AudioDescription, ...] | str:
    try:
        return outcome(SessionDescription.parse(body))
    except SdpError as error:
        return str(error)


@given(
    st.lists(st.sampled_from(SESSION), max_size=3),
    st.sampled_from(M_LINES),
    st.lists(st.sampled_from(ATTRIBUTES) | st.text(max_size=12).map("a={}".format), max_size=8),
    st.sampled_from(["\r\n", "\n", "\r\n\r\n"]),
)
@example(["c=IN IP4 0.0.0.0"], M_LINES[0], ["a=sendrecv", "a=rtcp:40001", "a=rtcp-mux"], "\r\n")
def test_what_is_read_quickly_is_read_as_with_care(session: list[str], m: str, section: list[str], end: str) -> None:
    body = offer(m, *section, session=tuple(session), end=end)
    assert outcome(body) == careful(body)


@given(st.integers(0, 400), st.integers(0, 255))
def test_one_foreign_octet_anywhere_changes_nothing_of_that(place: int, octet: int) -> None:
    body = bytearray(
        offer("m=audio 40000 RTP/AVP 0 8 101", *ATTRIBUTES[:1], "a=rtcp:40001", "a=ptime:20", "a=sendrecv")
    )
    body[place % len(body)] = octet
    assert outcome(bytes(body)) == careful(bytes(body))


@pytest.mark.parametrize(
    "section",
    [
        ("m=audio 40000 RTP/AVP 0 8 101", "a=rtpmap:101 telephone-event/8000", "a=sendrecv"),
        (
            "m=audio 40000 RTP/AVP 0",
            "c=IN IP4 192.0.2.9",
            "b=TIAS:64000",
            "a=rtcp:40001 IN IP4 192.0.2.9",
            "a=sendrecv",
        ),
        ("m=audio 40000 RTP/SAVP 0", f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
    ],
)
def test_the_usual_forms_are_read_quickly_as_offer_and_as_answer(section: tuple[str, ...]) -> None:
    body = offer(*section)
    assert read_plain(body) is not None
    (audio,) = read_audio_lines(SessionDescription.parse(body))
    assert read_answer(body, audio) == audio


def test_what_was_remembered_of_one_call_brings_no_key_and_no_place_into_the_next() -> None:
    section = ("m=audio 40000 RTP/SAVP 0", "a=sendrecv")
    keyed = offer(*section, f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}", "a=rtcp:50001")
    assert read_audio_lines(keyed)[0].crypto
    after = read_audio_lines(offer(*section))[0]
    assert not after.crypto
    assert after.rtcp is None


def test_several_media_lines_and_long_descriptions_are_read_with_care() -> None:
    assert read_plain(LINPHONE) is None
    assert read_plain(offer("m=audio 40000 RTP/AVP 0", *["a=x:" + "y" * 60] * 40)) is None
    assert read_plain(lines("v=0", "s=-")) is None
