"""Message text for traces and logs, without what must never stand there.

Masked: digest responses and other credentials, SDES and MIKEY keys, k= lines, ICE passwords, passwords in URIs. Control
characters are shown as escapes, so that a hostile message cannot write to the reader's terminal or forge log lines.
"""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "***"

_FOLD: Final = re.compile(r"\r?\n[ \t]+")
_CREDENTIALS: Final = re.compile(
    r"(^(?:proxy-)?authorization[ \t]*:[ \t]*)([^\s,]+)([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)
_DIGEST_PROOF: Final = re.compile(
    r'\b((?:response|rspauth|cnonce)[ \t]*=[ \t]*)(?:"[^"\r\n]*"?|[^,;\s]*)', re.IGNORECASE
)
_INFO: Final = re.compile(r"^(?:proxy-)?authentication-info[ \t]*:[^\r\n]*", re.IGNORECASE | re.MULTILINE)
_INLINE_KEY: Final = re.compile(r"(inline:)[ \t]*[^|\s;]+", re.IGNORECASE)
_SDP_SECRET: Final = re.compile(
    r"^(k=[^:\r\n]*:|a=key-mgmt:[^ \r\n]*[ \t]|a=ice-pwd:)[^\r\n]*", re.IGNORECASE | re.MULTILINE
)
_URI_PASSWORD: Final = re.compile(r"(\b[Ss][Ii][Pp][Ss]?:[^\s:@<>\"]{1,256}:)[^\s@<>\"]{1,256}(?=@)")
_MAY_HAVE_PASSWORD: Final = re.compile(r":[^\s:@<>\"]{1,256}:[^\s@<>\"]{1,256}@")
"""What `_URI_PASSWORD` finds has this in it; what begins with a certain character is found several times as fast."""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def masked(data: bytes) -> str:
    """`data`, a whole message or any part of one, as printable text with "\\n" line ends, secrets as ***."""
    text = data.decode("utf-8", "backslashreplace")
    if "\n " in text or "\n\t" in text:
        text = _FOLD.sub(" ", text)
    text = text.replace("\r\n", "\n")
    if not text.replace("\n", "").isprintable():
        text = _CONTROL.sub(_escape, text)
    # A regular expression that ignores case looks at each character; most messages have nothing for most of these.
    lowered = text.lower()
    if "authorization" in lowered:
        text = _CREDENTIALS.sub(_mask_credentials, text)
    if "authentication-info" in lowered:
        text = _INFO.sub(lambda match: _DIGEST_PROOF.sub(rf"\g<1>{MASK}", match[0]), text)
    if "inline:" in lowered:
        text = _INLINE_KEY.sub(rf"\g<1>{MASK}", text)
    if "k=" in lowered or "a=key-mgmt:" in lowered or "a=ice-pwd:" in lowered:
        text = _SDP_SECRET.sub(rf"\g<1>{MASK}", text)
    if _MAY_HAVE_PASSWORD.search(text):
        text = _URI_PASSWORD.sub(rf"\g<1>{MASK}", text)
    return text


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _mask_credentials(match: re.Match[str]) -> str:
    if match[2].lower() != "digest":
        # Basic, Bearer and unknown schemes: the rest is the secret itself.
        return f"{match[1]}{match[2] if match[3].strip() else ''} {MASK}".replace("  ", " ")
    return match[1] + match[2] + _DIGEST_PROOF.sub(rf"\g<1>{MASK}", match[3])
