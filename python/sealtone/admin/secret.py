"""Generated secrets: long enough for no dictionary, short enough to be typed into a desk phone."""

from __future__ import annotations

import secrets

from sealtone.sip.digest import ha1
from sealtone.store.directory import Digests

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # 32 symbols, without l, o, 0 and 1
_GROUPS = 4
_GROUP_LENGTH = 4


def new_secret() -> str:
    """A random secret of 80 bits, such as ``k7mf-92qx-hw3n-p8rt``."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))


def digests_of(username: str, domain: str, secret: str) -> Digests:
    """What is kept instead of the secret; the realm is the domain."""
    return Digests(ha1(username, domain, secret, "MD5"), ha1(username, domain, secret, "SHA-256"))
