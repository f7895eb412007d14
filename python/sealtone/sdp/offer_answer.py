"""Our own descriptions for a leg, and the codec arithmetic between two legs (RFC 3264).

A back-to-back user agent writes each leg's description itself. What passes from one leg to the other is only a list
of codecs (`Codec`), a packet time and a direction; addresses, ports, keys and profile are each leg's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sealtone.sdp.audio import AudioDescription
from sealtone.sdp.media import Codec, Direction
from sealtone.sdp.remember import remembered
from sealtone.sdp.session import SdpError

_FIRST_DYNAMIC, _LAST_DYNAMIC = 96, 127


class Origin(NamedTuple):
    """The o= line's session id and version; the version rises with every change of the body (RFC 3264, 8)."""

    session_id: int
    version: int = 1


def write_audio(audio: AudioDescription, origin: Origin) -> bytes:
    """Our description of a leg: `audio` in its place in the layout, every other m-line refused with port 0.

    Raises ValueError for a profile that demands SRTP without a key line: such a description would be a lie.
    """
    if audio.is_secure_profile and not audio.crypto:
        raise ValueError("an RTP/SAVP description needs a key line")
    family = "IP6" if ":" in audio.address else "IP4"
    connection = f"IN {family} {audio.address}"
    parts = [
        f"v=0\r\no=- {origin.session_id} {origin.version} {connection}\r\ns=-\r\nc={connection}\r\nt=0 0\r\n",
    ]
    if not audio.layout:
        _write_section(parts, audio)
    for index, head in enumerate(audio.layout):
        if index == audio.section:
            _write_section(parts, audio)
        else:
            parts.append(f"m={head.media} 0 {head.profile} {head.formats[0]}\r\n")
    return "".join(parts).encode("utf-8", "surrogateescape")


def _write_section(parts: list[str], audio: AudioDescription) -> None:
    formats, maps = _codec_lines(audio.codecs)
    parts.append(f"m=audio {audio.port} {audio.profile} {formats}\r\n{maps}")
    if audio.ptime_ms is not None:
        parts.append(f"a=ptime:{audio.ptime_ms}\r\n")
    if audio.maxptime_ms is not None:
        parts.append(f"a=maxptime:{audio.maxptime_ms}\r\n")
    for attribute in audio.crypto:
        parts.append(f"a=crypto:{attribute}\r\n")
    for value in audio.zrtp_hashes:
        parts.append(f"a=zrtp-hash:{value}\r\n")
    if audio.rtcp is not None:
        address, port = audio.rtcp
        family = "IP6" if ":" in address else "IP4"
        parts.append(f"a=rtcp:{port} IN {family} {address}\r\n")
    if audio.rtcp_mux:
        parts.append("a=rtcp-mux\r\n")
    parts.append(f"a={audio.direction}\r\n")


@remembered  # the same few lists in nearly all calls
def _codec_lines(codecs: tuple[Codec, ...]) -> tuple[str, str]:
    """The formats of the m-line, and the lines that say what they are."""
    lines: list[str] = []
    for payload_type, encoding, clock, channels, fmtp in codecs:
        encoded = f"{encoding}/{clock}" if channels == 1 else f"{encoding}/{clock}/{channels}"
        lines.append(f"a=rtpmap:{payload_type} {encoded}\r\n")
        if fmtp is not None:
            lines.append(f"a=fmtp:{payload_type} {fmtp}\r\n")
    return " ".join([str(codec.payload_type) for codec in codecs]), "".join(lines)


class OwnDescription:
    """What we last told one leg's peer, so that the o= version rises exactly when the body changes.

    `written` is the last body, b"" before the first.
    """

    __slots__ = ("_audio", "origin", "written")

    def __init__(self, session_id: int) -> None:
        self.origin = Origin(session_id, 0)
        self.written = b""
        self._audio: AudioDescription | None = None

    @property
    def audio(self) -> AudioDescription | None:
        """The description last written."""
        return self._audio

    def write(self, audio: AudioDescription) -> bytes:
        """The body for `audio`: the last one again when nothing changed, else one with a new version."""
        if audio != self._audio:
            self.origin = Origin(self.origin.session_id, self.origin.version + 1)
            self.written = write_audio(audio, self.origin)
            self._audio = audio
        return self.written


def answer_codecs(offered: Sequence[Codec], accepted: Sequence[Codec]) -> tuple[Codec, ...]:
    """The answer to `offered` when the far leg accepted `accepted`.

    The order and fmtp are the far leg's, the payload types the offerer's. Empty when no voice codec is common
    (telephone-event and comfort noise alone carry no call).
    """
    answer: list[Codec] = []
    for codec, match in zip(accepted, _partners(accepted, offered), strict=True):
        if match is not None:
            answer.append(match._replace(fmtp=codec.fmtp) if match.fmtp != codec.fmtp else match)
    return tuple(answer) if any(map(_is_voice, answer)) else ()


def numbered_as(codecs: Sequence[Codec], far: Sequence[Codec]) -> tuple[Codec, ...]:
    """`codecs` under the payload types that `far` has for them; those that it does not have keep theirs."""
    partners = zip(codecs, _partners(codecs, far), strict=True)
    return tuple(
        [codec if match is None else codec._replace(payload_type=match.payload_type) for codec, match in partners]
    )


def payload_map(received: Sequence[Codec], sent: Sequence[Codec]) -> dict[int, int]:
    """From each payload type that arrives on one leg to the one under which it leaves on the other.

    The map for the other direction is this one turned round.
    """
    partners = zip(received, _partners(received, sent), strict=True)
    return {codec.payload_type: match.payload_type for codec, match in partners if match is not None}


def permitted_codecs(codecs: Iterable[Codec], names: Sequence[str]) -> tuple[Codec, ...]:
    """Those of `codecs` that a user's list of names allows, in the list's order; all of them when it is empty.

    Names are encodings ("opus", "PCMU", "G722"), compared without case, a clock in Hz after a slash where it matters
    ("speex/16000"). telephone-event and CN go with any voice codec and keep their place at the end.
    """
    if not names:
        return tuple(codecs)
    rank = {name.lower(): place for place, name in enumerate(names)}
    voice: list[tuple[int, Codec]] = []
    others: list[Codec] = []
    for codec in codecs:
        if not _is_voice(codec):
            others.append(codec)
            continue
        encoding = codec.encoding.lower()
        place = rank.get(f"{encoding}/{codec.clock}", rank.get(encoding))
        if place is not None:
            voice.append((place, codec))
    if not voice:
        return ()
    voice.sort(key=lambda entry: entry[0])
    return (*(codec for _, codec in voice), *others)


def renumbered(codecs: Iterable[Codec], known: Sequence[Codec]) -> tuple[Codec, ...]:
    """`codecs` of one leg as a new offer to the other, whose session already uses `known`.

    A payload type keeps its meaning for the whole session (RFC 3264, 8.3.2): formats the leg knows get its numbers,
    new ones keep theirs unless taken, and then get a free dynamic one. Raises `SdpError` when none is left.
    """
    codecs = tuple(codecs)
    taken = {codec.payload_type: codec for codec in known}
    result: list[Codec] = []
    for codec, match in zip(codecs, _partners(codecs, known), strict=True):
        if match is not None:
            payload_type = match.payload_type
        else:
            payload_type = codec.payload_type if codec.payload_type not in taken else _unused(taken)
        taken[payload_type] = codec
        result.append(codec if payload_type == codec.payload_type else codec._replace(payload_type=payload_type))
    return tuple(result)


def answer_direction(offered: Direction, wanted: Direction = Direction.SENDRECV) -> Direction:
    """The direction of an answer: what the offer leaves us, less what we do not want (RFC 3264, 6.1)."""
    return offered.reverse.intersect(wanted)


def _partners(ones: Sequence[Codec], others: Sequence[Codec]) -> list[Codec | None]:
    """For each of `ones` the same format among `others`, each used once.

    Those that share their payload type too are paired first, then those that share their fmtp, then the rest in order.
    Each step pairs by an equivalence, so that both directions come to the same pairs.
    """
    by_payload_type = {codec.payload_type: codec for codec in others}
    if ones == others and len(by_payload_type) == len(others):
        return list(others)  # as in most calls
    partners: list[Codec | None] = []
    for codec in ones:
        other = by_payload_type.get(codec.payload_type)
        partners.append(other if other is not None and codec.same_format(other) else None)
    if None not in partners:
        return partners
    free = [codec for codec in others if codec not in partners]
    for fmtp_counts in (True, False):
        for place, codec in enumerate(ones):
            if partners[place] is None:
                for other in free:
                    if codec.same_format(other) and (codec.fmtp == other.fmtp or not fmtp_counts):
                        partners[place] = other
                        free.remove(other)
                        break
    return partners


def _is_voice(codec: Codec) -> bool:
    return codec.encoding.lower() not in ("telephone-event", "cn", "red", "ulpfec")


def _unused(taken: Mapping[int, Codec]) -> int:
    for payload_type in range(_LAST_DYNAMIC, _FIRST_DYNAMIC - 1, -1):
        if payload_type not in taken:
            return payload_type
    raise SdpError("no payload type is left for another codec")
