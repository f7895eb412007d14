"""Traces: secrets never stand in them, and they cannot write to the reader's terminal."""

from __future__ import annotations

import pytest

from sealtone.sip.masking import masked

SECRET = "s3cr3tS3CR3Ts3cr3t"


@pytest.mark.parametrize(
    "line",
    [
        f'Authorization: Digest username="u", realm="r", nonce="n", uri="sip:a", response="{SECRET}", qop=auth',
        f'authorization:Digest response = "{SECRET}"',
        f'Proxy-Authorization: Digest username="u", response={SECRET}',
        f'AUTHORIZATION : digest\r\n username="u",\r\n\tresponse="{SECRET}"',
        f'Authorization: Digest response="{SECRET}',
        f"Authorization: Basic {SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"Authorization: {SECRET}",
        f'Authentication-Info: rspauth="{SECRET}"',
        f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{SECRET}|2^20|1:4",
        f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{SECRET}==;inline:{SECRET} KDR=1",
        f"A=CRYPTO:1 X INLINE:{SECRET}",
        f"k=clear:{SECRET}",
        f"k=base64:{SECRET}",
        f"a=key-mgmt:mikey {SECRET}",
        f"a=ice-pwd:{SECRET}",
        f"To: <sip:alice:{SECRET}@example.com>",
        f"Contact: sips:alice:{SECRET}@example.com;x=y",
    ],
)
@pytest.mark.parametrize("ending", ["\r\n", "\n"])
def test_a_secret_is_masked_wherever_it_stands(line: str, ending: str) -> None:
    text = masked(f"INVITE sip:b@c SIP/2.0{ending}{line}{ending}X: y{ending}{ending}".encode())
    assert SECRET not in text
    assert "***" in text
    assert text.endswith("X: y\n\n")


def test_what_is_no_secret_stays_readable() -> None:
    data = (
        b"REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n"
        b"To: <sip:alice@example.com:5061>\r\n"
        b'Authorization: Digest username="alice", realm="example.com", nonce="abc", response="x"\r\n\r\n'
        b"a=fingerprint:sha-256 AA:BB\r\na=crypto:1 AEAD_AES_256_GCM inline:key|2^31\r\n"
    )
    assert masked(data).splitlines() == [
        "REGISTER sip:example.com SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1",
        "To: <sip:alice@example.com:5061>",
        'Authorization: Digest username="alice", realm="example.com", nonce="abc", response=***',
        "",
        "a=fingerprint:sha-256 AA:BB",
        "a=crypto:1 AEAD_AES_256_GCM inline:***|2^31",
    ]


def test_terminal_escapes_and_lone_octets_are_shown_and_not_obeyed() -> None:
    text = masked(b"X: \x1b[2J\x07\x00\xff \xe2\x80\xae\r\n")
    assert text == "X: \\x1b[2J\\x07\\x00\\xff \\u202e\n"
