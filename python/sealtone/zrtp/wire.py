"""The side of a session that faces the network: metering, numbering, repeating."""

from __future__ import annotations

from sealtone.zrtp.limits import ANSWER_BURST, ANSWERS_PER_S, PACKET_BURST, PACKETS_PER_S, Counters, TokenBucket
from sealtone.zrtp.packet import Checksum, Packet, source_of
from sealtone.zrtp.timer import Retransmission, Schedule


class Wire:
    """What goes out, and how much of what comes in is looked at.

    `first_sequence`: Linphone takes a sequence number at or below the last one for a repetition, and knows no wrap, so
    that it should be low; it grows with each packet, repetitions included.
    """

    __slots__ = (
        "_answers",
        "_checksum",
        "_counters",
        "_peers",
        "_repeating",
        "_sequence",
        "_strangers",
        "_transmits",
        "ssrc",
    )

    def __init__(self, ssrc: int, first_sequence: int, counters: Counters, checksum: Checksum) -> None:
        self.ssrc = ssrc
        self._sequence = first_sequence
        self._counters = counters
        self._checksum = checksum
        self._peers = TokenBucket(PACKETS_PER_S, PACKET_BURST)
        self._strangers = TokenBucket(PACKETS_PER_S, PACKET_BURST)
        self._answers = TokenBucket(ANSWERS_PER_S, ANSWER_BURST)
        self._transmits: list[bytes] = []
        self._repeating: Retransmission | None = None

    def admit(self, datagram: bytes, peer_ssrc: int | None, now: float) -> bool:
        """Whether a datagram that came is looked at. The peer, once there is one, is metered by its SSRC apart from all
        others, so that a flood by somebody who cannot know it does not drown the peer's own packets."""
        self._counters.received += 1
        is_peers = peer_ssrc is not None and source_of(datagram) == peer_ssrc
        if (self._peers if is_peers else self._strangers).take(now):
            return True
        self._counters.flooded += 1
        return False

    def send(self, message: bytes) -> None:
        """Once."""
        self._transmits.append(Packet(self._sequence, self.ssrc, message).encode(self._checksum))
        self._sequence = self._sequence + 1 & 0xFFFF

    def answer(self, message: bytes, now: float) -> None:
        """Once, unless there were too many answers lately to what anybody can have sent."""
        if self._answers.take(now):
            self.send(message)
        else:
            self._counters.unanswered += 1

    def repeat(self, message: bytes, schedule: Schedule, now: float, *, at_once: bool = True) -> None:
        """Until `stop`, or until it was often enough; in place of what was repeated before."""
        self._repeating = Retransmission(message, schedule, now)
        if at_once:
            self.send(message)

    def stop(self) -> None:
        """Repeat nothing any more."""
        self._repeating = None

    @property
    def is_repeating(self) -> bool:
        return self._repeating is not None

    @property
    def deadline(self) -> float | None:
        """When the next repetition is due."""
        return None if self._repeating is None else self._repeating.deadline

    def handle_timeout(self, now: float) -> bool:
        """Repeat what is due. True when it was repeated often enough and went unanswered."""
        repeating = self._repeating
        if repeating is None or now < repeating.deadline:
            return False
        if repeating.again(now):
            self.send(repeating.message)
            return False
        self._repeating = None
        return True

    def transmits(self) -> list[bytes]:
        """Datagrams to send, in order."""
        drained, self._transmits = self._transmits, []
        return drained
