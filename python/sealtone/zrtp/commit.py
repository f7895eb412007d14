"""The Commit message in its three forms (RFC 6189 5.4), and which of two wins when both sides send one (4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sealtone.zrtp.algorithms import MULTISTREAM, PRESHARED, Suite
from sealtone.zrtp.errors import Aborted, ErrorCode
from sealtone.zrtp.message import HASH_IMAGE_OCTETS, MAC_OCTETS, ZID_OCTETS, Kind, body_of, build, names_in, octets_of

HVI_OCTETS = 32
NONCE_OCTETS = 16
CHOICE_OCTETS = HASH_IMAGE_OCTETS + ZID_OCTETS + 20
"""What all forms have in common: H2, ZID and the five algorithms."""


def suite_in(body: bytes) -> Suite:
    """The five algorithms of a Commit's body of at least CHOICE_OCTETS."""
    return _suite_named(body[HASH_IMAGE_OCTETS + ZID_OCTETS : CHOICE_OCTETS])


@lru_cache(256)
def _suite_named(octets: bytes) -> Suite:
    return Suite(*names_in(octets))


@dataclass(frozen=True, slots=True)
class Commit:
    """The initiator's choice and its commitment.

    `commitment`: hvi, 32 octets, in DH mode; else the nonce, 16 octets, which must never repeat. `key_id`: eight
    octets that name the secret in Preshared mode, else empty. `mac`: eight octets under H1.
    """

    h2: bytes
    zid: bytes
    suite: Suite
    commitment: bytes
    key_id: bytes = b""
    mac: bytes = bytes(MAC_OCTETS)

    @classmethod
    def parse(cls, message: bytes) -> Commit:
        """Raises MalformedPacket. The length that is right depends on the key agreement that it names."""
        fixed = CHOICE_OCTETS + MAC_OCTETS
        body = body_of(message, Kind.COMMIT, fixed + NONCE_OCTETS, fixed + HVI_OCTETS)
        suite = suite_in(body)
        size = HVI_OCTETS if suite.is_dh else NONCE_OCTETS
        key_id = MAC_OCTETS if suite.key_agreement == PRESHARED else 0
        body_of(message, Kind.COMMIT, fixed + size + key_id)
        end = CHOICE_OCTETS + size
        return cls(
            h2=body[:HASH_IMAGE_OCTETS],
            zid=body[HASH_IMAGE_OCTETS : HASH_IMAGE_OCTETS + ZID_OCTETS],
            suite=suite,
            commitment=body[CHOICE_OCTETS:end],
            key_id=body[end:-MAC_OCTETS],
            mac=body[-MAC_OCTETS:],
        )

    def encode(self) -> bytes:
        """The whole message."""
        suite = self.suite
        names = (suite.hash, suite.cipher, suite.auth_tag, suite.key_agreement, suite.sas_type)
        body = self.h2 + self.zid + octets_of(names) + self.commitment + self.key_id + self.mac
        return build(Kind.COMMIT, body)


def ours_wins(ours: Commit, theirs: Commit, we_are_mitm: bool, they_are_mitm: bool) -> bool:
    """Whether of two Commits that crossed ours proceeds, so that we stay the initiator (RFC 6189 4.2).

    A Preshared one gives way to DH. Of two Preshared ones a PBX's (M flag) gives way to a phone's. Else the lower hvi
    or nonce gives way. Raises Aborted where one is Multistream and the other is not, which cannot rightly happen.
    """
    modes = {ours.suite.key_agreement, theirs.suite.key_agreement}
    if MULTISTREAM in modes and modes != {MULTISTREAM}:
        raise Aborted(ErrorCode.SOFTWARE, "Multistream mode met another mode")
    if ours.suite.is_dh != theirs.suite.is_dh:
        return ours.suite.is_dh
    if modes == {PRESHARED} and we_are_mitm != they_are_mitm:
        return they_are_mitm
    return ours.commitment > theirs.commitment
