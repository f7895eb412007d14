"""What the server says and plays to the phones of a domain."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Language(StrEnum):
    """What prompts are spoken in, by ISO 639-1."""

    ENGLISH = "en"
    RUSSIAN = "ru"


class OpenNotice(StrEnum):
    """How a person learns, before the two are connected, that the other side is not encrypted."""

    OFF = "off"
    TONE = "tone"
    """Three falling tones, a second."""
    NOTICE = "notice"
    """A sentence, some two seconds; who waits meanwhile is asked for patience."""


class NoticeTo(StrEnum):
    """Whom the notice is for."""

    CALLER = "caller"
    BOTH = "both"
    """The called one too, of a caller who is not encrypted."""


class Announcements(NamedTuple):
    """A domain's wishes."""

    language: Language = Language.ENGLISH
    music_on_hold: bool = True
    """Whoever is put on hold by one of its users hears music, where the server has the media."""
    open_notice: OpenNotice = OpenNotice.OFF
    open_notice_to: NoticeTo = NoticeTo.CALLER
