"""What is remembered of a peer from call to call: the retained secrets (RFC 6189 4.6.1, 4.9 and 4.10).

A record belongs to one pair of ZIDs, ours and the peer's. It is immutable; a session hands out a new one in an event,
and whoever keeps it stores it encrypted, since it holds secrets. Times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sealtone.zrtp.confirm import NEVER_EXPIRES
from sealtone.zrtp.errors import UnreadableRecord
from sealtone.zrtp.message import ZID_OCTETS

SECRET_OCTETS = 32
_FORMAT = 1
_VERIFIED, _RS1, _RS2, _PBX = 1, 2, 4, 8
_FOREVER = 0xFFFFFFFFFFFFFFFF


@dataclass(frozen=True, slots=True)
class RetainedSecret:
    """32 octets, and when they expire (None: never)."""

    octets: bytes = field(repr=False)
    expires_at: int | None = None

    def is_valid(self, unix_time: int) -> bool:
        return self.expires_at is None or unix_time < self.expires_at


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets that may be used in an exchange, None where there is none."""

    rs1: bytes | None = field(default=None, repr=False)
    rs2: bytes | None = field(default=None, repr=False)
    aux: bytes | None = field(default=None, repr=False)
    pbx: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CacheRecord:
    """`rs1`: of the latest call, `rs2`: of the one before, which saves the day when a call broke off before both sides
    had stored rs1. `pbx`: left by enrolment, does not expire. `verified`: a person has compared the SAS (7.1)."""

    peer_zid: bytes
    rs1: RetainedSecret | None = None
    rs2: RetainedSecret | None = None
    pbx: bytes | None = field(default=None, repr=False)
    verified: bool = False

    def usable(self, unix_time: int, aux: bytes | None = None) -> Secrets:
        """What has not expired. Where rs1 has, rs2 alone is left."""

        def valid(secret: RetainedSecret | None) -> bytes | None:
            return secret.octets if secret is not None and secret.is_valid(unix_time) else None

        return Secrets(valid(self.rs1), valid(self.rs2), aux, self.pbx)

    def is_spent(self, unix_time: int) -> bool:
        """Whether nothing in it can be used any more, so that keeping it is as good as not."""
        return self.usable(unix_time) == Secrets()

    def renewed(self, retained: bytes, lifetime_s: int, unix_time: int, keep_old: bool) -> CacheRecord:
        """After a secure exchange: rs1 moves to rs2 (in DH mode, `keep_old`), the new secret becomes rs1 (4.6.1.1).

        `lifetime_s`: the shorter of what both Confirm messages said; with 0 nothing is stored (4.9).
        """
        if lifetime_s == 0:
            return self
        expires_at = None if lifetime_s == NEVER_EXPIRES else unix_time + lifetime_s
        return replace(self, rs1=RetainedSecret(retained, expires_at), rs2=self.rs1 if keep_old else self.rs2)

    def with_verified(self, verified: bool) -> CacheRecord:
        return replace(self, verified=verified)

    def with_pbx(self, secret: bytes | None) -> CacheRecord:
        return replace(self, pbx=secret)

    def forgotten(self) -> CacheRecord:
        """Without retained secrets or verification, after a person said that the SAS differs (7.1)."""
        return CacheRecord(self.peer_zid)

    def descends_from(self, earlier: CacheRecord) -> bool:
        """Whether the newest secret of `earlier` is still kept, and so vouches for what matched after it."""
        if earlier.rs1 is None or self.rs1 is None:
            return self.rs1 == earlier.rs1
        kept = [self.rs1.octets]
        if self.rs2 is not None and self.rs2.expires_at is None:  # else it may have expired before rs1 came
            kept.append(self.rs2.octets)
        return earlier.rs1.octets in kept

    def encode(self) -> bytes:
        """To be stored, encrypted."""
        present = _VERIFIED * self.verified | _RS1 * (self.rs1 is not None) | _RS2 * (self.rs2 is not None)
        present |= _PBX * (self.pbx is not None)
        octets = bytes((_FORMAT, present)) + self.peer_zid
        for secret in (self.rs1, self.rs2):
            if secret is not None:
                expires_at = _FOREVER if secret.expires_at is None else secret.expires_at
                octets += secret.octets + expires_at.to_bytes(8, "big")
        return octets + (self.pbx or b"")

    @classmethod
    def parse(cls, octets: bytes) -> CacheRecord:
        """From storage; raises UnreadableRecord."""
        start = 2 + ZID_OCTETS
        if len(octets) < start or octets[0] != _FORMAT:
            raise UnreadableRecord("not a cache record of this format")
        present, at = octets[1], start
        kept: list[RetainedSecret | None] = []
        for flag in (_RS1, _RS2):
            if not present & flag:
                kept.append(None)
                continue
            expires_at = int.from_bytes(octets[at + SECRET_OCTETS : at + SECRET_OCTETS + 8], "big")
            secret = octets[at : at + SECRET_OCTETS]
            kept.append(RetainedSecret(secret, None if expires_at == _FOREVER else expires_at))
            at += SECRET_OCTETS + 8
        pbx = octets[at : at + SECRET_OCTETS] if present & _PBX else None
        if len(octets) != at + (SECRET_OCTETS if pbx is not None else 0) or present > 15:
            raise UnreadableRecord("a cache record of the wrong length")
        return cls(octets[2:start], kept[0], kept[1], pbx, bool(present & _VERIFIED))


Cache = Callable[[bytes], CacheRecord | None]
"""Looks up what is remembered, under our own ZID, of a peer's ZID."""
