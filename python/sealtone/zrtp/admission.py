"""Which Hello is answered (RFC 6189 4.1, 4.1.1, 8.1, 5.9)."""

from __future__ import annotations

from sealtone.zrtp.crypto import Crypto
from sealtone.zrtp.errors import Aborted, Discarded, ErrorCode
from sealtone.zrtp.events import WarningKind
from sealtone.zrtp.exchange import Greeting
from sealtone.zrtp.hello import VERSION, Hello, HelloHash
from sealtone.zrtp.multistream import Multistream
from sealtone.zrtp.packet import Packet
from sealtone.zrtp.profile import HelloHashPolicy, Initiative, Profile


class Unwelcome(Discarded):
    """A Hello that is ignored, and of which a person should hear."""

    def __init__(self, warning: WarningKind) -> None:
        super().__init__(warning.value)
        self.warning = warning


def admit(
    packet: Packet,
    *,
    ours: Greeting,
    our_ssrc: int,
    profile: Profile,
    crypto: Crypto,
    hello_hashes: tuple[HelloHash, ...],
    multistream: Multistream | None,
) -> tuple[Hello, bool | None]:
    """The Hello of somebody with whom to go on, and whether signalling announced it (None: it announced none).

    Raises MalformedPacket, Discarded, or Aborted where the two sides cannot come together.
    """
    if packet.message == ours.message:
        raise Unwelcome(WarningKind.REFLECTED)
    hello = Hello.parse(packet.message)
    matched: bool | None = None
    if hello_hashes:
        digest = HelloHash.of(packet.message).digest
        matched = any(crypto.equal(digest, each.digest) for each in hello_hashes)
        if not matched and profile.hello_hash_policy is HelloHashPolicy.REFUSE:
            raise Unwelcome(WarningKind.HELLO_HASH_MISMATCH)
    if hello.version[:3] > VERSION[:3]:  # only the first three characters count (4.1.1)
        raise Unwelcome(WarningKind.NEWER_VERSION)
    if hello.version[:3] < VERSION[:3]:
        raise Aborted(ErrorCode.UNSUPPORTED_VERSION)
    if hello.zid == profile.zid:
        raise Aborted(ErrorCode.EQUAL_ZIDS)
    if packet.ssrc == our_ssrc:
        raise Aborted(ErrorCode.SSRC_COLLISION)
    if multistream is not None and hello.zid != multistream.peer_zid:
        raise Aborted(ErrorCode.HELLO_MISMATCH, "a further stream came from another ZID")
    if hello.passive and profile.initiative is Initiative.NEVER:
        raise Aborted(ErrorCode.HELLO_MISMATCH, "both sides are passive")
    return hello, matched
