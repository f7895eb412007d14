"""Choosing algorithms from two Hellos (RFC 6189 4.1.2), and judging those that a Commit names."""

from __future__ import annotations

from functools import lru_cache

from sealtone.zrtp.algorithms import (
    CIPHERS,
    HASHES,
    KEY_AGREEMENTS,
    Algorithms,
    KeyAgreementType,
    Suite,
)
from sealtone.zrtp.errors import Aborted, ErrorCode

_STRONG_HASH_OCTETS = 48


@lru_cache(256)
def choose(ours: Algorithms, theirs: Algorithms) -> Suite:
    """The suite that we commit to as initiator; remembered, since most phones list the same.

    Key agreement: of both sides' first common choices the faster one, so that two sides that follow the RFC come to
    the same. The rest is the initiator's to choose among what is common, by our preference, but a strong key agreement
    draws the longer hash and cipher after it, and a weak one (DH2k) the shorter cipher (5.1.5). What the peer did not
    list, though everybody has it, is taken only where nothing else is common.

    Raises Aborted with the code of the type that has nothing in common.
    """
    listed, theirs = theirs, theirs.with_mandatory()
    hashes = _common(ours.hashes, listed.hashes, theirs.hashes, ErrorCode.UNSUPPORTED_HASH)
    ciphers = _common(ours.ciphers, listed.ciphers, theirs.ciphers, ErrorCode.UNSUPPORTED_CIPHER)
    strong_hash = any(HASHES[name].octets >= _STRONG_HASH_OCTETS for name in hashes)
    agreement = _agreement(ours, theirs, strong_hash)
    return Suite(
        hash=_hash_for(agreement, hashes),
        cipher=_cipher_for(agreement, ciphers),
        auth_tag=_common(ours.auth_tags, listed.auth_tags, theirs.auth_tags, ErrorCode.UNSUPPORTED_AUTH_TAG)[0],
        key_agreement=agreement.name,
        sas_type=_common(ours.sas_types, listed.sas_types, theirs.sas_types, ErrorCode.UNSUPPORTED_SAS)[0],
    )


def check(suite: Suite, ours: Algorithms) -> Suite:
    """The suite of a peer's Commit, if we have each part of it; raises Aborted (RFC 6189 5.9, 0x51 to 0x55)."""
    for name, known, code in (
        (suite.hash, ours.hashes, ErrorCode.UNSUPPORTED_HASH),
        (suite.cipher, ours.ciphers, ErrorCode.UNSUPPORTED_CIPHER),
        (suite.key_agreement, ours.key_agreements, ErrorCode.UNSUPPORTED_KEY_AGREEMENT),
        (suite.auth_tag, ours.auth_tags, ErrorCode.UNSUPPORTED_AUTH_TAG),
        (suite.sas_type, ours.sas_types, ErrorCode.UNSUPPORTED_SAS),
    ):
        if name not in known:
            raise Aborted(code)
    return suite


def _common(ours: tuple[str, ...], listed: tuple[str, ...], theirs: tuple[str, ...], code: ErrorCode) -> list[str]:
    common = [name for name in ours if name in listed] or [name for name in ours if name in theirs]
    if not common:
        raise Aborted(code)
    return common


def _agreement(ours: Algorithms, theirs: Algorithms, strong_hash: bool) -> KeyAgreementType:
    def usable(names: tuple[str, ...], others: tuple[str, ...]) -> list[KeyAgreementType]:
        types = [KEY_AGREEMENTS[name] for name in names if name in KEY_AGREEMENTS and name in others]
        return [each for each in types if strong_hash or not each.strong_hash_required]

    mine = usable(ours.key_agreements, theirs.key_agreements)
    if not mine:
        raise Aborted(ErrorCode.UNSUPPORTED_KEY_AGREEMENT)
    first_of_theirs = usable(theirs.key_agreements, ours.key_agreements)[0]
    return min(mine[0], first_of_theirs, key=lambda each: each.speed)


def _hash_for(agreement: KeyAgreementType, common: list[str]) -> str:
    if agreement.strong:
        return next((name for name in common if HASHES[name].octets >= _STRONG_HASH_OCTETS), common[0])
    return common[0]


def _cipher_for(agreement: KeyAgreementType, common: list[str]) -> str:
    if agreement.strong:
        return max(common, key=lambda name: CIPHERS[name].key_octets)  # max and min keep the first of equals
    if agreement.name == "DH2k":
        return min(common, key=lambda name: CIPHERS[name].key_octets)
    return common[0]
