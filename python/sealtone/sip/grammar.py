"""Lexical rules of RFC 3261 section 25.1 that several header fields share.

Everything here runs in time linear in its input: the regular expressions hold no nested or adjacent repetition over
overlapping sets, and the scanners look at each character once.
"""

from __future__ import annotations

import re
from typing import Final

from sealtone.sip.errors import SipParseError

Params = tuple[tuple[str, str | None], ...]
"""Parameters in wire order; the value is raw (quotes kept), None when there is no "="."""

MAX_PARAMS: Final = 128
"""More parameters than this in one element are refused: nothing legitimate comes near."""

WSP: Final = " \t"

# A token holds letters, digits and - . ! % * _ + ` ' ~
is_token: Final = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+").fullmatch
# *(token LWS) of display-name, with single spaces.
is_token_phrase: Final = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]++(?: [A-Za-z0-9\-.!%*_+`'~]++)*+").fullmatch
# quoted-string: SWS DQUOTE *(qdtext / quoted-pair ) DQUOTE
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_NEEDS_ESCAPE: Final = re.compile(r'(["\\])')
# The pieces between separators. A quote or bracket that is never closed takes all the rest in one piece: were it
# tried again at each later quote, the scan would be quadratic.
_LIST_PIECES: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?$)|<[^>]*+>?|[^",<]++|,', re.DOTALL)
_PARAM_PIECES: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?$)|[^";]++|;', re.DOTALL)


def unquote(text: str) -> str:
    """The content of a quoted-string; text that is not one comes back unchanged."""
    if len(text) >= 2 and text[0] == '"' and text[-1] == '"':
        inner = text[1:-1]
        return _QUOTED_PAIR.sub(r"\1", inner) if "\\" in inner else inner
    return text


def quote(text: str) -> str:
    """`text` as a quoted-string."""
    if '"' in text or "\\" in text:
        text = _NEEDS_ESCAPE.sub(r"\\\1", text)
    return f'"{text}"'


def quoted_end(text: str, start: int = 0) -> int:
    """The index just after the quoted-string that begins at `start`; raises SipParseError if it never ends."""
    match = _QUOTED.match(text, start)
    if match is None:
        raise SipParseError("a quoted string does not end")
    return match.end()


def split_list(value: str) -> list[str]:
    """The comma-separated elements of a header value; commas in quoted strings and in <> do not separate.

    Empty elements are dropped: an empty value is an empty list, and several phones send a trailing comma.
    """
    if "," not in value:
        value = value.strip(WSP)
        return [value] if value else []
    return [element for element in split_elements(value) if element]


def split_elements(value: str) -> list[str]:
    """Like `split_list`, with empty elements kept, for headers that may not have any (Via, Contact, Route)."""
    if '"' not in value and "<" not in value:
        return [part.strip(WSP) for part in value.split(",")]
    return _cut(value, _LIST_PIECES, ",")


def _cut(text: str, pieces: re.Pattern[str], separator: str) -> list[str]:
    parts: list[str] = []
    part: list[str] = []
    for piece in pieces.findall(text):
        if piece == separator:
            parts.append("".join(part).strip(WSP))
            part = []
        else:
            part.append(piece)
    parts.append("".join(part).strip(WSP))
    return parts


def parse_params(text: str) -> Params:
    """The parameters of ";a;b=c", which is what follows the first element of a header value, with or without its first
    ";". Empty parameters are refused (RFC 4475 section 3.1.2.1).
    """
    if text[:1] == ";":
        text = text[1:]
    if '"' not in text and " " not in text and "\t" not in text and text.count(";") < MAX_PARAMS:
        plain = [part.partition("=") for part in text.split(";")]
        if "" not in [part[0] for part in plain]:
            return tuple([(name, value if equals else None) for name, equals, value in plain])
        raise SipParseError("a parameter has no valid name")
    parts = _cut(text, _PARAM_PIECES, ";") if '"' in text else text.split(";")
    if len(parts) > MAX_PARAMS:
        raise SipParseError("too many parameters")
    params: list[tuple[str, str | None]] = []
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip(WSP)
        if not name or '"' in name:
            raise SipParseError("a parameter has no valid name")
        if not equals:
            params.append((name, None))
            continue
        value = value.strip(WSP)
        if value[:1] == '"' and quoted_end(value) != len(value):
            raise SipParseError("a quoted parameter value is followed by something else")
        params.append((name, value))
    return tuple(params)


def find_param(params: Params, name: str) -> str | None:
    """The unquoted value of the first parameter called `name` (lower case); "" without a value, None if absent."""
    for key, value in params:
        if key == name or key.lower() == name:
            if value is None:
                return ""
            return unquote(value) if value[:1] == '"' else value
    return None


def with_param(params: Params, name: str, value: str | None) -> Params:
    """`params` with `name` (lower case) set to the raw `value`, in its old place or at the end."""
    changed: list[tuple[str, str | None]] = []
    found = False
    for pair in params:
        if pair[0].lower() != name:
            changed.append(pair)
        elif not found:
            changed.append((pair[0], value))
            found = True
    if not found:
        changed.append((name, value))
    return tuple(changed)


def without_param(params: Params, name: str) -> Params:
    """`params` without any called `name` (lower case)."""
    return tuple(pair for pair in params if pair[0].lower() != name)


def format_params(params: Params) -> str:
    """The text of `params`, each with its leading ";"."""
    return "".join([f";{name}" if value is None else f";{name}={value}" for name, value in params])


def param_value(text: str) -> str:
    """`text` as the raw value of a parameter: bare when it is a token, otherwise quoted."""
    return text if is_token(text) else quote(text)


def decimal(text: str, limit: int, what: str) -> int:
    """The non-negative integer `text` (1*DIGIT), at most `limit`; `what` names it in the error."""
    if not text.isdigit() or not text.isascii():
        raise SipParseError(f"{what} is not a number")
    # Bounded before int(): converting 60,000 digits takes quadratic time.
    digits = text if len(text) <= 20 else text.lstrip("0") or "0"
    if len(digits) > 20 or (number := int(digits)) > limit:
        raise SipParseError(f"{what} is too large")
    return number
