"""What a service of the server says of its codecs to the phone that it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sealtone.b2bua.codec_choice import decodable, of_our_own
from sealtone.sdp import Codec, permitted_codecs
from sealtone.sdp.catalogue import is_voice

if TYPE_CHECKING:
    from sealtone.b2bua.leg import Leg

_BASIC_CODECS: Final = (
    Codec(8, "PCMA", 8000),
    Codec(0, "PCMU", 8000),
    Codec(101, "telephone-event", 8000, 1, "0-16"),
)


def first_codec(leg: Leg) -> tuple[Codec, ...]:
    """The phone's first permitted codec that the server can speak in (else its first at all), and telephone-event."""
    codecs = leg.codecs_for_peer()
    encodings = leg.call.exchange.encodings
    spoken = [codec for codec in codecs if is_voice(codec) and decodable((codec,), encodings)]
    best = (spoken or codecs)[:1]
    return tuple([codec for codec in codecs if codec.is_telephone_event or codec in best])


def own_codecs(leg: Leg) -> tuple[Codec, ...]:
    """What is offered to a phone that asks for an offer: what it has in use, if anything, and its user's codecs as far
    as the server can speak them. Where it can speak none, what most phones have."""
    in_use = first_codec(leg) if leg.described else ()
    spoken = of_our_own(leg.user.codecs, leg.call.exchange.encodings)
    more = tuple([codec for codec in spoken if not any(map(codec.same_format, in_use))])
    return (*in_use, *more) or permitted_codecs(_BASIC_CODECS, leg.user.codecs) or _BASIC_CODECS
