"""The hash chain H0 to H3, and the MACs keyed with it (RFC 6189 9).

Each message reveals the next link: Hello carries H3, Commit H2, DHPart H1, Confirm (encrypted) H0, and each is the
SHA-256 of the one below it. So a stranger cannot add a Commit or DHPart to somebody's exchange, and is found out before
any costly computation. Each link is also the key of the MAC over the message before it, which can be checked only once
the link is known. Hash and MAC are always SHA-256's, whatever is negotiated.
"""

from __future__ import annotations

from sealtone.zrtp.algorithms import IMPLICIT_HASH
from sealtone.zrtp.crypto import Crypto, Entropy
from sealtone.zrtp.errors import Aborted, Discarded, ErrorCode
from sealtone.zrtp.message import HASH_IMAGE_OCTETS, MAC_OCTETS


class HashChain:
    """Our own chain, from 32 random octets."""

    __slots__ = ("h0", "h1", "h2", "h3")

    def __init__(self, crypto: Crypto, entropy: Entropy) -> None:
        self.h0 = entropy(HASH_IMAGE_OCTETS)
        self.h1 = link(crypto, self.h0)
        self.h2 = link(crypto, self.h1)
        self.h3 = link(crypto, self.h2)


def link(crypto: Crypto, image: bytes) -> bytes:
    """The next image of a chain."""
    return crypto.digest(IMPLICIT_HASH, image)


def authenticate(crypto: Crypto, image: bytes, message: bytes) -> bytes:
    """The message with the MAC under `image` in place of its last eight octets."""
    body = message[:-MAC_OCTETS]
    return body + crypto.mac(IMPLICIT_HASH, image, body)[:MAC_OCTETS]


def check_link(crypto: Crypto, image: bytes, known: bytes, steps: int = 1) -> None:
    """Whether `image` leads to the `known` one in that many steps; raises Discarded, since a stranger sent it (10)."""
    for _ in range(steps):
        image = link(crypto, image)
    if not crypto.equal(image, known):
        raise Discarded("the hash chain does not fit")


def check_mac(crypto: Crypto, image: bytes, message: bytes) -> None:
    """Whether an earlier message was the sender's, now that its key is known.

    Raises Aborted: the chain proves who sent the key, so that what was accepted before is somebody else's work.
    """
    if not crypto.equal(authenticate(crypto, image, message), message):
        raise Aborted(ErrorCode.SOFTWARE, "an earlier message was changed on the way: somebody stands in the middle")
