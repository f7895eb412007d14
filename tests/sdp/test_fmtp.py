"""Parameters of codecs: read whatever a phone wrote, answered by each format's rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtone.sdp import Codec, fmtp
from sealtone.sdp.catalogue import CATALOGUE, canonical_name, listed, name_of, packet_time
from sealtone.sdp.fmtp import (
    EventParameters,
    G729Parameters,
    IlbcParameters,
    NoParameters,
    OpusParameters,
    SilkParameters,
    SpeexParameters,
)

OPUS = Codec(96, "opus", 48000, 2)
SILK = Codec(97, "SILK", 16000)
ILBC = Codec(98, "iLBC", 8000)
G729 = Codec(18, "G729", 8000)
SPEEX = Codec(99, "speex", 16000)
EVENTS = Codec(101, "telephone-event", 8000)


@pytest.mark.parametrize(
    ("codec", "text", "expected"),
    [
        # The examples of RFC 7587 7.
        (
            OPUS,
            "maxplaybackrate=16000; sprop-maxcapturerate=16000; maxaveragebitrate=20000; stereo=1; useinbandfec=1; "
            "usedtx=0",
            OpusParameters(16000, 16000, 20000, stereo=True, use_inband_fec=True),
        ),
        (OPUS, "stereo=1; sprop-stereo=1", OpusParameters(stereo=True, sprop_stereo=True)),
        (OPUS, "minptime=10;useinbandfec=1", OpusParameters(use_inband_fec=True)),
        (OPUS, "cbr=1;usedtx=1;x=y", OpusParameters(cbr=True, use_dtx=True)),
        (OPUS, "maxplaybackrate=20000;maxaveragebitrate=5", OpusParameters(24000, max_average_bitrate=6000)),
        (OPUS, "maxplaybackrate=-1;maxaveragebitrate=9999999999;stereo=yes;;=;", OpusParameters()),
        (OPUS, "USEINBANDFEC=1;useinbandfec=0", OpusParameters(use_inband_fec=True)),
        (SILK, "maxaveragebitrate=20000;useinbandfec=0;usedtx=1", SilkParameters(20000, False, True)),
        (SILK, "", SilkParameters()),
        (ILBC, "mode=20", IlbcParameters(20)),
        (ILBC, "mode=30", IlbcParameters()),
        (ILBC, "mode=25", IlbcParameters(30)),
        (ILBC, "", IlbcParameters(30)),
        (G729, "annexb=no", G729Parameters(False)),
        (G729, "annexb=NO", G729Parameters(False)),
        (G729, "annexb=yes", G729Parameters()),
        (G729, "", G729Parameters()),
        (SPEEX, 'vbr=on;cng=on;mode="3,any"', SpeexParameters("on", True, (3,))),
        (SPEEX, 'mode="6,4,99,6"', SpeexParameters(modes=(6, 4))),
        (SPEEX, "vbr=vad", SpeexParameters("vad")),
        (EVENTS, "0-15", EventParameters()),
        (EVENTS, "0-11,16", EventParameters(frozenset((*range(12), 16)))),
        (EVENTS, "0-15, 66,70", EventParameters(frozenset((*range(16), 66, 70)))),
        (EVENTS, "events=0-3", EventParameters(frozenset(range(4)))),
        (EVENTS, "", EventParameters()),
        (EVENTS, "15-0", EventParameters()),
        (EVENTS, "0-999999999999", EventParameters()),
        (Codec(96, "AMR", 8000), "mode-set=0,2,4;octet-align=1", NoParameters()),
        (Codec(9, "G722", 8000), "bitrate=64", NoParameters()),
    ],
)
def test_what_a_phone_wrote_is_read(codec: Codec, text: str, expected: fmtp.Parameters) -> None:
    assert fmtp.read(codec._replace(fmtp=text or None)) == expected


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        (OpusParameters(), None),
        (OpusParameters(16000, 8000, 20000, True, True, True, True, True),
         "maxplaybackrate=16000;sprop-maxcapturerate=8000;maxaveragebitrate=20000;stereo=1;sprop-stereo=1;cbr=1;"
         "useinbandfec=1;usedtx=1"),
        (SilkParameters(), None),
        (SilkParameters(use_inband_fec=False), "useinbandfec=0"),
        (IlbcParameters(20), "mode=20"),
        (G729Parameters(), None),
        (G729Parameters(False), "annexb=no"),
        (SpeexParameters("vad", True, (3, 4)), 'vbr=vad;cng=on;mode="3,4"'),
        (EventParameters(frozenset((*range(16), 66, 70))), "0-15,66,70"),
        (NoParameters(), None),
    ],
)  # fmt: skip
def test_what_we_write_is_as_the_formats_have_it(parameters: fmtp.Parameters, text: str | None) -> None:
    assert fmtp.written(parameters) == text


texts = st.text(max_size=700) | st.lists(
    st.tuples(
        st.sampled_from(
            ["mode", "annexb", "vbr", "cng", "stereo", "maxaveragebitrate", "maxplaybackrate", "usedtx", "x"]
        ),
        st.text(max_size=12) | st.integers(-9, 10**12).map(str),
    ),
    max_size=50,
).map(lambda pairs: ";".join(f"{name}={value}" for name, value in pairs))
kinds = st.sampled_from([OPUS, SILK, ILBC, G729, SPEEX, EVENTS, Codec(96, "AMR", 8000), Codec(0, "PCMU", 8000)])


@given(kinds, texts)
def test_nothing_that_a_phone_writes_breaks_anything_and_what_is_read_is_written_the_same(
    codec: Codec, text: str
) -> None:
    said = codec._replace(fmtp=text)
    parameters = fmtp.read(said)
    again = codec._replace(fmtp=fmtp.written(parameters))
    assert fmtp.read(again) == parameters
    assert len(again.fmtp or "") <= fmtp.MAX_LENGTH
    for made in (fmtp.ours(said), fmtp.answered(said), fmtp.relayed(said, again)):
        assert made.same_format(codec)
        assert made.payload_type == codec.payload_type


@given(kinds, texts, texts)
def test_whatever_is_offered_the_answer_permits_what_the_two_then_agree_on(codec: Codec, asked: str, own: str) -> None:
    offered = codec._replace(fmtp=asked)
    for answer in (fmtp.answered(offered), fmtp.relayed(offered, codec._replace(fmtp=own))):
        here, there = fmtp.agreed(answer, offered), fmtp.agreed(offered, answer)
        if isinstance(here, IlbcParameters | G729Parameters):
            assert here == there, "both ends have to come to the same"


@pytest.mark.parametrize(("asked", "answer"), [("mode=20", "mode=20"), ("mode=30", "mode=30"), (None, "mode=30")])
def test_an_ilbc_offer_is_answered_with_its_mode(asked: str | None, answer: str) -> None:
    assert fmtp.answered(ILBC._replace(fmtp=asked)).fmtp == answer


def test_ilbc_is_offered_with_short_frames_and_an_answer_with_long_ones_counts() -> None:
    offer = fmtp.ours(ILBC)
    assert offer.fmtp == "mode=20"
    assert fmtp.agreed(offer, ILBC._replace(fmtp="mode=30")) == IlbcParameters(30)
    assert fmtp.agreed(offer, ILBC._replace(fmtp="mode=20")) == IlbcParameters(20)


def test_an_offer_of_long_ilbc_frames_is_not_answered_with_short_ones_that_the_far_phone_wants() -> None:
    assert fmtp.relayed(ILBC._replace(fmtp="mode=30"), ILBC._replace(fmtp="mode=20")).fmtp == "mode=30"


def test_annex_b_is_used_only_where_neither_side_refuses_it() -> None:
    no = G729._replace(fmtp="annexb=no")
    assert fmtp.answered(no).fmtp == "annexb=no"
    assert fmtp.answered(G729).fmtp is None
    assert fmtp.relayed(no, G729).fmtp == "annexb=no"
    assert fmtp.relayed(G729, no).fmtp == "annexb=no"
    assert fmtp.agreed(G729, no) == fmtp.agreed(no, G729) == G729Parameters(False)


def test_the_far_phones_parameters_pass_as_it_wrote_them() -> None:
    amr = Codec(96, "AMR", 8000, 1, "mode-set=0,2;octet-align=1")
    accepted = Codec(104, "AMR", 8000, 1, "octet-align=1; mode-change-period=2")
    assert fmtp.relayed(amr, accepted) == amr._replace(fmtp=accepted.fmtp)
    assert fmtp.relayed(OPUS._replace(fmtp="stereo=1"), OPUS).fmtp is None


def test_events_that_only_one_side_has_are_not_answered() -> None:
    assert fmtp.answered(EVENTS._replace(fmtp="0-15,66,70")).fmtp == "0-15"
    assert fmtp.answered(EVENTS._replace(fmtp="0-16")).fmtp == "0-16"
    assert fmtp.answered(EVENTS._replace(fmtp="192")).fmtp == "0-15"


# the catalogue


@pytest.mark.parametrize(
    ("text", "name"),
    [("Opus", "opus"), (" PCMU", "pcmu"), ("opus/48000", "opus"), ("SILK/16000", "silk/16000"), ("G722/8000", "g722"),
     ("silk", None), ("silk/44100", None), ("AMR", None), ("pcmu/16000", None), ("", None), ("opus/", None)],
)  # fmt: skip
def test_a_codecs_name_is_known_in_any_spelling(text: str, name: str | None) -> None:
    assert canonical_name(text) == name


def test_every_codec_of_the_catalogue_is_found_by_what_it_writes() -> None:
    numbers = [entry.codec.payload_type for entry in CATALOGUE.values()]
    assert len(set(numbers)) == len(numbers)
    for name, entry in CATALOGUE.items():
        assert name_of(entry.codec) == entry.name == name == canonical_name(name)
        assert entry.packet_ms % entry.frame_ms == entry.longest_ms % entry.frame_ms == 0
    assert name_of(Codec(96, "opus", 48000)) == "", "Opus has two channels in its rtpmap, always (RFC 7587 7)"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed([]) == ""


@pytest.mark.parametrize(
    ("name", "frame_ms", "ptime", "most", "packet"),
    [
        ("pcmu", 10, None, None, 20), ("pcmu", 10, 30, None, 30), ("pcmu", 10, 30, 20, 20), ("pcmu", 10, 35, None, 30),
        ("pcmu", 10, 5, None, 10), ("pcmu", 10, 1000, None, 60), ("pcmu", 10, None, 10, 10),
        ("ilbc", 30, None, None, 30), ("ilbc", 20, None, None, 20), ("ilbc", 30, 20, None, 30), ("ilbc", 20, 40, None, 40),
        ("ilbc", 30, None, 20, 30), ("gsm", 20, 30, None, 20), ("gsm", 20, 40, None, 40),
    ],
)  # fmt: skip
def test_packets_hold_whole_frames_and_no_more_than_the_phone_takes(
    name: str, frame_ms: int, ptime: int | None, most: int | None, packet: int
) -> None:
    assert packet_time(name, frame_ms, ptime, most) == packet
