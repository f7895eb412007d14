"""Which codecs two SIP users share, and what follows where they share none."""

from __future__ import annotations

from typing import NamedTuple

from sealtone.admin.actor import Actor
from sealtone.admin.sip_users import user_of
from sealtone.model import MediaPath, Protection, Role, SipUser
from sealtone.sdp.catalogue import DEFAULT_ORDER
from sealtone.store import Transaction


class CodecOverlap(NamedTuple):
    """Names of the catalogue, in the first user's order."""

    first: SipUser
    second: SipUser
    shared: tuple[str, ...]
    converted: bool
    """They share none, and the server converts between them."""
    silent: bool
    """They share none, and on the path that both want the server cannot convert: the call fails, or goes by the
    server's path where both permit that."""


def codec_overlap(transaction: Transaction, actor: Actor, first: str, second: str) -> CodecOverlap:
    """Of two users by their addresses. Raises `InvalidInput`, `NotFound`."""
    one, other = (user_of(transaction, actor, aor, Role.VIEWER) for aor in (first, second))
    return overlap_of(one, other)


def overlap_of(first: SipUser, second: SipUser) -> CodecOverlap:
    """An empty list permits all; the usual ones are named then."""
    if not first.codecs or not second.codecs:
        shared = first.codecs or second.codecs or DEFAULT_ORDER
    else:
        shared = tuple(name for name in first.codecs if name in second.codecs)
    sealed = all(
        user.protection is Protection.ZRTP and user.policy.path is not MediaPath.SERVER for user in (first, second)
    )
    return CodecOverlap(first, second, shared, not shared and not sealed, not shared and sealed)
