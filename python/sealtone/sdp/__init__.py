"""Session descriptions and the audio of a leg: read from a phone, written as our own (RFC 8866, 3264, 4568, 8643)."""

from sealtone.sdp.attributes import SectionHead
from sealtone.sdp.audio import (
    MAX_CRYPTO_LINES,
    AudioDescription,
    read_answer,
    read_audio,
    read_audio_lines,
)
from sealtone.sdp.media import STATIC_CODECS, Codec, Direction
from sealtone.sdp.offer_answer import (
    Origin,
    OwnDescription,
    answer_codecs,
    answer_direction,
    numbered_as,
    payload_map,
    permitted_codecs,
    renumbered,
    write_audio,
)
from sealtone.sdp.session import Line, MediaSection, SdpError, SessionDescription

__all__ = [
    "MAX_CRYPTO_LINES",
    "STATIC_CODECS",
    "AudioDescription",
    "Codec",
    "Direction",
    "Line",
    "MediaSection",
    "Origin",
    "OwnDescription",
    "SdpError",
    "SectionHead",
    "SessionDescription",
    "answer_codecs",
    "answer_direction",
    "numbered_as",
    "payload_map",
    "permitted_codecs",
    "read_answer",
    "read_audio",
    "read_audio_lines",
    "renumbered",
    "write_audio",
]
