"""The one parser of what people enter about themselves. Each raises `InvalidInput` with what is allowed."""

from __future__ import annotations

import re

from sealtone.admin import fields
from sealtone.admin.errors import InvalidInput
from sealtone.model import Role

# RFC 5322 3.2.3 dot-atom: quoted local parts are left out, which nobody has and many systems refuse.
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LONGEST_LOCAL_PART = 64
_LONGEST_EMAIL = 254
_LONGEST_NAME = 80
LANGUAGES = ("", "en", "ru")
THEMES = ("", "light", "dark")


def email(text: str, field: str = "email") -> str:
    """An e-mail address in lower case: ``Ann@Example.ORG`` and ``ann@example.org`` are the same person."""
    local, at, domain = text.strip().rpartition("@")
    try:
        domain = fields.domain_name(domain)
    except InvalidInput:
        domain = ""
    address = f"{local}@{domain}".lower()
    fits = len(local) <= _LONGEST_LOCAL_PART and len(address) <= _LONGEST_EMAIL
    if not (at and fits and _LOCAL_PART.fullmatch(local) and "." in domain):
        raise InvalidInput(field, "Enter an e-mail address, such as ann@example.org.")
    return address


def name(text: str, field: str = "name") -> str:
    """What a person, an account or a passkey is called; must not be empty."""
    text = " ".join(text.split())
    if not text or len(text) > _LONGEST_NAME or not text.isprintable():
        raise InvalidInput(field, "Enter a name of at most {most} characters.", most=_LONGEST_NAME)
    return text


def role(text: str) -> Role:
    """``owner``, ``admin`` or ``viewer``."""
    try:
        return Role(text.strip().lower())
    except ValueError:
        raise InvalidInput("role", "Choose owner, admin or viewer.") from None


def language(text: str) -> str:
    """``en``, ``ru``, or empty: as the browser wants it."""
    return _one_of("language", text, LANGUAGES)


def theme(text: str) -> str:
    """``light``, ``dark``, or empty: as the system has it."""
    return _one_of("theme", text, THEMES)


def _one_of(field: str, text: str, choices: tuple[str, ...]) -> str:
    text = text.strip().lower()
    if text not in choices:
        raise InvalidInput(field, "Choose one of the values offered.")
    return text
