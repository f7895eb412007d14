"""Yealink's provisioning file (M7 format, firmware V80 and later): `name = value` lines, loaded from its web page.

A desk phone takes the secret itself, not its digest, so that the file can only be made when a secret is.
"""

from __future__ import annotations

from sealtone.model import Protection
from sealtone.provisioning.settings import PhoneSettings

_TLS = 2
_MANDATORY = 2
_CODECS = {"pcmu": "pcmu", "pcma": "pcma", "g729": "g729", "g722": "g722", "ilbc": "ilbc", "opus": "opus"}


def yealink_codecs(settings: PhoneSettings) -> tuple[str, ...]:
    """Those of the user's codecs that the phones have, best first."""
    return tuple(name for name in settings.codecs if name in _CODECS)


def yealink_settings(settings: PhoneSettings) -> bytes:
    """The file. ZRTP is not known to these phones: they encrypt with SRTP, and only over TLS."""
    encrypts = settings.policy.protection is not Protection.NONE
    lines: dict[str, str | int] = {
        "account.1.enable": 1,
        "account.1.label": settings.display_name or settings.username,
        "account.1.display_name": settings.display_name or settings.username,
        "account.1.user_name": settings.username,
        "account.1.auth_name": settings.username,
        "account.1.password": settings.secret,
        "account.1.sip_server.1.address": settings.domain,
        "account.1.sip_server.1.port": settings.server.tls_port,
        "account.1.sip_server.1.transport_type": _TLS,
        "account.1.sip_server.1.expires": 600,
        "account.1.outbound_proxy_enable": 1,
        "account.1.outbound_proxy.1.address": settings.server.host,
        "account.1.outbound_proxy.1.port": settings.server.tls_port,
        "account.1.srtp_encryption": _MANDATORY if encrypts else 0,
        "static.security.trust_certificates": 1,
        "static.security.cn_validation": 1,
    }
    wanted = yealink_codecs(settings)
    for name, codec in _CODECS.items():
        lines[f"account.1.codec.{codec}.enable"] = int(name in wanted)
        if name in wanted:
            lines[f"account.1.codec.{codec}.priority"] = wanted.index(name) + 1
    body = "".join(f"{name} = {_one_line(value)}\n" for name, value in lines.items())
    return f"#!version:1.0.0.1\n{body}".encode()


def _one_line(value: str | int) -> str:
    return " ".join(str(value).split())
