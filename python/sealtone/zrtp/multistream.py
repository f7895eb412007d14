"""What further streams of a call start from: the ZRTP session key of the first (RFC 6189 4.4.3)."""

from __future__ import annotations

from sealtone.zrtp.commit import Commit
from sealtone.zrtp.crypto import wipe
from sealtone.zrtp.errors import Aborted, ErrorCode

MAX_STREAMS = 32
"""Exchanges in Multistream mode within one call."""


class Multistream:
    """Handed from a secure session to those of further streams with the same peer. `hash_name`: the first stream's.

    `peer_zid` is the only one that further streams accept. Nonces are remembered, since none may repeat (4.4.3.1). The
    key is a copy, so that it outlives the first stream; `wipe` it at the end of the call.
    """

    __slots__ = ("_nonces", "_zrtp_session", "hash_name", "peer_zid")

    def __init__(self, zrtp_session: bytearray, hash_name: str, peer_zid: bytes) -> None:
        self._zrtp_session = bytearray(zrtp_session)
        self.hash_name = hash_name
        self.peer_zid = peer_zid
        self._nonces: set[bytes] = set()

    def __repr__(self) -> str:
        return f"Multistream(hash_name={self.hash_name!r}, peer_zid={self.peer_zid!r})"

    @property
    def zrtp_session(self) -> bytearray:
        """ZRTPSess; raises Aborted once it is wiped, since zeros are no key."""
        if not self._zrtp_session:
            raise Aborted(ErrorCode.NO_SHARED_SECRET)
        return self._zrtp_session

    def use(self, commit: Commit) -> None:
        """Remember the nonce of a Commit that is about to count; raises Aborted for one that was used before."""
        if commit.commitment in self._nonces or len(self._nonces) >= MAX_STREAMS:
            raise Aborted(ErrorCode.NONCE_REUSED)
        self._nonces.add(commit.commitment)

    def wipe(self) -> None:
        """Overwrite the session key, at the end of the call. Streams that are secure stay so."""
        wipe(self._zrtp_session)
        self._zrtp_session = bytearray()
