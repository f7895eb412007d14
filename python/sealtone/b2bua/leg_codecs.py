"""How two legs of a call go together: what passes from one to the other is codecs, packet times and a direction.

`codec_choice.py` decides what each phone is told of the codecs, and how the legs are joined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sealtone.b2bua import codec_choice
from sealtone.b2bua.leg_media import Refused, packets_in
from sealtone.model.record import transcoding_drawn
from sealtone.sdp import Codec, Direction, numbered_as
from sealtone.sdp.remember import remembered

if TYPE_CHECKING:
    from sealtone.b2bua.leg import Leg
    from sealtone.model import OfferPlan


def offer_for(
    leg: Leg, far: Leg, direction: Direction | None, plan: OfferPlan | None = None, fully: bool = False
) -> bytes:
    """An offer to `leg`'s phone of what `far`'s phone said. Raises `Refused`."""
    return leg.offer(far.codecs_for_peer(), direction, plan, packets_in(far.said), fully)


def answer_for(leg: Leg, far: Leg, *, early: bool = False) -> bytes:
    """The answer to `leg`'s phone, by what `far`'s phone said. Raises `Refused`."""
    return leg.answer(far.codecs_for_peer(), far.remote_direction(), early=early, packets=packets_in(far.said))


def encodings(leg: Leg) -> codec_choice.Encodings:
    """What the server may decode in the leg's call: nothing where it hears nothing, or answers itself."""
    call = leg.call
    return call.exchange.encodings if leg.sealed is None and call.service is None else codec_choice.NOTHING


def offered(leg: Leg, codecs: tuple[Codec, ...], fully: bool) -> tuple[Codec, ...]:
    """What to offer to the phone, where the other one has `codecs`: these alone where it is known to have one of them,
    else, or `fully`, what the server can turn them into too. Raises `Refused`."""
    known = leg.meanings.known if leg.sealed is None else ()
    suffice = leg.media is not None and not fully and codec_choice.shares(codecs, leg.user.codecs, leg.said.codecs)
    return codec_choice.offered(codecs, leg.user.codecs, encodings(leg), known, suffice)


def answer_with(leg: Leg, codecs: tuple[Codec, ...]) -> tuple[Codec, ...]:
    """What to answer to the phone's offer where the other one has chosen from `codecs`. Raises `Refused`."""
    chosen = codec_choice.answered(leg.said.codecs, codecs, leg.user.codecs, encodings(leg))
    return chosen if leg.sealed is None else numbered_as(chosen, codecs)


def still_holds(leg: Leg, told: tuple[Codec, ...], other: Leg) -> bool:
    """Whether a phone that was `told` its codecs need not be told others, now that the other phone has chosen.

    It need not either where that would save no transcoding.
    """
    codecs = other.codecs_for_peer()
    try:
        if answer_with(leg, codecs) == told:
            return True
    except Refused:
        return False
    return not codec_choice.gains(leg.said.codecs, codecs) and codec_choice.decodable(told, encodings(leg))


def can_go_beside(leg: Leg, before: tuple[object, ...], other: Leg) -> bool:
    """Whether the phone's offer under way asks for other codecs or packets, and nothing else, than was `visible`
    `before`, and the server can see to it that the other phone goes on as it is."""
    codecs, direction, ptime_ms, *_ = before
    said = leg.said
    if leg.sealed is not None or direction is not said.direction:
        return False
    if said.ptime_ms != ptime_ms and said.codecs == codecs and not leg.transcoded:
        return False  # packets are passed on as the other phone makes them: it is told the wish
    return codec_choice.stays(leg.said.codecs, other.codecs_for_peer(), leg.user.codecs, encodings(leg))


def to_narrow(a: Leg, b: Leg) -> Leg | None:
    """Whose phone should be offered the common codecs alone, so that nothing need be transcoded. Each is asked once."""
    mine, theirs = a.chosen_codec, b.chosen_codec
    if mine is None or theirs is None or mine.same_format(theirs):  # as in most calls
        return None
    ours, other = a.media, b.media
    if a.sealed is not None or ours is None or other is None:
        return None
    for leg, its, far in ((b, other, ours), (a, ours, other)):
        if not leg.narrowed and codec_choice.could_pass(its.agreed, far.agreed):
            return leg
    return None


def join(a: Leg, b: Leg) -> None:
    """Join two legs that may flow: by passing packets on, or through codecs. What is sealed passes as it is."""
    exchange = a.call.exchange
    media, theirs = a.media, b.media
    if media is None or theirs is None:
        a.transcoded = b.transcoded = False
        exchange.plane.bridge(a.port.id, b.port.id, {}, {})
        return
    server = exchange.encodings if a.sealed is None else codec_choice.NOTHING
    transcodes, map_ab, map_ba = codec_choice.joined(media, theirs, server)
    a.transcoded = b.transcoded = transcodes
    if transcodes:
        exchange.plane.transcode(a.port.id, b.port.id)
    else:
        exchange.plane.bridge(a.port.id, b.port.id, map_ab, map_ba)


def follow_switch(leg: Leg, payload_type: int) -> bool:
    """Whether a phone sends a codec that was agreed with it and that the other one lacks: it will be heard through
    codecs then, until it is agreed anew on something. What passes unseen is nothing to us."""
    media, other = leg.media, leg.call.other(leg)
    if media is None or other is None or leg.sealed is not None or leg.transcoded:
        return False
    codec = codec_choice.sent_as(media, payload_type, encodings(leg))
    if codec is not None:
        leg.sends = codec
    return codec is not None


class InUse(NamedTuple):
    """What a leg's phone sends and is sent: codecs as text, and the sound in one packet to it, milliseconds."""

    rx: str = ""
    tx: str = ""
    ptime_ms: int | None = None


def in_use(leg: Leg) -> InUse:
    """By what is agreed. Packets that are passed on are as the other phone makes them."""
    chosen, wanted = leg.chosen_codec, leg.transmits
    if chosen is None:
        return InUse()
    if leg.sends is not None:
        return InUse(text_of(leg.sends), text_of(chosen), wanted[0].packet_ms if wanted else None)
    sent, packet_ms = text_of(chosen), wanted[0].packet_ms if wanted else leg.said.ptime_ms
    other = leg.call.other(leg)
    theirs = other.chosen_codec if other is not None and not leg.transcoded else None
    if theirs is None or theirs is chosen or theirs.same_format(chosen):
        return InUse(sent, sent, packet_ms)
    agreed = leg.media.agreed if leg.media is not None else ()
    return InUse(sent, text_of(next(filter(theirs.same_format, agreed), chosen)), packet_ms)


@remembered
def text_of(codec: Codec | None) -> str:
    """As records have it: ``opus/48000``."""
    return f"{codec.encoding}/{codec.clock}" if codec is not None else ""


def transcoding(a: Leg, b: Leg | None) -> str:
    """How a call is drawn whose legs go through codecs, after a comma; empty for any other."""
    if b is None or not (a.transcoded and b.transcoded):
        return ""
    return f", {transcoding_drawn(text_of(a.chosen_codec), text_of(b.chosen_codec))}"


def why_refused(leg: Leg, status: int, reason: str) -> str:
    """What a phone's refusal is to be told as: with what it was offered, where it accepts none of that."""
    if status not in (415, 488, 606) or leg.offer_plan is None:
        return reason
    offered = f"{codec_choice.named(leg.meanings.known)}; {leg.offer_plan.profile}"
    return f"The phone of {leg.aor} accepts nothing of what it was offered ({offered}): {reason}"
