"""SRTP for one direction of a call, done by the media core's own implementation."""

from __future__ import annotations

from sealtone.media._engine import Srtp, SrtpError
from sealtone.srtp_keys import MasterKey

__all__ = ["SecureStream"]


class SecureStream:
    """The contexts of both directions. Keys that stay the same keep their context, and so their roll-over counter."""

    def __init__(self, send: MasterKey, receive: MasterKey) -> None:
        self._send_key, self._receive_key = send, receive
        self._send, self._receive = _context(send), _context(receive)
        self.rejected = 0

    def rekey(self, send: MasterKey, receive: MasterKey) -> None:
        """Take over the keys of a new description; a context begins anew only where its key changed."""
        if send != self._send_key:
            self._send_key, self._send = send, _context(send)
        if receive != self._receive_key:
            self._receive_key, self._receive = receive, _context(receive)

    @property
    def suites(self) -> tuple[str, str]:
        """Names of the suites we send and receive with."""
        return self._send_key.suite.value, self._receive_key.suite.value

    def protect(self, packet: bytes) -> bytes:
        return self._send.protect_rtp(packet)

    def protect_rtcp(self, packet: bytes) -> bytes:
        return self._send.protect_rtcp(packet)

    def unprotect(self, packet: bytes) -> bytes | None:
        """The plain RTP packet; None (and counted) for a forged, replayed or broken one."""
        try:
            return self._receive.unprotect_rtp(packet)
        except SrtpError:
            self.rejected += 1
            return None

    def unprotect_rtcp(self, packet: bytes) -> bytes | None:
        try:
            return self._receive.unprotect_rtcp(packet)
        except SrtpError:
            self.rejected += 1
            return None


def _context(key: MasterKey) -> Srtp:
    return Srtp(key.suite.value, key.key, key.salt)
