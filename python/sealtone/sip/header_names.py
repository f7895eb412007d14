"""The names of header fields: registered spellings, compact forms (RFC 3261 section 7.3.3), what each stands for."""

from __future__ import annotations

from typing import Final

from sealtone.sip.errors import SipParseError
from sealtone.sip.grammar import WSP, is_token

_CACHED_SPELLINGS: Final = 2048
_CACHED_NAME_LENGTH: Final = 40

_COMPACT: Final = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}

# fmt: off
KNOWN_NAMES: Final = frozenset({
    "Accept", "Accept-Contact", "Accept-Encoding", "Accept-Language", "Alert-Info", "Allow", "Allow-Events",
    "Authentication-Info", "Authorization", "Call-ID", "Call-Info", "Contact", "Content-Disposition",
    "Content-Encoding", "Content-ID", "Content-Language", "Content-Length", "Content-Type", "CSeq", "Date",
    "Diversion", "Error-Info", "Event", "Expires", "Feature-Caps", "Flow-Timer", "From", "Geolocation", "History-Info",
    "Identity", "Identity-Info", "In-Reply-To", "Info-Package", "Join", "Max-Breadth", "Max-Forwards", "MIME-Version",
    "Min-Expires", "Min-SE", "Organization", "P-Access-Network-Info", "P-Asserted-Identity", "P-Associated-URI",
    "P-Called-Party-ID", "P-Early-Media", "P-Preferred-Identity", "Path", "Priority", "Privacy", "Proxy-Authenticate",
    "Proxy-Authorization", "Proxy-Require", "RAck", "Reason", "Record-Route", "Recv-Info", "Refer-Sub", "Refer-To",
    "Referred-By", "Reject-Contact", "Remote-Party-ID", "Replaces", "Reply-To", "Request-Disposition", "Require",
    "Retry-After", "Route", "RSeq", "Security-Client", "Security-Server", "Security-Verify", "Server", "Service-Route",
    "Session-Expires", "Session-ID", "SIP-ETag", "SIP-If-Match", "Subject", "Subscription-State", "Supported",
    "Target-Dialog", "Timestamp", "To", "Unsupported", "User-Agent", "User-to-User", "Via", "Warning",
    "WWW-Authenticate",
})
# fmt: on

BY_LOWER_CASE: Final = {name.lower(): name for name in KNOWN_NAMES} | _COMPACT


def name_spellings() -> dict[str, str]:
    """Spellings of the known header fields (registered, lower-case, compact) and the canonical name of each."""
    upper = {letter.upper(): name for letter, name in _COMPACT.items()}
    return {name: name for name in KNOWN_NAMES} | BY_LOWER_CASE | upper


# Every spelling met -> its canonical name. Bounded, so that invented names cannot grow it.
SPELLINGS: Final[dict[str, str]] = name_spellings()


def canonical_name(spelling: str) -> str:
    """The canonical name of a header field: the registered spelling of known ones, others unchanged.

    Raises SipParseError for what is not a token.
    """
    name = SPELLINGS.get(spelling)
    if name is not None:
        return name
    trimmed = spelling.rstrip(WSP)  # HCOLON: white space may stand before the colon, not before the name.
    if not is_token(trimmed):
        raise SipParseError("a header line has no valid name")
    name = BY_LOWER_CASE.get(trimmed.lower(), trimmed)
    if len(SPELLINGS) < _CACHED_SPELLINGS and len(spelling) <= _CACHED_NAME_LENGTH:
        SPELLINGS[spelling] = name
    return name
