"""Linphone's remote provisioning: XML that Linphone fetches from a link or a QR code.

How it works, as found in liblinphone 5.1 and proven with linphonec in `tests/interop/test_provisioning.py`:

1. A section's entries go into the phone's configuration; only those with `overwrite` replace what is there. The account
   becomes the phone's first one (`proxy_0`), and every stored password is forgotten first (`auth_info_*`).
2. The secret is not needed: HA1 with its algorithm takes its place. One algorithm is given, the stronger (RFC 8760);
   where both are, Linphone answers with MD5.
3. The voice is encrypted or there is no call: `media_encryption_mandatory`, and (from 5.2 on) `accept_any_encryption=0`
   lest SRTP be taken where ZRTP is demanded. Our server speaks all of these to every phone, so that nothing is lost.
4. Codecs that the configuration leaves out are added with Linphone's own defaults; so every one is listed, on or off.
5. An authority cannot be provisioned: `root_ca` is a path on the phone. The server's certificate has to be one that the
   phone trusts already, and has to cover the *name* it is reached by: addresses in certificates are not looked at.
6. `transient_provisioning` has the phone forget the link, which works once, instead of asking again at each start.
"""

from __future__ import annotations

from typing import NamedTuple
from xml.etree import ElementTree

from sealtone.model import Protection
from sealtone.provisioning.settings import PhoneSettings

_NAMESPACE = "http://www.linphone.org/xsds/lpconfig.xsd"
_REGISTERED_S = 600
_ANY_PORT = "-1"
_KEY_AGREEMENTS = ("X255", "X448", "DH3K")
_SRTP_SUITES = ("AES_256_CM_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_80")


class _Codec(NamedTuple):
    """As Linphone writes it."""

    mime: str
    rate: int
    channels: int = 1


_KNOWN: dict[str, _Codec] = {
    "opus": _Codec("opus", 48_000, 2),
    "g722": _Codec("G722", 8_000),
    "silk/24000": _Codec("SILK", 24_000),
    "silk/16000": _Codec("SILK", 16_000),
    "silk/12000": _Codec("SILK", 12_000),
    "silk/8000": _Codec("SILK", 8_000),
    "speex/32000": _Codec("speex", 32_000),
    "speex/16000": _Codec("speex", 16_000),
    "speex/8000": _Codec("speex", 8_000),
    "pcma": _Codec("PCMA", 8_000),
    "pcmu": _Codec("PCMU", 8_000),
    "g729": _Codec("G729", 8_000),
    "ilbc": _Codec("iLBC", 8_000),
    "gsm": _Codec("GSM", 8_000),
}
_NOT_HERE = (
    *(_Codec(f"{packing}G726-{kbit}", 8_000) for packing in ("", "AAL2-") for kbit in (16, 24, 32, 40)),
    _Codec("L16", 44_100, 2),
    _Codec("L16", 44_100),
    _Codec("BV16", 8_000),
    _Codec("AMR", 8_000),
    _Codec("AMR-WB", 16_000),
    _Codec("codec2", 8_000),
)
"""What Linphone may have and this server's catalogue has not."""

_WITHOUT_PLUGIN = frozenset({"silk/24000", "silk/16000", "silk/12000", "silk/8000", "ilbc"})


def linphone_codecs(settings: PhoneSettings) -> tuple[str, ...]:
    """Those of the user's codecs that every Linphone has, best first."""
    return tuple(name for name in settings.codecs if name not in _WITHOUT_PLUGIN)


def linphone_settings(settings: PhoneSettings) -> bytes:
    """The XML document, in UTF-8. It holds HA1, which is as good as the secret."""
    root = ElementTree.Element("config", {"xmlns": _NAMESPACE})
    _section(root, "misc", transient_provisioning="1")
    _section(root, "sip", **_sip(settings))
    _section(root, "rtp", accept_any_encryption="0")
    _section(root, "proxy_0", **_account(settings))
    _section(
        root,
        "auth_info_0",
        username=settings.username,
        domain=settings.domain,
        realm=settings.domain,
        ha1=settings.ha1_sha256,
        algorithm="SHA-256",
    )
    wanted = [_KNOWN[name] for name in settings.codecs]
    others = [codec for codec in (*_KNOWN.values(), *_NOT_HERE) if codec not in wanted]
    for number, codec in enumerate((*wanted, *others)):
        _section(
            root,
            f"audio_codec_{number}",
            mime=codec.mime,
            rate=str(codec.rate),
            channels=str(codec.channels),
            enabled=str(int(codec in wanted)),
        )
    ElementTree.indent(root, " ")
    body: bytes = ElementTree.tostring(root, "utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + body + b"\n"


def _sip(settings: PhoneSettings) -> dict[str, str]:
    values = {
        "sip_port": _ANY_PORT,
        "sip_tcp_port": _ANY_PORT,
        "sip_tls_port": _ANY_PORT,
        "default_proxy": "0",
        "verify_server_certs": "1",
        "verify_server_cn": "1",
        "use_rfc2833": "1",
        "use_info": "0",
        "media_encryption": settings.policy.protection.value if settings.is_protected else "none",
        "media_encryption_mandatory": str(int(settings.is_protected)),
    }
    if settings.policy.protection is Protection.ZRTP:
        values["zrtp_key_agreements_suites"] = ",".join(f"MS_ZRTP_KEY_AGREEMENT_{name}" for name in _KEY_AGREEMENTS)
    if settings.policy.protection is Protection.SRTP:
        values["srtp_crypto_suites"] = ", ".join(_SRTP_SUITES)
    return values


def _account(settings: PhoneSettings) -> dict[str, str]:
    quoted = settings.display_name.replace("\\", "").replace('"', "")
    address = f"sip:{settings.aor}"
    proxy = settings.server.proxy
    return {
        "reg_identity": f'"{quoted}" <{address}>' if quoted else address,
        "reg_proxy": f"<{proxy}>",
        "reg_route": f"<{proxy};lr>",
        "reg_expires": str(_REGISTERED_S),
        "reg_sendregister": "1",
        "realm": settings.domain,
        "publish": "0",
        "avpf": "0",
    }


def _section(root: ElementTree.Element, name: str, **entries: str) -> None:
    section = ElementTree.SubElement(root, "section", {"name": name})
    for key, value in entries.items():
        ElementTree.SubElement(section, "entry", {"name": key, "overwrite": "true"}).text = value
