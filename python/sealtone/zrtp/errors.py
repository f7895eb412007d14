"""The one exception family of the ZRTP package, split by whose fault it is, and the error codes of RFC 6189 5.9."""

from __future__ import annotations

from enum import IntEnum


class ErrorCode(IntEnum):
    """What an Error message says (RFC 6189 5.9, Table 8)."""

    MALFORMED = 0x10
    SOFTWARE = 0x20
    UNSUPPORTED_VERSION = 0x30
    HELLO_MISMATCH = 0x40
    UNSUPPORTED_HASH = 0x51
    UNSUPPORTED_CIPHER = 0x52
    UNSUPPORTED_KEY_AGREEMENT = 0x53
    UNSUPPORTED_AUTH_TAG = 0x54
    UNSUPPORTED_SAS = 0x55
    NO_SHARED_SECRET = 0x56
    BAD_PUBLIC_VALUE = 0x61
    BAD_HASH_COMMITMENT = 0x62
    UNTRUSTED_RELAYED_SAS = 0x63
    BAD_CONFIRM_MAC = 0x70
    NONCE_REUSED = 0x80
    EQUAL_ZIDS = 0x90
    SSRC_COLLISION = 0x91
    SERVICE_UNAVAILABLE = 0xA0
    TIMEOUT = 0xB0
    GO_CLEAR_REFUSED = 0x100

    @property
    def meaning(self) -> str:
        """One plain sentence for a person."""
        return _MEANINGS[self]

    @classmethod
    def describe(cls, code: int) -> str:
        """The meaning of a code off the wire, known or not."""
        return cls(code).meaning if code in _KNOWN_CODES else f"an error unknown to RFC 6189 (0x{code:x})"


_MEANINGS = {
    ErrorCode.MALFORMED: "a message had the wrong structure",
    ErrorCode.SOFTWARE: "the software of one side failed",
    ErrorCode.UNSUPPORTED_VERSION: "the two sides have no ZRTP version in common",
    ErrorCode.HELLO_MISMATCH: "the two sides' Hello messages do not fit together",
    ErrorCode.UNSUPPORTED_HASH: "the hash is not supported",
    ErrorCode.UNSUPPORTED_CIPHER: "the cipher is not supported",
    ErrorCode.UNSUPPORTED_KEY_AGREEMENT: "the key agreement is not supported",
    ErrorCode.UNSUPPORTED_AUTH_TAG: "the SRTP authentication tag is not supported",
    ErrorCode.UNSUPPORTED_SAS: "the form of the short authentication string is not supported",
    ErrorCode.NO_SHARED_SECRET: "there is no shared secret, a new key agreement is needed",
    ErrorCode.BAD_PUBLIC_VALUE: "a public value was bad: an attack on the key agreement",
    ErrorCode.BAD_HASH_COMMITMENT: "a public value was not the one committed to: somebody stands in the middle",
    ErrorCode.UNTRUSTED_RELAYED_SAS: "a short authentication string was relayed by a server that is not trusted",
    ErrorCode.BAD_CONFIRM_MAC: "the two sides came to different keys",
    ErrorCode.NONCE_REUSED: "a nonce was used twice",
    ErrorCode.EQUAL_ZIDS: "both sides have the same ZID",
    ErrorCode.SSRC_COLLISION: "both sides chose the same SSRC",
    ErrorCode.SERVICE_UNAVAILABLE: "the service is unavailable",
    ErrorCode.TIMEOUT: "the other side stopped answering",
    ErrorCode.GO_CLEAR_REFUSED: "unencrypted speech is not allowed here",
}
_KNOWN_CODES = frozenset(_MEANINGS)


class ZrtpError(Exception):
    """Base of every exception that this package raises on purpose."""


class MalformedPacket(ZrtpError):
    """What the wire brought is not ZRTP, or a message of it has the wrong structure (the peer's fault)."""


class CrcMismatch(MalformedPacket):
    """The CRC does not fit the packet: damaged on the way, or made by somebody careless (RFC 6189 5)."""


class Discarded(ZrtpError):
    """A well-formed message that must be ignored, since nothing proves that it is the peer's (RFC 6189 10)."""


class Aborted(ZrtpError):
    """The exchange cannot go on (the peer's fault, or somebody's in the middle). `code` is what the peer is told."""

    def __init__(self, code: ErrorCode, detail: str = "") -> None:
        super().__init__(detail or code.meaning)
        self.code = code


class UsageError(ZrtpError, ValueError):
    """Our own side asked for what the protocol or its policy forbids, such as relaying a SAS to the un-enrolled."""


class UnreadableRecord(ZrtpError, ValueError):
    """Stored octets are not a cache record of this package."""
