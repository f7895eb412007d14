"""What a message/sipfrag tells of a transfer (RFC 3420, RFC 3515 section 2.4.5)."""

from __future__ import annotations

import re
from typing import Final

_STATUS_LINE: Final = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2})(?: ([^\r\n]*))?(?:\r\n|\Z)", re.IGNORECASE)


def status_line(fragment: bytes) -> tuple[int, str] | None:
    """The status and reason of a fragment that begins with a status line; None where it does not."""
    line = _STATUS_LINE.match(fragment)
    return None if line is None else (int(line[1]), (line[2] or b"").decode(errors="replace"))
