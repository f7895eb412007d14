"""Finding out which secrets both sides have, without showing them (RFC 6189 4.3).

Each side sends an ID of each secret, made with a word that differs by role, so that an ID cannot be sent back as one's
own. In place of a secret that one does not have stands a random ID, so that a listener does not learn even that.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sealtone.zrtp.cache import Secrets
from sealtone.zrtp.crypto import Crypto, Entropy
from sealtone.zrtp.dhpart import SecretIds
from sealtone.zrtp.message import MAC_OCTETS

INITIATOR, RESPONDER = b"Initiator", b"Responder"


def ids_of(
    crypto: Crypto, hash_name: str, secrets: Secrets, we_initiate: bool, our_h3: bytes, entropy: Entropy
) -> SecretIds:
    """What we send. That of the auxiliary secret is made with our H3 in place of the word (4.3.1)."""
    word = INITIATOR if we_initiate else RESPONDER

    def id_of(secret: bytes | None, data: bytes) -> bytes:
        return entropy(MAC_OCTETS) if secret is None else _id(crypto, hash_name, secret, data)

    return SecretIds(
        id_of(secrets.rs1, word), id_of(secrets.rs2, word), id_of(secrets.aux, our_h3), id_of(secrets.pbx, word)
    )


def _id(crypto: Crypto, hash_name: str, secret: bytes, data: bytes) -> bytes:
    return crypto.mac(hash_name, secret, data)[:MAC_OCTETS]


@dataclass(frozen=True, slots=True)
class Shared:
    """s1, s2 and s3: what goes into s0. None where there is none in common."""

    s1: bytes | None = field(default=None, repr=False)
    s2: bytes | None = field(default=None, repr=False)
    s3: bytes | None = field(default=None, repr=False)


def match(
    crypto: Crypto, hash_name: str, ours: Secrets, theirs: SecretIds, we_initiate: bool, peer_h3: bytes
) -> Shared:
    """Compare what the peer sent with what it would send if it had our secrets.

    Should both retained secrets be in common, then both sides take the one that stands first with the initiator.
    """
    word = RESPONDER if we_initiate else INITIATOR
    received = (theirs.rs1, theirs.rs2)
    expected = [(secret, _id(crypto, hash_name, secret, word)) for secret in (ours.rs1, ours.rs2) if secret is not None]
    if we_initiate:
        matches = [secret for secret, its_id in expected for other in received if crypto.equal(its_id, other)]
    else:
        matches = [secret for other in received for secret, its_id in expected if crypto.equal(its_id, other)]

    def same(secret: bytes | None, data: bytes, other: bytes) -> bytes | None:
        if secret is None or not crypto.equal(_id(crypto, hash_name, secret, data), other):
            return None
        return secret

    return Shared(
        matches[0] if matches else None, same(ours.aux, peer_h3, theirs.aux), same(ours.pbx, word, theirs.pbx)
    )
