"""The SIP messages of a call as a person may see them, secrets masked; and whose are kept."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from sealtone.sip.masking import masked

_SHOWN_BODIES: Final = ("application/sdp", "message/sipfrag")
_LONGEST_HEAD: Final = 16 * 1024


class KeepLadders(StrEnum):
    """Of which of an account's calls the messages are kept."""

    ALL = "all"
    FAILED = "failed"
    """Of those that nobody answered, or that the server itself ended."""
    NONE = "none"


class LadderMessage(NamedTuple):
    """One message that came from a phone (`incoming`) or went to it."""

    at: float
    """Unix seconds."""
    leg: str
    """Call-ID of the leg's dialog."""
    incoming: bool
    transport: str
    remote: str
    """``ip:port``"""
    text: str
    """Secrets masked, "\\n" line ends."""


class Ladder(NamedTuple):
    """The messages of a call in their order."""

    messages: tuple[LadderMessage, ...]
    left_out: int = 0
    """How many came after those, beyond what is kept of one call."""


def shown_message(data: bytes) -> str:
    """A message as it may be kept: secrets masked. Of bodies only session descriptions and sipfrags stay: what people
    write to each other, and the keys they press, is nobody's business."""
    head, gap, body = data.partition(b"\r\n\r\n")
    text = masked(head[:_LONGEST_HEAD]).rstrip("\n")
    if not gap or not body:
        return text
    kind = _content_type(text)
    if kind in _SHOWN_BODIES:
        return f"{text}\n\n{masked(body)}".rstrip("\n")
    return f"{text}\n\n({len(body)} octets of {kind or 'an unnamed type'} are not kept)"


def _content_type(head: str) -> str:
    for line in head.split("\n"):
        name, colon, value = line.partition(":")
        if colon and name.strip().lower() in ("content-type", "c"):
            return value.partition(";")[0].strip().lower()
    return ""
