"""How two legs of a call go together: what passes from one to the other is codecs, packet times and a direction.

`codec_choice.py` decides what each phone is told of the codecs, and how the legs are joined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sealtone.b2bua import codec_choice
from sealtone.b2bua.leg_media import Refused, packets_in
from sealtone.sdp import Codec, Direction, numbered_as

if TYPE_CHECKING:
    from sealtone.b2bua.leg import Leg
    from sealtone.model import OfferPlan


def offer_for(leg: Leg, far: Leg, direction: Direction | None, plan: OfferPlan | None = None) -> bytes:
    """An offer to `leg`'s phone of what `far`'s phone said. Raises `Refused`."""
    return leg.offer(far.codecs_for_peer(), direction, plan, packets_in(far.said))


def answer_for(leg: Leg, far: Leg, *, early: bool = False) -> bytes:
    """The answer to `leg`'s phone, by what `far`'s phone said. Raises `Refused`."""
    return leg.answer(far.codecs_for_peer(), far.remote_direction(), early=early, packets=packets_in(far.said))


def encodings(leg: Leg) -> codec_choice.Encodings:
    """What the server may decode in the leg's call: nothing where it hears nothing, or answers itself."""
    call = leg.call
    return call.exchange.encodings if leg.sealed is None and call.service is None else frozenset()


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
    """Whether the phone's offer under way asks for other codecs, and nothing else, than was `visible` `before`, and the
    server can see to it that the other phone goes on as it is."""
    if leg.sealed is not None or before[1] is not leg.said.direction:
        return False
    return codec_choice.stays(leg.said.codecs, other.codecs_for_peer(), leg.user.codecs, encodings(leg))


def join(a: Leg, b: Leg) -> None:
    """Join two legs that may flow: by passing packets on, or through codecs. What is sealed passes as it is."""
    exchange = a.call.exchange
    media, theirs = a.media, b.media
    through_codecs = (
        a.sealed is None
        and media is not None
        and theirs is not None
        and codec_choice.joining(media, theirs, exchange.encodings) == "transcode"
    )
    a.transcoded = b.transcoded = through_codecs
    if through_codecs:
        exchange.plane.transcode(a.port.id, b.port.id)
    else:
        exchange.plane.bridge(a.port.id, b.port.id, a.payload_map_to(b), b.payload_map_to(a))
