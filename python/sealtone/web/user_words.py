"""What the pages of SIP users and changes call things, in English; templates translate it."""

from __future__ import annotations

from typing import NamedTuple

from sealtone.sdp.catalogue import CATALOGUE


def _(text: str) -> str:
    """Marks a text for translation."""
    return text


FIELD_NAMES: dict[str, str] = {
    "display_name": _("Name"),
    "protection": _("Protection"),
    "strictness": _("How strictly"),
    "path": _("Media path"),
    "codecs": _("Codecs"),
    "max_contacts": _("Phones at once"),
    "enabled": _("Switched on"),
    "recording": _("Recording"),
    "language": _("Language"),
    "secret": _("Secret"),
    "users": _("SIP users"),
    "music_on_hold": _("Music on hold"),
    "open_notice": _("Notice before an open call"),
    "open_notice_to": _("Who hears the notice"),
    "recording_notice": _("Notice of recording"),
    "recording_format": _("Format of recordings"),
    "keep_recordings": _("Recordings are kept"),
    "keep_calls": _("Call records are kept"),
    "recording_key": _("Recording key"),
    "name": _("Name"),
    "role": _("Role"),
    "email": _("E-mail"),
    "email verified": _("E-mail verified"),
    "password": _("Password"),
    "passkey": _("Passkey"),
    "authenticator app": _("Authenticator app"),
    "recovery codes": _("Recovery codes"),
    "second factor": _("Second factor"),
    "operator": _("Operates the service"),
    "status": _("State"),
    "state": _("State"),
    "certificate": _("Certificate"),
    "closed": _("Closed"),
    "keep_ladders": _("SIP messages are kept"),
    "phone_link": _("Link for a phone"),
    "key": _("Key"),
    "scopes": _("Scopes"),
    "url": _("Address"),
    "events": _("Events"),
    "networks": _("Networks"),
    "ports": _("Ports"),
    "http": _("Without encryption"),
    "sign_up": _("Sign-up"),
    "public_name": _("Public name"),
    "zone": _("Zone"),
    "most_sip_users": _("SIP users an account may have"),
    "server": _("Mail server"),
    "security": _("Encryption"),
    "username": _("User name"),
    "sender": _("Sender"),
    "directory": _("Authority"),
    "terms_accepted": _("Terms accepted"),
    "trusted": _("Trusted certificate"),
    "dns_zone": _("Zone for checks by DNS"),
    "dns_port": _("Port for checks by DNS"),
    "recordings": _("With recordings"),
    "sealed_to": _("Sealed by"),
    "sas": _("SAS"),
    "call": _("Call"),
    "caller": _("Caller"),
    "callee": _("Called"),
    "ended": _("Ended"),
}

STATE_NAMES = {"pending": _("Pending"), "applying": _("Applying"), "done": _("Done"), "failed": _("Failed")}
ACTION_NAMES = {"create": _("Created"), "change": _("Changed"), "delete": _("Deleted")}

VALUE_NAMES: dict[tuple[str, str], str] = {
    ("protection", "none"): _("none"),
    ("strictness", "prefer"): _("preferred"),
    ("strictness", "require"): _("required"),
    ("path", "server"): _("through the server"),
    ("path", "sealed"): _("sealed"),
    ("path", "direct"): _("direct"),
    ("codecs", ""): _("all"),
    ("enabled", "yes"): _("yes"),
    ("enabled", "no"): _("no"),
    ("recording", "never"): _("never"),
    ("recording", "always"): _("always"),
    ("recording", "on-demand"): _("on demand"),
    ("recording", "domain"): _("as in the domain"),
    ("language", "en"): _("English"),
    ("language", "ru"): _("Russian"),
    ("language", "domain"): _("as in the domain"),
    ("", "yes"): _("yes"),
    ("", "no"): _("no"),
    ("", "forever"): _("forever"),
}
"""By field and value; without a field, of any but a name."""

PROTECTION_NAMES = {"none": _("No encryption"), "srtp": "SRTP", "zrtp": "ZRTP"}
PATH_NAMES = {"server": _("Through the server"), "sealed": _("Sealed"), "direct": _("Direct")}

OTHER_SIDES: dict[tuple[str, str], str] = {
    ("none", "server"): _("a phone without encryption"),
    ("srtp", "server"): _("a user with SRTP"),
    ("zrtp", "server"): _("a user with ZRTP through the server"),
    ("zrtp", "sealed"): _("a user with ZRTP, sealed"),
    ("zrtp", "direct"): _("a user with ZRTP, direct"),
}


class CodecWords(NamedTuple):
    """A codec for a person who has to choose."""

    name: str
    title: str
    text: str


_CODEC_TEXTS: dict[str, tuple[str, str]] = {
    "opus": (
        "Opus",
        _("The best sound at any bandwidth, and it bears a poor network. First choice where phones have it."),
    ),
    "g722": ("G.722", _("Wideband, on nearly every desk phone. 64 kbit/s.")),
    "silk/24000": ("SILK 24 kHz", _("Super-wideband speech at low bandwidth.")),
    "silk/16000": ("SILK 16 kHz", _("Wideband speech at low bandwidth.")),
    "silk/12000": ("SILK 12 kHz", _("Medium-band speech at low bandwidth.")),
    "silk/8000": ("SILK 8 kHz", _("Telephone sound at low bandwidth.")),
    "speex/32000": ("Speex 32 kHz", _("Ultra-wideband; an older codec that Opus replaces.")),
    "speex/16000": ("Speex 16 kHz", _("Wideband; an older codec that Opus replaces.")),
    "speex/8000": ("Speex 8 kHz", _("Telephone sound; an older codec that Opus replaces.")),
    "pcma": ("G.711 A-law (PCMA)", _("Telephone sound, on every phone. 64 kbit/s. Usual in Europe.")),
    "pcmu": ("G.711 µ-law (PCMU)", _("Telephone sound, on every phone. 64 kbit/s. Usual in America and Japan.")),
    "g729": ("G.729", _("Telephone sound at 8 kbit/s, for narrow links. Music suffers.")),
    "ilbc": ("iLBC", _("Telephone sound at 13 to 15 kbit/s, bears lost packets well.")),
    "gsm": ("GSM", _("Sound of old mobile phones at 13 kbit/s.")),
}


def codec_words(name: str) -> CodecWords:
    """Of a codec in the catalogue."""
    title, text = _CODEC_TEXTS.get(name, (name, ""))
    return CodecWords(name, title, text)


CODECS = tuple(codec_words(name) for name in CATALOGUE)
