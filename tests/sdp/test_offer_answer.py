"""Our own descriptions, and the codec arithmetic between two legs."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdp.bodies import BROWSER_LIKE, LINPHONE
from sealtone.sdp import (
    AudioDescription,
    Codec,
    Direction,
    Origin,
    OwnDescription,
    SdpError,
    SectionHead,
    SessionDescription,
    answer_codecs,
    answer_direction,
    payload_map,
    permitted_codecs,
    read_audio,
    renumbered,
    write_audio,
)
from sealtone.srtp_keys import PREFERENCE, offer_of

PCMU, PCMA, G722 = Codec(0, "PCMU", 8000), Codec(8, "PCMA", 8000), Codec(9, "G722", 8000)
OPUS = Codec(96, "opus", 48000, 2, "useinbandfec=1")
DTMF = Codec(101, "telephone-event", 8000, 1, "0-16")
DTMF_48 = Codec(110, "telephone-event", 48000, 1, "0-16")
COMFORT_NOISE = Codec(13, "CN", 8000)
OURS = AudioDescription("198.51.100.1", 20000, (PCMU, DTMF))


def test_a_description_of_ours_says_only_what_it_must() -> None:
    assert write_audio(OURS._replace(ptime_ms=20), Origin(77, 3)).decode() == (
        "v=0\r\n"
        "o=- 77 3 IN IP4 198.51.100.1\r\n"
        "s=-\r\n"
        "c=IN IP4 198.51.100.1\r\n"
        "t=0 0\r\n"
        "m=audio 20000 RTP/AVP 0 101\r\n"
        "a=rtpmap:0 PCMU/8000\r\n"
        "a=rtpmap:101 telephone-event/8000\r\n"
        "a=fmtp:101 0-16\r\n"
        "a=ptime:20\r\n"
        "a=sendrecv\r\n"
    )


def test_an_ipv6_leg_is_described_as_one() -> None:
    body = write_audio(OURS._replace(address="2001:db8::9", rtcp=("2001:db8::9", 30001)), Origin(1))
    assert b"o=- 1 1 IN IP6 2001:db8::9\r\n" in body
    assert b"c=IN IP6 2001:db8::9\r\n" in body
    assert b"a=rtcp:30001 IN IP6 2001:db8::9\r\n" in body


def test_an_answer_keeps_every_m_line_in_its_place_and_refuses_what_is_not_audio() -> None:
    offered = read_audio(
        b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=image 5000 udptl t38\r\nm=audio 5002 RTP/AVP 0\r\n"
        b"m=video 5004 RTP/SAVPF 96 97\r\nm=audio 5006 RTP/AVP 8\r\n"
    )
    body = write_audio(OURS._replace(section=offered.section, layout=offered.layout), Origin(1))
    assert [line for line in body.decode().splitlines() if line.startswith("m=")] == [
        "m=image 0 udptl t38",
        "m=audio 20000 RTP/AVP 0 101",
        "m=video 0 RTP/SAVPF 96",
        "m=audio 0 RTP/AVP 8",
    ]


@pytest.mark.parametrize("body", [LINPHONE, BROWSER_LIKE])
def test_what_passes_to_the_other_leg_holds_nothing_of_the_first_but_its_codecs(body: bytes) -> None:
    theirs = read_audio(body)
    written = write_audio(OURS._replace(codecs=theirs.codecs, ptime_ms=theirs.ptime_ms), Origin(5)).decode()
    allowed = ("v=0", "o=- 5 1 IN IP4 198.51.100.1", "s=-", "c=IN IP4 198.51.100.1", "t=0 0", "m=audio 20000 RTP/AVP ")
    for line in written.splitlines():
        assert line.startswith((*allowed, "a=rtpmap:", "a=fmtp:", "a=sendrecv"))
    assert theirs.address not in written
    assert str(theirs.port) not in written.replace("/", " ").split()


def test_a_description_that_promises_srtp_without_a_key_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="needs a key line"):
        write_audio(OURS._replace(profile="RTP/SAVP"), Origin(1))


def test_the_version_rises_exactly_when_the_body_changes() -> None:
    own = OwnDescription(9)
    first = own.write(OURS)
    assert own.write(OURS._replace()) is first
    assert own.origin == Origin(9, 1)
    held = own.write(OURS._replace(direction=Direction.SENDONLY))
    assert b"o=- 9 2 " in held
    assert own.write(OURS) == first.replace(b"o=- 9 1 ", b"o=- 9 3 ")
    assert own.audio == OURS


@pytest.mark.parametrize("offered", list(Direction))
@pytest.mark.parametrize("wanted", list(Direction))
def test_an_answer_never_sends_to_who_does_not_receive_nor_receives_from_who_does_not_send(
    offered: Direction, wanted: Direction
) -> None:
    answer = answer_direction(offered, wanted)
    assert answer.sends is (offered.receives and wanted.sends)
    assert answer.receives is (offered.sends and wanted.receives)


@pytest.mark.parametrize("one", list(Direction))
def test_a_direction_seen_from_the_other_side_and_back_is_itself(one: Direction) -> None:
    assert one.reverse.reverse is one
    assert (one.sends, one.receives) == (one.reverse.receives, one.reverse.sends)


def test_the_answer_has_the_offerers_payload_types_and_the_far_legs_order_and_parameters() -> None:
    offered = (OPUS, PCMU, PCMA, DTMF)
    accepted = (PCMA, Codec(107, "OPUS", 48000, 2, "useinbandfec=0"), Codec(96, "telephone-event", 8000))
    assert answer_codecs(offered, accepted) == (
        PCMA,
        Codec(96, "opus", 48000, 2, "useinbandfec=0"),
        Codec(101, "telephone-event", 8000),
    )


def test_codecs_that_were_not_offered_are_not_answered() -> None:
    assert answer_codecs((PCMU,), (G722, PCMU)) == (PCMU,)


@pytest.mark.parametrize("accepted", [(), (DTMF,), (COMFORT_NOISE, DTMF), (G722, DTMF)])
def test_without_a_common_voice_codec_there_is_no_answer(accepted: tuple[Codec, ...]) -> None:
    assert answer_codecs((PCMU, COMFORT_NOISE, DTMF), accepted) == ()


def test_formats_that_differ_in_clock_or_channels_are_not_the_same() -> None:
    assert answer_codecs((PCMU, DTMF_48), (PCMU, DTMF)) == (PCMU,)
    assert answer_codecs((OPUS,), (OPUS._replace(channels=1),)) == ()


def test_of_two_variants_the_one_with_the_same_payload_type_then_parameters_is_meant() -> None:
    wide, narrow = Codec(98, "AMR", 8000, 1, "octet-align=1"), Codec(99, "AMR", 8000, 1, "mode-set=7")
    assert answer_codecs((wide, narrow), (narrow,)) == (narrow,)
    assert answer_codecs((wide, narrow), (narrow._replace(payload_type=120),)) == (narrow,)
    assert answer_codecs((wide, narrow), (Codec(120, "AMR", 8000, 1, "x"),)) == (wide._replace(fmtp="x"),)


def test_the_payload_map_leads_from_each_legs_numbers_to_the_others() -> None:
    a = (OPUS, PCMU, DTMF)
    b = (PCMU, Codec(111, "opus", 48000, 2), Codec(96, "telephone-event", 8000))
    assert payload_map(a, b) == {96: 111, 0: 0, 101: 96}
    assert payload_map(b, a) == {111: 96, 0: 0, 96: 101}


def test_a_codec_listed_twice_does_not_take_the_place_of_its_twin() -> None:
    twins = (PCMU, Codec(98, "PCMU", 8000))
    assert payload_map(twins, twins[1:]) == {98: 98}
    assert payload_map(twins, (Codec(97, "pcmu", 8000), PCMU)) == {0: 0, 98: 97}
    assert answer_codecs(twins, twins[1:]) == twins[1:]


def test_a_users_codecs_are_kept_in_the_users_order_with_telephone_events_behind() -> None:
    speex = Codec(97, "speex", 16000)
    offered = (OPUS, PCMU, DTMF, speex, PCMA, COMFORT_NOISE)
    assert permitted_codecs(offered, ("pcma", "Speex/16000", "opus")) == (PCMA, speex, OPUS, DTMF, COMFORT_NOISE)
    assert permitted_codecs(offered, ("speex/8000",)) == ()
    assert permitted_codecs(offered, ()) == offered


def test_a_payload_type_keeps_its_meaning_over_a_running_session() -> None:
    known = (Codec(96, "iLBC", 8000), PCMU, Codec(97, "opus", 48000, 2))
    assert renumbered((OPUS, PCMU, DTMF, G722), known) == (
        OPUS._replace(payload_type=97),
        PCMU,
        DTMF,
        G722,
    )
    assert renumbered((Codec(96, "AMR", 8000),), known) == (Codec(127, "AMR", 8000),)


def test_no_payload_type_is_given_twice_even_when_none_is_left() -> None:
    known = tuple(Codec(number, f"x{number}", 8000) for number in range(96, 128))
    with pytest.raises(SdpError):
        renumbered((Codec(96, "another", 8000),), known)


encodings = st.sampled_from(["PCMU", "opus", "AMR", "speex", "telephone-event", "CN", "x-Unknown"])
codec = st.builds(
    Codec,
    st.integers(0, 127),
    encodings,
    st.sampled_from([8000, 16000, 48000]),
    st.integers(1, 2),
    st.none() | st.sampled_from(["a=1", "b=2;c"]),
)
codec_lists = st.lists(codec, min_size=1, max_size=8, unique_by=lambda item: item.payload_type).map(tuple)


@given(codec_lists, codec_lists)
def test_an_answer_is_always_part_of_the_offer_and_a_payload_map_never_merges_two_formats(
    offered: tuple[Codec, ...], accepted: tuple[Codec, ...]
) -> None:
    answer = answer_codecs(offered, accepted)
    numbers = [item.payload_type for item in answer]
    by_number = {item.payload_type: item for item in offered}
    assert len(set(numbers)) == len(numbers)
    assert all(item.same_format(by_number[item.payload_type]) for item in answer)
    mapping = payload_map(offered, accepted)
    assert len(set(mapping.values())) == len(mapping)
    assert {first: second for second, first in payload_map(accepted, offered).items()} == mapping


@given(codec_lists, codec_lists)
def test_renumbering_keeps_every_format_and_never_reuses_a_number(
    codecs: tuple[Codec, ...], known: tuple[Codec, ...]
) -> None:
    result = renumbered(codecs, known)
    meanings = {item.payload_type: item for item in known}
    assert len({item.payload_type for item in result}) == len(result)
    for before, after in zip(codecs, result, strict=True):
        assert after == before._replace(payload_type=after.payload_type)
        if after.payload_type in meanings:
            assert after.same_format(meanings[after.payload_type])


addresses = st.ip_addresses().filter(lambda ip: not (ip.is_multicast or ip.is_reserved or ip.is_unspecified))
heads = st.builds(
    SectionHead, st.sampled_from(["video", "image", "audio"]), st.sampled_from(["RTP/AVP", "udptl"]), st.just(("9",))
)


@st.composite
def descriptions(draw: st.DrawFn) -> AudioDescription:
    address = str(draw(addresses))
    codecs = draw(codec_lists)
    secure = draw(st.booleans())
    before, after = draw(st.lists(heads, max_size=2)), draw(st.lists(heads, max_size=2))
    profile = ("RTP/SAVP" if secure else "RTP/AVP") + draw(st.sampled_from(["", "F"]))
    own = SectionHead("audio", profile, tuple(str(item.payload_type) for item in codecs))
    return AudioDescription(
        address,
        draw(st.integers(1, 65535)),
        codecs,
        profile,
        draw(st.sampled_from(Direction)),
        offer_of(PREFERENCE, os.urandom) if secure or draw(st.booleans()) else (),
        draw(st.none() | st.tuples(addresses.map(str), st.integers(1, 65535))),
        draw(st.booleans()),
        draw(st.none() | st.integers(1, 1000)),
        draw(st.none() | st.integers(1, 1000)),
        len(before),
        (*before, own, *after),
    )


@given(descriptions())
def test_what_we_write_is_read_back_the_same(audio: AudioDescription) -> None:
    body = write_audio(audio, Origin(1))
    assert read_audio(body) == audio
    assert SessionDescription.parse(body).encode() == body
