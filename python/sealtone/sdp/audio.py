"""The audio of a session description, typed: what a leg's peer says it sends, receives and encrypts with.

How it works, and its rules:

1. `read_audio_lines` gives every audio line that could carry a call, in order; which one to take when there are
   several is policy, and stands in `sealtone.model.policy`.
2. Only what is named in `AudioDescription` goes on. ICE candidates, fingerprints, SSRCs, rtcp-fb, bandwidth and all
   other attributes end here, so that nothing of one leg can reach the other by accident.
3. Two statements that contradict each other (two directions, two meanings of a payload type, one crypto tag twice)
   make the description invalid: whichever we picked, the phone might have meant the other.
4. a=zrtp-hash is kept as its writer wrote it, since it passes unchanged where ZRTP goes from phone to phone.
5. a=crypto lines that must not be used are passed over with their reason kept, as RFC 4568 (5.1.2) has it.
   At session level a=crypto has no meaning (RFC 4568, 4).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sealtone.sdp.attributes import Attributes, SectionHead, session_direction
from sealtone.sdp.media import NULL_ADDRESSES, Codec, Direction, read_address, read_codecs
from sealtone.sdp.plain import PlainAudio, read_plain
from sealtone.sdp.session import MediaSection, SdpError, SessionDescription
from sealtone.srtp_keys import CryptoAttribute, CryptoError

MAX_CRYPTO_LINES: Final = 24

# The profiles that can be keyed by SDES or not at all. UDP/TLS/... is keyed by DTLS.
RTP_PROFILES: Final = frozenset({"RTP/AVP", "RTP/SAVP", "RTP/AVPF", "RTP/SAVPF"})


class AudioDescription(NamedTuple):
    """The audio line of one side of a leg, received or to be written. Cheap to make and to `_replace`.

    Addresses are IP literals (IPv6 without brackets). `write_audio` writes it, `read_audio` reads it.
    """

    address: str
    port: int
    codecs: tuple[Codec, ...]
    """In order of preference, telephone-event included."""
    profile: str = "RTP/AVP"
    """One of RTP/AVP, RTP/SAVP, RTP/AVPF, RTP/SAVPF."""
    direction: Direction = Direction.SENDRECV
    """From its writer's view. When read with a null address (RFC 2543 hold) it no longer receives."""
    crypto: tuple[CryptoAttribute, ...] = ()
    """The key lines that may be used, in order."""
    rtcp: tuple[str, int] | None = None
    """Where RTCP is received, if not at the port above RTP's (RFC 3605)."""
    rtcp_mux: bool = False
    ptime_ms: int | None = None
    maxptime_ms: int | None = None
    section: int = 0
    """Which m-line of the layout this is."""
    layout: tuple[SectionHead, ...] = ()
    """All m-lines of the description, in order; empty for a description of one m-line. Our own descriptions for a
    leg keep the layout and section of what that leg's peer sent (RFC 3264, 6 and 8)."""
    crypto_refused: tuple[str, ...] = ()
    """Read only: why key lines were passed over, a sentence each."""
    zrtp_hashes: tuple[str, ...] = ()
    """The values of a=zrtp-hash (RFC 6189, 8.1): one for each ZRTP version its writer speaks, at most four."""
    null_address: bool = False
    """Read only: the address was 0.0.0.0 or ::, so nothing may be sent there."""

    @property
    def on_hold(self) -> bool:
        """Whether its writer does not want to receive media."""
        return not self.direction.receives

    @property
    def is_secure_profile(self) -> bool:
        """Whether the profile demands SRTP (SAVP, SAVPF)."""
        return "/SAVP" in self.profile

    @property
    def rtcp_address(self) -> tuple[str, int] | None:
        """Where RTCP is received: RTP's own port when multiplexed, by default the next; None where there is none."""
        if self.rtcp_mux:
            return self.address, self.port
        return self.rtcp or ((self.address, self.port + 1) if self.port < 65_535 else None)


def read_audio(source: bytes | SessionDescription) -> AudioDescription:
    """The first audio line that can carry a call. Raises `SdpError` with a plain reason when there is none."""
    return read_audio_lines(source)[0]


def read_audio_lines(source: bytes | SessionDescription) -> tuple[AudioDescription, ...]:
    """All audio lines that can carry a call, in order; at least one. Raises `SdpError` with a plain reason."""
    if isinstance(source, bytes):
        plain = read_plain(source)
        if plain is not None:
            return (_from_plain(plain),)
        source = SessionDescription.parse(source)
    description = source
    layout = _layout(description)
    found: list[AudioDescription] = []
    reason = "the session description has no audio line"
    for index, section in enumerate(description.sections):
        if section.media != "audio":
            continue
        if section.port == 0:
            reason = "the audio line is switched off (port 0)"
        elif section.profile not in RTP_PROFILES:
            reason = f"the audio profile {section.profile[:40]} is not supported"
        else:
            audio = _read_section(description, section, index, layout)
            if audio.codecs:
                found.append(audio)
            else:
                reason = "the audio line names no codec"
    if not found:
        raise SdpError(reason)
    return tuple(found)


def read_answer(source: bytes | SessionDescription, offer: AudioDescription) -> AudioDescription:
    """The answer to our `offer`: the audio line at the offer's place. Raises `SdpError` with a plain reason.

    Profile and keys are not judged here; `sealtone.model.policy.judge_answer` does.
    """
    if isinstance(source, bytes):
        plain = read_plain(source)
        if plain is not None and offer.section == 0:
            return _from_plain(plain)
        source = SessionDescription.parse(source)
    description = source
    if offer.section >= len(description.sections):
        raise SdpError("the answer leaves out the audio line")
    section = description.sections[offer.section]
    if section.media != "audio":
        raise SdpError("the answer has another kind of media in the place of audio")
    if section.port == 0:
        raise SdpError("the answer refuses the audio")
    if section.profile not in RTP_PROFILES:
        raise SdpError(f"the answer's audio profile {section.profile[:40]} is not supported")
    audio = _read_section(description, section, offer.section, _layout(description))
    if not audio.codecs:
        raise SdpError("the answer names no codec")
    return audio


def _layout(description: SessionDescription) -> tuple[SectionHead, ...]:
    return tuple([SectionHead(section.media, section.profile, section.formats) for section in description.sections])


def _read_section(
    description: SessionDescription, section: MediaSection, index: int, layout: tuple[SectionHead, ...]
) -> AudioDescription:
    attributes = Attributes(section.lines)
    connection = section.value("c") or description.value("c")
    if connection is None:
        raise SdpError("the audio line has no connection address")
    address = read_address(connection)
    direction = attributes.direction or session_direction(description.lines) or Direction.SENDRECV
    direction, null_address = _held(direction, address)
    crypto, refused = _read_crypto(attributes.crypto)
    return AudioDescription(
        address,
        section.port,
        read_codecs(section.formats, attributes.rtpmaps, attributes.fmtps),
        section.profile,
        direction,
        crypto,
        _read_rtcp(attributes.rtcp, address),
        attributes.rtcp_mux,
        attributes.ptime_ms,
        attributes.maxptime_ms,
        index,
        layout,
        refused,
        attributes.zrtp_hashes,
        null_address,
    )


def _from_plain(plain: PlainAudio) -> AudioDescription:
    connection, port, lasting, changing = plain
    address = read_address(connection)
    profile, codecs, direction, rtcp_mux, ptime_ms, maxptime_ms, layout = lasting
    direction, null_address = _held(direction, address)
    if changing is None:
        return AudioDescription(
            address, port, codecs, profile, direction, (), None, rtcp_mux, ptime_ms, maxptime_ms, 0, layout, (), (),
            null_address,
        )  # fmt: skip
    crypto, refused = _read_crypto(changing.crypto)
    rtcp, zrtp_hashes = _read_rtcp(changing.rtcp, address), changing.zrtp_hashes
    return AudioDescription(
        address, port, codecs, profile, direction, crypto, rtcp, rtcp_mux, ptime_ms, maxptime_ms, 0, layout, refused,
        zrtp_hashes, null_address,
    )  # fmt: skip


def _held(direction: Direction, address: str) -> tuple[Direction, bool]:
    """What a direction means beside its address; and whether that is none (RFC 3264 8.4: hold as RFC 2543 did it)."""
    if address not in NULL_ADDRESSES:
        return direction, False
    if not direction.receives:
        return direction, True
    return (Direction.SENDONLY if direction.sends else Direction.INACTIVE), True


def _read_crypto(values: list[str]) -> tuple[tuple[CryptoAttribute, ...], tuple[str, ...]]:
    if not values:
        return (), ()
    if len(values) > MAX_CRYPTO_LINES:
        raise SdpError(f"the audio line has more than {MAX_CRYPTO_LINES} key lines")
    usable: list[CryptoAttribute] = []
    refused: list[str] = []
    tags: set[str] = set()
    for value in values:
        # The tag of an unusable line counts too: it must not stand for two things (RFC 4568, 5.1).
        tag = value.split(None, 1)[0].lstrip("0") if value.strip() else ""
        if tag in tags:
            raise SdpError("two key lines have the same tag")
        tags.add(tag)
        try:
            usable.append(CryptoAttribute.parse(value))
        except CryptoError as error:
            refused.append(str(error))
    return tuple(usable), tuple(refused)


def _read_rtcp(value: str | None, address: str) -> tuple[str, int] | None:
    """``a=rtcp:<port> [IN IP4 <address>]`` (RFC 3605)."""
    if value is None:
        return None
    port_text, _, connection = value.strip().partition(" ")
    if not (port_text.isascii() and port_text.isdigit() and len(port_text) <= 5 and 0 < int(port_text) <= 65_535):
        raise SdpError("the place for RTCP is not valid")
    return (read_address(connection) if connection.strip() else address), int(port_text)
