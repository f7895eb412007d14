"""A URI is refused with SipParseError, or comes back the same from its text and equals itself."""

import sys

import atheris

with atheris.instrument_imports():
    from sealtone.sip.errors import SipParseError
    from sealtone.sip.uri import SipUri, canonical_aor, equivalent


def one_input(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    try:
        uri = SipUri.parse(text)
    except SipParseError:
        return
    assert SipUri.parse(str(uri)) == uri
    assert equivalent(uri, uri)
    canonical_aor(uri)
    if uri.scheme != "tel":
        assert str(uri).isascii()
        assert "\r" not in str(uri)
        assert " " not in str(uri)


atheris.Setup(sys.argv, one_input)
atheris.Fuzz()
