"""A header value is refused with SipParseError, or its text reads the same again; the first octet chooses the type."""

import sys

import atheris

with atheris.instrument_imports():
    from sealtone.sip.errors import SipParseError
    from sealtone.sip.grammar import split_elements
    from sealtone.sip.headers import (
        CSeq,
        MediaType,
        NameAddr,
        RAck,
        Reason,
        ReferTo,
        ReplacesHeader,
        RetryAfter,
        SessionExpires,
        Via,
    )

TYPES = (NameAddr, Via, CSeq, RAck, SessionExpires, ReplacesHeader, ReferTo, Reason, RetryAfter, MediaType)


def one_input(data: bytes) -> None:
    if not data:
        return
    kind = TYPES[data[0] % len(TYPES)]
    raw = data[1:].decode("utf-8", "surrogateescape")
    if "\r" in raw or "\n" in raw:
        return  # The message parser lets none through.
    split_elements(raw)
    try:
        value = kind.parse(raw)
    except SipParseError:
        return
    text = str(value)
    assert kind.parse(text) == value, text
    assert str(kind.parse(text)) == text


atheris.Setup(sys.argv, one_input)
atheris.Fuzz()
