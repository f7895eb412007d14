"""Descriptions of one audio line in the usual order, read with two searches and a look into a table.

Reading line by line costs some fifteen microseconds, twice a call. But the phones of one make say the same in every
call, apart from addresses, ports and keys: what all other attributes come to is remembered by their text. Whatever is
not of this form, or wrong in any way, is left to the careful reading of `audio.py`, which stays the measure; a property
test holds the two against each other.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from sealtone.sdp.attributes import Attributes, SectionHead, session_direction
from sealtone.sdp.media import Codec, Direction, read_codecs
from sealtone.sdp.session import Line, SdpError

_LONGEST: Final = 2_048
"""Longer bodies are read with care. No line of a shorter one can be too long, nor can there be too many."""

_PLAIN: Final = re.compile(
    r"v=0\r\no=[ -~]*\r\ns=[ -~]*\r\n(?:c=(IN IP4 [0-9.]+)\r\n)?(?:b=[ -~]*\r\n)*t=[ -~]*\r\n((?:a=[ -~]*\r\n)*)"
    r"m=audio ([1-9][0-9]{0,4}) (RTP/S?AVPF?)((?: [0-9]{1,3}){1,64})\r\n"
    r"(?:c=(IN IP4 [0-9.]+)\r\n)?(?:b=[ -~]*\r\n)*((?:a=[ -~]*\r\n)*)"
).fullmatch
# What differs from call to call.
_CHANGING: Final = re.compile(
    r"^a=((?:crypto|rtcp|zrtp-hash|ssrc|candidate|ice-ufrag|ice-pwd|fingerprint):[ -~]*)\r\n", re.MULTILINE
)


class PlainAudio(NamedTuple):
    """An audio line as it was found; `connection` is the value of its c=, `changing` what `lasting` leaves out."""

    connection: str
    port: int
    lasting: Lasting
    changing: Attributes | None


class Lasting(NamedTuple):
    """What the attributes came to that a phone repeats in every call."""

    profile: str
    codecs: tuple[Codec, ...]
    direction: Direction
    rtcp_mux: bool
    ptime_ms: int | None
    maxptime_ms: int | None
    layout: tuple[SectionHead, ...]


def read_plain(body: bytes) -> PlainAudio | None:
    """The audio line of a plain description; None where it has to be read with care."""
    if len(body) > _LONGEST:
        return None
    try:
        found = _PLAIN(body.decode("ascii"))
    except UnicodeDecodeError:
        return None
    if found is None:
        return None
    shared, session_attributes, port_text, profile, formats, own, attributes = found.groups()
    port, connection = int(port_text), own or shared
    if connection is None or port > 65_535:
        return None
    try:
        changing = None
        lines: list[str] = _CHANGING.findall(attributes)
        if lines:
            changing = Attributes([Line("a", line) for line in lines])
            attributes = _CHANGING.sub("", attributes)
        lasting = _lasting(profile, formats, attributes, session_attributes)
    except SdpError:
        return None
    return PlainAudio(connection, port, lasting, changing) if lasting is not None else None


@lru_cache(maxsize=512)
def _lasting(profile: str, formats: str, attributes: str, session_attributes: str) -> Lasting | None:
    said = Attributes(_lines(attributes))
    if said.crypto or said.rtcp is not None or said.zrtp_hashes:
        return None  # spelled in a way that is not sorted out above
    numbers = tuple(formats.split())
    codecs = read_codecs(numbers, said.rtpmaps, said.fmtps)
    if not codecs:
        return None
    return Lasting(
        profile,
        codecs,
        said.direction or session_direction(_lines(session_attributes)) or Direction.SENDRECV,
        said.rtcp_mux,
        said.ptime_ms,
        said.maxptime_ms,
        (SectionHead("audio", profile, numbers),),
    )


def _lines(text: str) -> list[Line]:
    return [Line("a", line[2:]) for line in text.split("\r\n")[:-1]]
