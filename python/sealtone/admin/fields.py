"""The one parser of each input, whichever skin it came through. Each raises `InvalidInput` with what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from sealtone.admin.errors import InvalidInput
from sealtone.model import (
    ConsentNotice,
    Language,
    MediaPath,
    NoticeTo,
    OpenNotice,
    Protection,
    RecordingFormat,
    RecordingPolicy,
    Strictness,
)
from sealtone.sdp.catalogue import CATALOGUE, canonical_name, listed

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# RFC 3261 25.1 user, without what would need escaping or be taken for something else in a dial plan.
_USERNAME = re.compile(r"[A-Za-z0-9_.+-]{1,64}")
_LONGEST_NAME = 253
_LONGEST_DISPLAY_NAME = 64
_SHORTEST_SECRET = 12
_LONGEST_SECRET = 128
_MOST_CONTACTS = 50
_MOST_DAYS = 36_500
_LONGEST_NUMBER = 9

Choice = TypeVar("Choice", bound=StrEnum)


def domain_name(text: str) -> str:
    """A DNS name in lower case without a trailing dot; an internationalised one in its ASCII form."""
    name = text.strip().rstrip(".").lower()
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            name = ""
    labels = name.split(".")
    if not name or len(name) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidInput("domain", "“{text}” is not a domain name. Write it like office.example.", text=text)
    if labels[-1].isdigit():
        raise InvalidInput(
            "domain", "“{text}” is an IP address. A domain is a name, such as office.example.", text=text
        )
    return name


def domain_label(text: str) -> str:
    """One label of a name, in lower case: ``anna`` of ``anna.service.example``."""
    label = text.strip().lower()
    if not _LABEL.fullmatch(label) or label.startswith("xn--") or label.isdigit():
        raise InvalidInput(
            "label", "“{text}” cannot be a subdomain: letters from a to z, digits and hyphens are allowed.", text=text
        )
    return label


def username(text: str) -> str:
    """The user part of an address of record, case-sensitive."""
    if not _USERNAME.fullmatch(text):
        raise InvalidInput(
            "username",
            "“{text}” cannot be a user name: up to 64 letters, digits and the signs _ . + - are allowed.",
            text=text,
        )
    return text


def address_of_record(text: str) -> tuple[str, str]:
    """``user@domain``, with or without ``sip:``, as its user and domain."""
    user, at, domain = text.removeprefix("sips:").removeprefix("sip:").rpartition("@")
    if not at:
        raise InvalidInput("user", "“{text}” has no domain. Write it like 1000@office.example.", text=text)
    return username(user), domain_name(domain)


def retention_days(text: str) -> int | None:
    """1 to 36500 days, or ``forever`` (None)."""
    text = text.strip().lower()
    if text == "forever":
        return None
    days = int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER else 0
    if not 1 <= days <= _MOST_DAYS:
        raise InvalidInput(
            "days",
            "“{text}” is not a number of days from 1 to {most}, nor the word forever.",
            text=text,
            most=_MOST_DAYS,
        )
    return days


def written_retention(days: int | None) -> str:
    """As `retention_days` reads it, with its unit."""
    return "forever" if days is None else f"{days} days"


def secret(text: str) -> str:
    """A secret chosen by a person: long and printable."""
    if not _SHORTEST_SECRET <= len(text) <= _LONGEST_SECRET or not text.isprintable():
        raise InvalidInput(
            "secret",
            "A secret has {least} to {most} printable characters; or leave it out.",
            least=_SHORTEST_SECRET,
            most=_LONGEST_SECRET,
        )
    return text


def display_name(text: str) -> str:
    """What the other phone shows; may be empty."""
    name = text.strip()
    if len(name) > _LONGEST_DISPLAY_NAME or not (name.isprintable() or not name):
        raise InvalidInput(
            "display_name", "A name to show has at most {most} printable characters.", most=_LONGEST_DISPLAY_NAME
        )
    return name


def protection(text: str) -> Protection:
    """`none`, `srtp` or `zrtp`."""
    return _choice("protection", text, Protection)


def strictness(text: str) -> Strictness:
    """`prefer` or `require`."""
    return _choice("strictness", text, Strictness)


def media_path(text: str) -> MediaPath:
    """`server`, `sealed` or `direct`."""
    return _choice("path", text, MediaPath)


def recording_policy(text: str) -> RecordingPolicy | None:
    """`never`, `always` or `on-demand`, or `domain` (None): as the domain has it."""
    return None if text.strip().lower() == "domain" else _choice("recording", text, RecordingPolicy)


def consent_notice(text: str) -> ConsentNotice:
    """`none`, `tone` or `announcement`."""
    return _choice("notice", text, ConsentNotice)


def recording_format(text: str) -> RecordingFormat:
    """`opus`, `wav` or `flac`."""
    return _choice("format", text, RecordingFormat)


def language(text: str) -> Language:
    """`en` or `ru`."""
    return _choice("language", text, Language)


def own_language(text: str) -> Language | None:
    """`en`, `ru`, or `domain` (None): as the domain has it."""
    return None if text.strip().lower() == "domain" else _choice("language", text, Language, "domain")


def open_notice(text: str) -> OpenNotice:
    """`off`, `tone` or `notice`."""
    return _choice("open_notice", text, OpenNotice)


def open_notice_to(text: str) -> NoticeTo:
    """`caller` or `both`."""
    return _choice("open_notice_to", text, NoticeTo)


def codecs(text: str) -> tuple[str, ...]:
    """Names of codecs separated by commas, best first, in any case; empty permits all. Gives their own spelling."""
    names: list[str] = []
    for word in filter(None, map(str.strip, text.split(","))):
        name = canonical_name(word)
        if name is None:
            raise InvalidInput(
                "codecs", "“{text}” is not a codec. There are {codecs}.", text=word, codecs=listed(CATALOGUE)
            )
        if name in names:
            raise InvalidInput("codecs", "The codec {name} is named twice.", name=name)
        names.append(name)
    return tuple(names)


def max_contacts(number: int) -> int:
    """How many phones may be registered at once."""
    if not 1 <= number <= _MOST_CONTACTS:
        raise InvalidInput(
            "max_contacts", "Between 1 and {most} phones may be registered at once.", most=_MOST_CONTACTS
        )
    return number


def _choice(field: str, text: str, choices: type[Choice], *others: str) -> Choice:
    known: Callable[[str], Choice] = choices
    try:
        return known(text.strip().lower())
    except ValueError:
        allowed = " or ".join([*(choice.value for choice in choices), *others])
        raise InvalidInput(
            field, "“{text}” is no {field}: {allowed} is.", text=text, field=field, allowed=allowed
        ) from None
