"""Credentials and challenges are refused or read the same again; nothing verifies, no nonce is ours."""

import sys

import atheris

with atheris.instrument_imports():
    from sealtone.sip.digest import FORGED, Challenge, Credentials, NonceCounts, NonceIssuer, verify
    from sealtone.sip.errors import SipParseError

ISSUER = NonceIssuer(b"0123456789abcdef")
COUNTS = NonceCounts(100)


def one_input(data: bytes) -> None:
    raw = data.decode("utf-8", "surrogateescape")
    if "\r" in raw or "\n" in raw:
        return
    for kind in (Credentials, Challenge):
        try:
            value = kind.parse(raw)
        except SipParseError:
            continue
        assert kind.parse(str(value)) == value
        if isinstance(value, Credentials):
            assert not verify(value, "REGISTER", "00" * 16)
            COUNTS.accept(value.nonce, value.nonce_count, 0.0)
    assert ISSUER.check(raw, 0.0) is FORGED


atheris.Setup(sys.argv, one_input)
atheris.Fuzz()
