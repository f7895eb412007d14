"""What a relay under test does, and the terms of a call through it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple, Protocol

# RFC 4568, 6188 and 7714: octets of master key and of master salt.
SUITES: dict[str, tuple[int, int]] = {
    "AES_CM_128_HMAC_SHA1_80": (16, 14),
    "AES_256_CM_HMAC_SHA1_80": (32, 14),
    "AEAD_AES_128_GCM": (16, 12),
    "AEAD_AES_256_GCM": (32, 12),
    # RFC 6189 5.1.3 and 5.1.4.
    **{
        f"ZRTP_{cipher}_{tag}": (octets, 14)
        for cipher, octets in (("AES1", 16), ("AES2", 24), ("AES3", 32), ("2FS1", 16), ("2FS2", 24), ("2FS3", 32))
        for tag in ("HS80", "HS32", "SK64", "SK32")
    },
}

# The pairs of suites that encrypted calls take in turn: never the same on both legs.
SUITE_PAIRS: tuple[tuple[str, str], ...] = (
    ("AES_CM_128_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_80"),
    ("AES_256_CM_HMAC_SHA1_80", "AEAD_AES_256_GCM"),
    ("AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80"),
)


class SrtpKey(NamedTuple):
    """Master key and salt of one direction."""

    suite: str
    key: bytes
    salt: bytes


def new_key(suite: str) -> SrtpKey:
    key_octets, salt_octets = SUITES[suite]
    return SrtpKey(suite, secrets.token_bytes(key_octets), secrets.token_bytes(salt_octets))


class VoiceCodec(NamedTuple):
    """As an rtpmap has it. `frame_ms` is iLBC's, and what a packet holds."""

    payload_type: int
    encoding: str
    clock: int
    channels: int = 1
    frame_ms: int = 20

    @property
    def rtpmap(self) -> str:
        return f"{self.encoding}/{self.clock}" + (f"/{self.channels}" if self.channels > 1 else "")


PCMU = VoiceCodec(0, "PCMU", 8000)
# The payload type of telephone-event, which every phone has: no relay need listen for tones.
EVENTS = 101


class PhonePlan(NamedTuple):
    """A phone: its port on loopback, the suite of its leg (None: plain RTP), and the codec that it speaks."""

    port: int
    suite: str | None
    codec: VoiceCodec = PCMU


class CallPlan(NamedTuple):
    """`sealed`: the phones have their keys from each other, and the relay has none."""

    a: PhonePlan
    b: PhonePlan
    sealed: bool = False


class Protection(NamedTuple):
    """Pairs of suites of the two legs (None: plain RTP), which calls take in turn; `sealed` as in CallPlan."""

    pairs: tuple[tuple[str | None, str | None], ...]
    sealed: bool = False


PLAIN = Protection(((None, None),))
MIXED_SRTP = Protection(SUITE_PAIRS)


class LegMedia(NamedTuple):
    """Where the phone sends to, the key it sends with, and the key that it receives with."""

    relay_port: int
    phone_key: SrtpKey | None
    relay_key: SrtpKey | None


class CallMedia(NamedTuple):
    a: LegMedia
    b: LegMedia


def plan_calls(ports: tuple[int, int], first: int, count: int, protection: Protection) -> list[CallPlan]:
    """Calls `first` to `first + count - 1`."""
    plans = []
    for index in range(first, first + count):
        suite_a, suite_b = protection.pairs[index % len(protection.pairs)]
        plans.append(CallPlan(PhonePlan(ports[0], suite_a), PhonePlan(ports[1], suite_b), protection.sealed))
    return plans


class RelayUnderTest(Protocol):
    """A media relay in a process of its own on SERVER_CPU."""

    name: str

    def start(self) -> None:
        """Starts the process; raises BenchError with the reason when it is not there."""

    def add_calls(self, plans: Sequence[CallPlan]) -> list[CallMedia]:
        """Sets up calls, both legs open and bridged, in the order of `plans`."""

    def pids(self) -> tuple[int, ...]:
        """The processes whose CPU and memory count."""

    def stop(self) -> None:
        """Ends the process; nothing happens when it never started."""
