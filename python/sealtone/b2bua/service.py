"""What a service of the server says of its codecs to the phone that it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sealtone.sdp import Codec, permitted_codecs

if TYPE_CHECKING:
    from sealtone.b2bua.leg import Leg

_BASIC_CODECS = (
    Codec(8, "PCMA", 8000),
    Codec(0, "PCMU", 8000),
    Codec(101, "telephone-event", 8000, 1, "0-16"),
)


def first_codec(leg: Leg) -> tuple[Codec, ...]:
    """The phone's first permitted codec, and telephone-event."""
    codecs = leg.codecs_for_peer()
    return tuple([codec for codec in codecs if codec.is_telephone_event or codec is codecs[0]])


def basic_codecs(leg: Leg) -> tuple[Codec, ...]:
    """What is offered to a phone that offered nothing."""
    return permitted_codecs(_BASIC_CODECS, leg.user.codecs) or _BASIC_CODECS
