"""What the attributes of a section say, and nothing that none of our legs needs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from sealtone.sdp.media import Direction
from sealtone.sdp.session import Line, SdpError

MAX_ZRTP_HASHES: Final = 4
_ZRTP_HASH: Final = re.compile(r"[0-9A-Za-z.]{1,8} [0-9A-Fa-f]{64}")
_DIRECTIONS: Final[dict[str, Direction]] = {item.value: item for item in Direction}


class SectionHead(NamedTuple):
    """An m-line as its sender wrote it: what an answer has to repeat, with port 0, to refuse it."""

    media: str
    profile: str
    formats: tuple[str, ...]


class Attributes:
    """What the a-lines of one section said; None where they were silent."""

    __slots__ = (
        "crypto",
        "direction",
        "fmtps",
        "maxptime_ms",
        "ptime_ms",
        "rtcp",
        "rtcp_mux",
        "rtpmaps",
        "zrtp_hashes",
    )

    def __init__(self, lines: Iterable[Line]) -> None:
        self.rtpmaps: dict[str, str] = {}
        self.fmtps: dict[str, str] = {}
        self.direction: Direction | None = None
        self.crypto: list[str] = []
        self.rtcp: str | None = None
        self.rtcp_mux = False
        self.ptime_ms: int | None = None
        self.maxptime_ms: int | None = None
        self.zrtp_hashes: tuple[str, ...] = ()
        for letter, attribute in lines:
            if letter != "a":
                continue
            name, _, value = attribute.partition(":")
            if name == "rtpmap":
                self._add_rtpmap(value)
            elif name == "fmtp":
                self._add_fmtp(value)
            elif name in _DIRECTIONS:
                self._set_direction(_DIRECTIONS[name])
            elif name == "crypto":
                self.crypto.append(value)
            elif name == "zrtp-hash":
                # One that cannot be read is as none (RFC 6189, 8.1).
                if _ZRTP_HASH.fullmatch(value) and len(self.zrtp_hashes) < MAX_ZRTP_HASHES:
                    self.zrtp_hashes += (value,)
            elif name == "rtcp-mux":
                self.rtcp_mux = True
            elif name == "rtcp":
                if self.rtcp is not None and self.rtcp != value:
                    raise SdpError("the audio line names two places for RTCP")
                self.rtcp = value
            elif name == "ptime":
                self.ptime_ms = _milliseconds(value)
            elif name == "maxptime":
                self.maxptime_ms = _milliseconds(value)

    def _add_rtpmap(self, value: str) -> None:
        payload_type, _, codec = value.strip().partition(" ")
        codec = codec.strip()
        if self.rtpmaps.setdefault(payload_type, codec) != codec:
            raise SdpError("one payload type has two meanings")

    def _add_fmtp(self, value: str) -> None:
        payload_type, _, parameters = value.strip().partition(" ")
        parameters = parameters.strip()
        known = self.fmtps.get(payload_type)
        if known is None:
            self.fmtps[payload_type] = parameters
        elif parameters != known and parameters not in known.split(";"):
            # Some phones spread one format's parameters over several lines.
            self.fmtps[payload_type] = f"{known};{parameters}"

    def _set_direction(self, value: Direction) -> None:
        if self.direction is not None and self.direction is not value:
            raise SdpError("the session description names two directions at once")
        self.direction = value


def session_direction(lines: Iterable[Line]) -> Direction | None:
    """The direction that a session's own lines give to all sections; None where they give none."""
    found: Direction | None = None
    for letter, value in lines:
        if letter == "a" and value in _DIRECTIONS:
            if found is not None and found.value != value:
                raise SdpError("the session description names two directions at once")
            found = _DIRECTIONS[value]
    return found


def _milliseconds(value: str) -> int | None:
    """A packet time; None for what no phone can mean, since it is only a wish (RFC 8866, 6.4)."""
    text = value.strip().partition(".")[0]
    if text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= 1000:
        return int(text)
    return None
