"""Parsing takes time linear in the size, whatever the content (measured by ratio, not by the clock alone)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest

from sealtone.sip.digest import Challenge, Credentials
from sealtone.sip.errors import SipError
from sealtone.sip.framing import StreamFramer
from sealtone.sip.headers import NameAddr, ReferTo, Via
from sealtone.sip.masking import masked
from sealtone.sip.message import Request, Response, parse_message
from sealtone.sip.uri import SipUri
from sealtone.sip.validate import validate

HEAD = b"INVITE sip:a@b SIP/2.0\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n"


def everything(data: bytes) -> None:
    """All that is done with a message before anybody has authenticated."""
    with contextlib.suppress(SipError):
        StreamFramer().feed(data)
    masked(data)
    try:
        message = parse_message(data)
    except SipError:
        return
    validate(message)
    for read in (
        lambda: message.vias,
        lambda: message.contacts,
        lambda: message.routes,
        lambda: message.record_routes,
        lambda: message.supported,
        lambda: message.allow,
        lambda: message.content_type,
        lambda: message.expires,
        lambda: [Credentials.parse(raw) for raw in message.headers.all("Authorization")],
        lambda: [Challenge.parse(raw) for raw in message.headers.all("WWW-Authenticate")],
        lambda: ReferTo.parse(message.headers.get("Refer-To") or ""),
    ):
        with contextlib.suppress(SipError):
            read()
    if isinstance(message, Request):
        Response.to_request(message, 200, "OK", "tag").encode()
    with contextlib.suppress(SipError):
        message.encode()


# Each is repeated to fill 64 KiB after a prefix.
CONTENTS: dict[str, tuple[bytes, bytes]] = {
    "header lines": (b"", b"X: y\r\n"),
    "empty lines": (b"", b":\r\n"),
    "folded lines": (b"Subject: a", b"\r\n "),
    "white space": (b"Subject: a", b" "),
    "white space before the colon": (b"Subject", b" "),
    "white space folded": (b"Subject: a", b" \r\n \t"),
    "bare returns": (b"X: a", b"\r"),
    "vias": (b"Via: SIP/2.0/UDP h", b",SIP/2.0/UDP h"),
    "via spaces": (b"Via: SIP", b" "),
    "via slashes": (b"Via: SIP", b"/ "),
    "commas": (b"Contact: ", b","),
    "parameters": (b"Contact: <sip:a@b>", b";a=b"),
    "semicolons": (b"Contact: <sip:a@b>", b";"),
    "open quotes": (b"Contact: ", b'"'),
    "escaped quotes": (b"Contact: ", b'\\"'),
    "escaped quotes after an opening one": (b'Contact: "', b'\\"'),
    "backslashes": (b'Contact: "', b"\\"),
    "open brackets": (b"Contact: ", b"<"),
    "brackets and commas": (b"Contact: ", b"<,"),
    "quotes and commas": (b"Contact: ", b'",'),
    "addresses": (b"Contact: <sip:a@b>", b",<sip:a@b>"),
    "parameter quotes": (b"Contact: <sip:a@b>;x=", b'"\\'),
    "user parts": (b"Contact: <sip:", b"a@"),
    "percents": (b"Contact: <sip:", b"%41"),
    "uri parameters": (b"Contact: <sip:a@b", b";x"),
    "uri headers": (b"Refer-To: <sip:a@b?a=b", b"&Replaces=a"),
    "digits": (b"Expires: ", b"9"),
    "cseq digits": (b"CSeq: ", b"9"),
    "content lengths": (b"Content-Length: ", b"0"),
    "credentials": (b"Authorization: Digest a=b", b",a=b"),
    "credential tokens": (b"Authorization: Digest ", b"a"),
    "credential quotes": (b"Authorization: Digest ", b'a="'),
    "credential spaces": (b"Authorization: Digest a", b" "),
    "authorizations": (b"", b"Authorization: Digest response\r\n"),
    "response responses": (b"Authorization: Digest ", b"response"),
    "challenges": (b"WWW-Authenticate: Digest ", b'a="b",'),
    "option tags": (b"Supported: a", b",a"),
    "inline keys": (b"X: ", b"inline:"),
    "uri passwords": (b"X: ", b"sip:"),
    "uri colons": (b"X: sip:", b"a:"),
    "invalid utf-8": (b"X: ", b"\xff"),
    "control characters": (b"X: ", b"\x1b"),
    "key management": (b"\r\na=key-mgmt:", b"k=a:"),
    "content lengths folded": (b"l:", b"\r\n "),
}


def cost(run: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(5):
        start = time.thread_time()
        run()
        best = min(best, time.thread_time() - start)
    return best


def filled(prefix: bytes, unit: bytes, size: int) -> bytes:
    return HEAD + prefix + unit * ((size - len(HEAD) - len(prefix)) // len(unit)) + b"\r\n\r\n"


@pytest.mark.parametrize("name", CONTENTS)
def test_four_times_the_octets_take_no_more_than_a_linear_multiple_of_time(name: str) -> None:
    prefix, unit = CONTENTS[name]
    small, large = filled(prefix, unit, 16 * 1024), filled(prefix, unit, 64 * 1024)
    everything(small)
    # Linear is 4, quadratic 16; a constant part and noise are allowed for.
    for _ in range(3):
        ratio = cost(lambda: everything(large)) / max(cost(lambda: everything(small)), 50e-6)
        if ratio < 9:
            return
    raise AssertionError(f"{name}: 4 times the octets took {ratio:.1f} times as long")


@pytest.mark.parametrize("parse", [NameAddr.parse, Via.parse, SipUri.parse, Credentials.parse])
@pytest.mark.parametrize("unit", ['"', '\\"', "<", ";", ",", " ", "a", "a=", "=", "@", "%41", ":", "[", "/", "'"])
def test_single_values_are_read_in_linear_time(parse: Callable[[str], object], unit: str) -> None:
    def run(size: int) -> Callable[[], None]:
        text = "Digest " * (parse == Credentials.parse) + 'sip:"' + unit * (size // len(unit))

        def once() -> None:
            with contextlib.suppress(SipError):
                parse(text)

        return once

    for _ in range(3):
        ratio = cost(run(64 * 1024)) / max(cost(run(16 * 1024)), 50e-6)
        if ratio < 9:
            return
    raise AssertionError(f"{unit!r}: 4 times the characters took {ratio:.1f} times as long")
