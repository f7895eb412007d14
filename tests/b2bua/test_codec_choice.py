"""The choice of codecs for each leg: whatever two phones and their users have, it is consistent and orderly."""

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sealtone.b2bua.codec_choice import answered, could_pass, joined, joining, known_after, offered, payloads_of
from sealtone.b2bua.leg_media import Negotiated, Refused, map_between
from sealtone.sdp import AudioDescription, Codec, permitted_codecs
from sealtone.sdp.catalogue import CATALOGUE, is_voice, name_of

EVERYTHING = frozenset(
    ("opus", "silk", "g729", "ilbc", "g722", "pcmu", "pcma", "gsm", "speex", "telephone-event", "cn")
)
EVENTS = Codec(101, "telephone-event", 8000, 1, "0-15")
VOICES = [entry.codec for entry in CATALOGUE.values()]
OTHERS = [Codec(100, "AMR", 8000), Codec(104, "EVS", 16000)]


@st.composite
def phones(draw: st.DrawFn) -> tuple[Codec, ...]:
    """What a phone offers: voice codecs, events and noise, under payload types as it likes."""
    voices = draw(st.lists(st.sampled_from(VOICES + OTHERS), min_size=1, max_size=6, unique=True))
    extra = draw(
        st.lists(
            st.sampled_from([EVENTS, EVENTS._replace(clock=48000), Codec(13, "CN", 8000)]), max_size=3, unique=True
        )
    )
    free = draw(st.permutations(range(96, 128)))
    codecs = [codec if codec.payload_type < 96 else codec._replace(payload_type=free.pop()) for codec in voices + extra]
    if draw(st.booleans()):
        codecs = [
            codec._replace(fmtp=draw(st.sampled_from(["mode=20", "mode=30"]))) if codec.encoding == "iLBC" else codec
            for codec in codecs
        ]
    return tuple(codecs)


names = st.just(()) | st.lists(st.sampled_from(sorted(CATALOGUE)), min_size=1, max_size=5, unique=True).map(tuple)
servers = st.just(frozenset()) | st.frozensets(st.sampled_from(sorted(EVERYTHING))) | st.just(EVERYTHING)


def answer_of(phone: tuple[Codec, ...], offer: tuple[Codec, ...], own_order: bool, several: bool) -> tuple[Codec, ...]:
    """What a phone answers: the codecs that it has, by the offer's order or its own, one or all."""
    common = [codec for codec in offer if any(codec.same_format(mine) for mine in phone)]
    if own_order:
        common.sort(key=lambda codec: next(i for i, mine in enumerate(phone) if mine.same_format(codec)))
    voice = [codec for codec in common if is_voice(codec)]
    return (*(voice if several else voice[:1]), *(codec for codec in common if not is_voice(codec))) if voice else ()


def described(codecs: tuple[Codec, ...]) -> AudioDescription:
    return AudioDescription("192.0.2.1", 4000, codecs)


def call(
    a: tuple[Codec, ...],
    b: tuple[Codec, ...],
    of_a: tuple[str, ...],
    of_b: tuple[str, ...],
    server: frozenset[str],
    own_order: bool,
    several: bool,
) -> tuple[Negotiated, Negotiated] | None:
    """What the legs of a call from `a` to `b` agree on; None where it cannot be."""
    try:
        source = permitted_codecs(a, of_a)
        offer = offered(source, of_b, server, ())
        answer = answer_of(b, offer, own_order, several)
        if not answer:
            return None
        told = answered(a, answer, of_a, server)
    except Refused:
        return None
    return (
        Negotiated(described(a), described(told), told),
        Negotiated(described(answer), described(offer), answer),
    )


@given(phones(), names, names, servers)
def test_an_offer_names_the_common_codecs_first_and_no_number_twice(
    source: tuple[Codec, ...], of_source: tuple[str, ...], of_user: tuple[str, ...], server: frozenset[str]
) -> None:
    try:
        offer = offered(source, of_user, server, ())
    except Refused as refusal:
        why = refusal
        offer = ()
    if not offer:
        assert why.status == 488
        assert "no codec in common" in why.reason
        return
    numbers = [codec.payload_type for codec in offer]
    assert len(set(numbers)) == len(numbers)
    voice = [codec for codec in offer if is_voice(codec)]
    assert voice
    common = [any(codec.same_format(theirs) for theirs in source) for codec in voice]
    assert common == sorted(common, reverse=True), "what is common comes first"
    for part in (voice[: sum(common)], voice[sum(common) :]):
        ranks = [of_user.index(name_of(codec)) for codec in part] if of_user else []
        assert ranks == sorted(ranks), "each part is in the user's order"
    assert all(codec.encoding.lower() in server for codec in voice[sum(common) :])
    clocks = {codec.clock for codec in voice}
    assert all(codec.clock in clocks or codec in source for codec in offer if codec.is_telephone_event), (
        "events of ours are in the clock of a voice codec"
    )


@given(phones(), names, servers, st.lists(phones(), max_size=3))
def test_a_number_never_changes_its_meaning_within_a_session(
    first: tuple[Codec, ...], of_user: tuple[str, ...], server: frozenset[str], later: list[tuple[Codec, ...]]
) -> None:
    known: tuple[Codec, ...] = ()
    meanings: dict[int, Codec] = {}
    for source in (first, *later):
        try:
            offer = offered(source, of_user, server, known)
        except Refused:
            continue
        known = known_after(known, offer)
        for codec in offer:
            assert meanings.setdefault(codec.payload_type, codec).same_format(codec)


@given(phones(), phones(), names, names, servers, st.booleans(), st.booleans())
def test_both_legs_agree_on_something_that_reaches_the_other(
    a: tuple[Codec, ...],
    b: tuple[Codec, ...],
    of_a: tuple[str, ...],
    of_b: tuple[str, ...],
    server: frozenset[str],
    own_order: bool,
    several: bool,
) -> None:
    legs = call(a, b, of_a, of_b, server, own_order, several)
    assume(legs is not None)
    assert legs is not None
    one, other = legs
    for leg, names_ in ((one, of_a), (other, of_b)):
        numbers = [codec.payload_type for codec in leg.local.codecs]
        assert len(set(numbers)) == len(numbers)
        assert all(not names_ or name_of(codec) in names_ for codec in leg.agreed if is_voice(codec))
        assert all(any(codec.same_format(said) for said in leg.remote.codecs) for codec in leg.agreed)
    how = joining(one, other, server)
    choices = [next(codec for codec in leg.agreed if is_voice(codec)) for leg in legs]
    if how == "transcode":
        for leg, choice in zip(legs, choices, strict=True):
            assert choice.encoding.lower() in server
            assert payloads_of(leg).transmit[0].encoding == choice.encoding.lower()
            numbers = [one.payload_type for one in payloads_of(leg).formats]
            assert len(set(numbers)) == len(numbers)
            assert set(numbers) >= {codec.payload_type for codec in leg.agreed if name_of(codec)}
    else:
        mapping = joined(one, other, server).map_ab
        assert mapping == map_between(one, other)
        assert len(set(mapping.values())) == len(mapping)
        if choices[0].same_format(choices[1]):
            assert mapping[choices[0].payload_type] == choices[1].payload_type


@given(phones(), phones(), servers)
def test_phones_that_follow_an_offers_order_are_transcoded_only_where_they_share_nothing(
    a: tuple[Codec, ...], b: tuple[Codec, ...], server: frozenset[str]
) -> None:
    legs = call(a, b, (), (), server, own_order=False, several=True)
    share = any(is_voice(codec) and codec.same_format(other) for codec in a for other in b)
    if legs is None:
        assert not share
        return
    has_ilbc = any(codec.encoding == "iLBC" for codec in (*a, *b))
    assert (joining(*legs, server) == "pass") is share or has_ilbc


@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow], deadline=None)
@given(phones(), phones(), names, names)
def test_phones_that_choose_by_their_own_order_can_be_brought_to_the_common_codec_they_listed(
    a: tuple[Codec, ...], b: tuple[Codec, ...], of_a: tuple[str, ...], of_b: tuple[str, ...]
) -> None:
    legs = call(a, b, of_a, of_b, EVERYTHING, own_order=True, several=True)
    assume(legs is not None)
    assert legs is not None
    one, other = legs
    assume(could_pass(other.agreed, one.agreed))
    offer = offered(one.agreed, of_b, frozenset(), known_after((), other.local.codecs))
    answer = answer_of(b, offer, True, True)
    changed = Negotiated(described(answer), described(offer), answer)
    assert not could_pass(changed.agreed, one.agreed)
    has_ilbc = any(codec.encoding == "iLBC" for codec in one.agreed)
    assert joining(one, changed, EVERYTHING) == "pass" or has_ilbc


@given(phones(), names, servers)
def test_the_same_question_has_the_same_answer_object(
    source: tuple[Codec, ...], of_user: tuple[str, ...], server: frozenset[str]
) -> None:
    try:
        assert offered(source, of_user, server, ()) is offered(tuple(source), of_user, server, ())
    except Refused:
        return


def test_what_a_phone_calls_its_codecs_is_not_repeated_to_the_letter_in_a_reason() -> None:
    strange = (Codec(96, "<b>\x1b[31mx" + "y" * 200, 8000),)
    with pytest.raises(Refused) as refused:
        offered(strange, ("g729",), frozenset(), ())
    reason = refused.value.reason
    assert "\x1b" not in reason
    assert "<" not in reason
    assert len(reason) < 300


@pytest.mark.parametrize("voice", ["opus", "pcma", "speex/16000"])
def test_keys_are_read_from_events_of_every_clock_and_sent_in_that_of_the_voice(voice: str) -> None:
    entry = CATALOGUE[voice].codec
    events = [Codec(97 + place, "telephone-event", clock) for place, clock in enumerate((48000, 16000, 8000))]
    agreed = (entry, *events)
    ours = (entry, *(codec._replace(payload_type=codec.payload_type + 10) for codec in events))
    payloads = payloads_of(Negotiated(described(agreed), described(ours), agreed))
    read = [one for one in payloads.formats if one.encoding == "telephone-event"]
    assert {(one.payload_type, one.clock) for one in read} == {
        (codec.payload_type, codec.clock) for codec in (*events, *ours[1:])
    }, "under both numbers"
    assert payloads.transmit[1].clock == entry.clock
