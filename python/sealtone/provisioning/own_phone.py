"""What our own softphone (`sealtone phone --provision`) is told: a JSON object."""

from __future__ import annotations

import json
from typing import Any

from sealtone.model import LegPolicy, MediaPath, Protection, Strictness
from sealtone.provisioning.settings import PhoneSettings, ServerPlace, UnreadableSettings

MEDIA_TYPE = "application/vnd.sealtone.phone+json"
_VERSION = 1


def own_phone_settings(settings: PhoneSettings) -> bytes:
    """The document, in UTF-8. It holds HA1, which is as good as the secret."""
    server, policy = settings.server, settings.policy
    document = {
        "sealtone_phone": _VERSION,
        "user": settings.username,
        "domain": settings.domain,
        "display_name": settings.display_name,
        "ha1": {"MD5": settings.ha1_md5, "SHA-256": settings.ha1_sha256},
        "server": {"host": server.host, "tls_port": server.tls_port, "sip_port": server.sip_port},
        "authority": server.authority,
        "protection": policy.protection.value,
        "strictness": policy.strictness.value,
        "path": policy.path.value,
        "codecs": list(settings.chosen_codecs),
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"


def read_own_phone_settings(data: bytes) -> PhoneSettings:
    """What `own_phone_settings` wrote. Raises `UnreadableSettings`."""
    try:
        found: dict[str, Any] = json.loads(data)
        if found["sealtone_phone"] != _VERSION:
            raise UnreadableSettings("These settings are for another version of this phone.")
        server = found["server"]
        return PhoneSettings(
            str(found["user"]),
            str(found["domain"]),
            ServerPlace(str(server["host"]), int(server["tls_port"]), int(server["sip_port"]), str(found["authority"])),
            LegPolicy(Protection(found["protection"]), Strictness(found["strictness"]), MediaPath(found["path"])),
            str(found["display_name"]),
            tuple(str(name) for name in found["codecs"]),
            str(found["ha1"]["MD5"]),
            str(found["ha1"]["SHA-256"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableSettings("These are no settings of a phone.") from error
