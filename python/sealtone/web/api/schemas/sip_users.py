"""SIP users as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sealtone.model import Language, MediaPath, Protection, RecordingPolicy, SipUser, Strictness
from sealtone.web.api.schemas.base import Form, Shown, example

USER = {
    "aor": "1000@office.example",
    "username": "1000",
    "domain": "office.example",
    "display_name": "Anna",
    "enabled": True,
    "protection": "zrtp",
    "strictness": "require",
    "media_path": "sealed",
    "codecs": ["opus", "G722"],
    "max_contacts": 10,
    "recording": "domain",
    "language": "domain",
}
_CODECS = "Permitted codecs, best first; empty permits all."
_AS_DOMAIN = "“domain”: as its domain has it."


class SipUserOut(Shown):
    """A SIP user without its secret, of which only digests are kept."""

    model_config = example(USER)

    aor: str = Field(description="The address of record, user@domain.")
    username: str
    domain: str
    display_name: str
    enabled: bool
    protection: Protection
    strictness: Strictness
    media_path: MediaPath = Field(description="Between two ZRTP phones.")
    codecs: list[str] = Field(description=_CODECS)
    max_contacts: int = Field(description="How many phones may be registered at once.")
    recording: RecordingPolicy | Literal["domain"] = Field(description=_AS_DOMAIN)
    language: Language | Literal["domain"] = Field(description=_AS_DOMAIN)


class SipUserWithSecret(SipUserOut):
    """A SIP user with the secret that was just given to it. It is shown this once."""

    model_config = example(USER | {"secret": "k7mf-92qx-hw3n-p8rt"})

    secret: str


class SipUserFields(Form):
    """What is left out, or null, stays as it is."""

    model_config = example({"protection": "zrtp", "strictness": "require"})

    display_name: str | None = Field(None, max_length=200)
    enabled: bool | None = None
    protection: Protection | None = None
    strictness: Strictness | None = None
    media_path: MediaPath | None = None
    codecs: list[str] | None = Field(None, max_length=50, description=_CODECS)
    max_contacts: int | None = Field(None, ge=1, le=50)
    recording: RecordingPolicy | Literal["domain"] | None = Field(None, description=_AS_DOMAIN)
    language: Language | Literal["domain"] | None = Field(None, description=_AS_DOMAIN)


class NewSipUser(SipUserFields):
    """A SIP user to be made; what is left out has its usual value."""

    model_config = example({"aor": "1000@office.example", "display_name": "Anna", "protection": "zrtp"})

    aor: str = Field(max_length=400, description="user@domain; the domain has to be one of the account.")
    secret: str | None = Field(None, max_length=200, description="Instead of a generated one; 12 characters or more.")


class SecretIn(Form):
    """Whether a secret is generated or given."""

    model_config = example({})

    secret: str | None = Field(None, max_length=200, description="Instead of a generated one; 12 characters or more.")


def sip_user_fields(user: SipUser) -> dict[str, object]:
    return {
        "aor": user.aor,
        "username": user.username,
        "domain": user.domain,
        "display_name": user.display_name,
        "enabled": user.enabled,
        "protection": user.policy.protection,
        "strictness": user.policy.strictness,
        "media_path": user.policy.path,
        "codecs": list(user.codecs),
        "max_contacts": user.max_contacts,
        "recording": user.recording.own if user.recording.own is not None else "domain",
        "language": user.own_language if user.own_language is not None else "domain",
    }


def sip_user_out(user: SipUser) -> SipUserOut:
    return SipUserOut.model_validate(sip_user_fields(user))


def with_secret(user: SipUser, secret: str) -> SipUserWithSecret:
    return SipUserWithSecret.model_validate(sip_user_fields(user) | {"secret": secret})
