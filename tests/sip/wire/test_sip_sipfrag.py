"""What a phone reports of a transfer (RFC 3420)."""

from __future__ import annotations

import pytest

from sealtone.sip.sipfrag import status_line


@pytest.mark.parametrize(
    ("fragment", "told"),
    [
        (b"SIP/2.0 200 OK\r\n", (200, "OK")),
        (b"SIP/2.0 603 Declined, for now\r\nContent-Length: 0\r\n\r\n", (603, "Declined, for now")),
        (b"sip/2.0 180 \xff", (180, "\ufffd")),
        (b"SIP/2.0 100", (100, "")),
        (b"SIP/2.0 486 \r\n", (486, "")),
    ],
)
def test_the_status_and_reason_of_a_fragment_are_read(fragment: bytes, told: tuple[int, str]) -> None:
    assert status_line(fragment) == told


@pytest.mark.parametrize(
    "fragment",
    [
        b"",
        b"SIP/2.0 ",
        "SIP/2.0 ²00 OK".encode(),
        "SIP/2.0 ٢٠٠ OK".encode(),
        b"SIP/2.0 700 No",
        b"SIP/2.0 099 No",
        b"SIP/2.0 2000 No",
        b"SIP/2.0 -20 No",
        b"SIP/2.0 200\rOK",
        b"SIP/3.0 200 OK",
        b"\r\nSIP/2.0 200 OK",
        b"SIP/2.0 " + b"2" * 9_000,
    ],
)
def test_a_fragment_without_a_status_line_tells_nothing(fragment: bytes) -> None:
    assert status_line(fragment) is None
