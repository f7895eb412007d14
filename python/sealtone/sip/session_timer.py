"""Session timers (RFC 4028): what is asked for, what was agreed, and when to refresh or give up.

Rules. 1. The interval agreed is never below the peer's Min-SE nor ours. 2. Where the peer does not name a refresher
it becomes the refresher if it can (it is the one behind a NAT, with a binding to keep open), else we. 3. The refresher
refreshes after half the interval; the other side gives up min(32 s, a third of the interval) before its end, and the
refresher too, should its refreshes get no answer (RFC 4028 10).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from sealtone.sip.errors import SipParseError
from sealtone.sip.headers import SessionExpires
from sealtone.sip.message import Message, Request, Response

SMALLEST_S: Final = 90  # RFC 4028 4: Min-SE is never lower


def session_expires_of(message: Message) -> SessionExpires | None:
    """The Session-Expires header, or None where there is none or it is unreadable."""
    value = message.headers.get("Session-Expires")
    return None if value is None or len(value) > 256 else _parsed(value)


@lru_cache(maxsize=256)  # few intervals are in use
def _parsed(value: str) -> SessionExpires | None:
    try:
        return SessionExpires.parse(value)
    except SipParseError:
        return None


def min_se_of(message: Message) -> int:
    """The Min-SE header in seconds, 90 where it is absent or unreadable."""
    value = (message.headers.get("Min-SE") or "").partition(";")[0].strip()
    return max(int(value), SMALLEST_S) if value.isascii() and value.isdigit() and len(value) < 10 else SMALLEST_S


class SessionTimer:
    """The session timer of one session. `wanted_s` None: none is asked for. `expires_s` None: none was agreed."""

    __slots__ = ("expires_s", "min_se_s", "refreshing", "wanted_s")

    def __init__(self, wanted_s: int | None, min_se_s: int) -> None:
        self.wanted_s = wanted_s
        self.min_se_s = max(min_se_s, SMALLEST_S)
        self.expires_s: int | None = None
        self.refreshing = False

    def request_lines(self) -> str:
        """The lines for an INVITE or UPDATE of ours."""
        wanted_s = self.expires_s or self.wanted_s
        if wanted_s is None:
            return ""
        refresher = "" if self.expires_s is None else ";refresher=uac" if self.refreshing else ";refresher=uas"
        min_se = f"Min-SE: {self.min_se_s}\r\n" if self.min_se_s > SMALLEST_S else ""
        return f"Session-Expires: {max(wanted_s, self.min_se_s)}{refresher}\r\n{min_se}"

    def too_brief(self, request: Request) -> bool:
        """Whether the request asks for less than our minimum, and can understand a 422."""
        asked = session_expires_of(request)
        return asked is not None and asked.interval_s < self.min_se_s and "timer" in request.supported

    def answer(self, request: Request, peer_supports: bool) -> str:
        """Agree as the one who answers an INVITE or UPDATE; gives the lines of its 2xx."""
        asked = session_expires_of(request)
        if self.wanted_s is None and asked is None:
            self.expires_s = None
            return ""
        if not peer_supports:
            self.expires_s = None
            return ""
        least_s = max(min_se_of(request), self.min_se_s)
        if asked is None:
            expires_s = self.wanted_s or least_s
        elif self.wanted_s is None:
            expires_s = asked.interval_s
        else:
            expires_s = min(asked.interval_s, self.wanted_s)
        self.expires_s = max(expires_s, least_s)
        self.refreshing = asked is not None and asked.refresher == "uas"
        if self.refreshing:
            return f"Session-Expires: {self.expires_s};refresher=uas\r\n"
        return f"Session-Expires: {self.expires_s};refresher=uac\r\nRequire: timer\r\n"

    def take(self, response: Response) -> None:
        """Agree as the one who asked, by the 2xx."""
        agreed = session_expires_of(response)
        if agreed is not None:
            self.expires_s = max(agreed.interval_s, SMALLEST_S)
            self.refreshing = agreed.refresher != "uas"
        else:
            self.expires_s = None

    def raise_to(self, response: Response) -> bool:
        """Follow the Min-SE of a 422; False where it asks for nothing higher than what we asked for."""
        least_s = min_se_of(response)
        before = max(self.expires_s or self.wanted_s or 0, self.min_se_s)
        if least_s <= before:
            return False
        self.min_se_s = least_s
        self.wanted_s = least_s
        self.expires_s = None if self.expires_s is None else least_s
        return True

    def refresh_at(self, now: float) -> float | None:
        """When we refresh a session refreshed now; None: not ours to do."""
        return now + self.expires_s / 2 if self.expires_s is not None and self.refreshing else None

    def ends_at(self, now: float) -> float | None:
        """When we give up a session refreshed now."""
        if self.expires_s is None:
            return None
        return now + self.expires_s - min(32.0, self.expires_s / 3)
