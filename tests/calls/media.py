"""A media plane that keeps books instead of moving packets, for tests of calls under simulated time.

What becomes of a packet it can say, by the same rules as the real core: `zrtp_in`, `send_packet` and `rtp_in`.
"""

from typing import NamedTuple

from sealtone.b2bua.plane import CannotHear, MediaCounters, MediaPlan, MediaPort, NoMediaPorts, RecordingWish
from sealtone.sip.flow import Hop

ALL_CODECS = dict.fromkeys(
    ("opus", "silk", "g729", "ilbc", "g722", "pcmu", "pcma", "gsm", "speex", "telephone-event", "cn"), ""
)


class Rtp(NamedTuple):
    """A voice packet: the master key that protects it (None: in the clear) and its payload type."""

    key: bytes | None
    payload_type: int


class Play(NamedTuple):
    """Sounds played to a leg under a number."""

    leg: int
    number: int
    sounds: tuple[str, ...]
    repeat: bool = False
    over: bool = False
    """Mixed with what the leg hears else."""


class BookedPlane:
    """Says at any moment which legs are joined and with which plan; raises where the real core does."""

    def __init__(self, ports: int = 1000) -> None:
        self.free = ports
        self.open_calls: set[int] = set()
        self.legs: dict[int, MediaPort] = {}
        self.calls_of: dict[int, int] = {}
        self.plans: dict[int, MediaPlan] = {}
        self.joined: dict[int, int] = {}
        self.maps: dict[int, dict[int, int]] = {}
        self.echoes: set[int] = set()
        self.plays: dict[int, Play] = {}
        """What is played to each leg now."""
        self.heard: list[Play] = []
        """All that was ever played, in order."""
        self.sent: list[tuple[int, bytes]] = []
        """ZRTP packets on their way out, by leg; whoever carries them empties it."""
        self.known: dict[str, str] = {}
        """What `codecs` says; `ALL_CODECS` for a core that can do everything."""
        self.through_codecs: set[int] = set()
        self.counted: dict[int, MediaCounters] = {}
        """What legs have counted, other than a hundred packets each way."""
        self.missing: set[str] = set()
        """Sounds for which something else stands in."""
        self.cannot_hear = ""
        """Why there are no codecs here."""
        self.recordings: dict[int, tuple[int, int | None, RecordingWish]] = {}
        """Those that run."""
        self.ended_recordings: list[int] = []
        """Those that were told to end; whoever carries the news empties it."""
        self._calls = 0
        self._legs = 0
        self._numbers = 0

    def open_call(self) -> int:
        self._calls += 1
        self.open_calls.add(self._calls)
        return self._calls

    def open_leg(self, media_call: int, hop: Hop) -> MediaPort:
        assert media_call in self.open_calls
        if len(self.legs) >= self.free:
            raise NoMediaPorts
        self._legs += 1
        port = MediaPort(self._legs, "192.0.2.1", 20_000 + 2 * self._legs, 20_001 + 2 * self._legs)
        self.legs[port.id] = port
        self.calls_of[port.id] = media_call
        return port

    def move_leg(self, leg: int, media_call: int) -> None:
        assert media_call in self.open_calls
        self.unbridge(leg)
        self.calls_of[leg] = media_call

    def update_leg(self, leg: int, plan: MediaPlan) -> None:
        assert leg in self.legs
        for address in (plan.remote, plan.remote_rtcp):
            if address is not None and address[1] > 65_535:
                raise OverflowError("out of range integral type conversion attempted")
        self.plans[leg] = plan

    def bridge(self, a: int, b: int, map_ab: dict[int, int], map_ba: dict[int, int]) -> None:
        assert a in self.legs
        assert b in self.legs
        if self.calls_of[a] != self.calls_of[b]:
            raise ValueError("only legs of one call can be bridged")
        self.unbridge(a)
        self.unbridge(b)
        self.joined[a], self.joined[b] = b, a
        self.maps[a], self.maps[b] = map_ab, map_ba

    def codecs(self) -> dict[str, str]:
        return self.known

    def transcode(self, a: int, b: int) -> None:
        for leg in (a, b):
            plan = self.plans[leg]
            assert not plan.sealed, "a sealed leg is never decoded"
            assert plan.formats, "nothing says what the phone sends"
            assert plan.transmit, "nothing says what to send"
            numbers = [one.payload_type for one in plan.formats]
            assert len(set(numbers)) == len(numbers)
            assert all(not self.known.get(one.encoding, "no") for one in plan.transmit[:1]), plan.transmit
        self.bridge(a, b, {}, {})
        self.through_codecs |= {a, b}

    def send_packet(self, leg: int, packet: bytes) -> None:
        """Ours to the leg's phone, whatever the gates for media are; a sealed leg gets none."""
        assert leg in self.legs
        plan = self.plans.get(leg)
        if plan is not None and plan.remote is not None and not plan.sealed:
            self.sent.append((leg, packet))

    def zrtp_in(self, leg: int, packet: bytes) -> bool:
        """A phone's. Whether the control plane sees it; on a sealed leg it has been passed on then, if at all."""
        plan = self.plans.get(leg)
        if plan is None:
            return False
        if plan.sealed:
            far = self.joined.get(leg)
            theirs = self.plans.get(far) if far is not None else None
            if far is None or theirs is None or not theirs.sealed or theirs.remote is None:
                return False
            self.sent.append((far, packet))
        return True

    def rtp_in(self, leg: int, packet: Rtp) -> tuple[int, Rtp] | None:
        """Where a phone's voice packet goes and how; None where it ends here. Plain passes only where there is no key
        at all and need be none; what is sealed passes as it is, from one sealed leg to another."""
        plan = self.plans.get(leg)
        far = leg if leg in self.echoes else self.joined.get(leg)
        theirs = self.plans.get(far) if far is not None else None
        if plan is None or far is None or theirs is None or not plan.receive or not theirs.send:
            return None
        if theirs.remote is None or packet.payload_type not in plan.payload_types or plan.sealed != theirs.sealed:
            return None
        if plan.sealed:
            return far, packet
        if plan.rx is None:
            if packet.key is not None or plan.secure_required or plan.tx is not None:
                return None
        elif plan.rx.key != packet.key:
            return None
        if theirs.tx is None and (theirs.secure_required or theirs.rx is not None):
            return None
        payload_type = packet.payload_type if far == leg else self.maps[leg].get(packet.payload_type)
        if leg in self.through_codecs:
            payload_type = self._made(plan, theirs, packet.payload_type)
        if payload_type is None:
            return None
        return far, Rtp(theirs.tx.key if theirs.tx is not None else None, payload_type)

    def _made(self, plan: MediaPlan, theirs: MediaPlan, payload_type: int) -> int | None:
        """Under what the server sends on what it could decode: voice as voice, events as events where there are any."""
        found = next((one for one in plan.formats if one.payload_type == payload_type), None)
        if found is None or self.known.get(found.encoding, "no"):
            return None
        if found.encoding == "telephone-event":
            return next((one.payload_type for one in theirs.transmit if one.encoding == found.encoding), None)
        return theirs.transmit[0].payload_type

    def unbridge(self, leg: int) -> None:
        assert leg in self.legs
        self.echoes.discard(leg)
        other = self.joined.pop(leg, None)
        self.through_codecs.discard(leg)
        if other is not None:
            self.joined.pop(other, None)
            self.through_codecs.discard(other)

    def echo(self, leg: int) -> None:
        self.echoes.add(leg)

    def play(
        self, leg: int, sounds: tuple[str, ...], *, repeat: bool = False, over: bool = False, exactly: bool = False
    ) -> int:
        assert leg in self.legs
        if exactly and (missing := self.missing.intersection(sounds)):
            raise CannotHear(f"no sound {missing.pop()}")
        if self.cannot_hear or not self.plans[leg].transmit:
            raise CannotHear(self.cannot_hear or "nothing says what to send")
        plan = self.plans[leg]
        assert not plan.sealed, "nothing is played into a sealed leg"
        assert not plan.secure_required or plan.tx is not None, "nothing is played before there are keys"
        play = Play(leg, len(self.heard) + 1, sounds, repeat, over)
        self.plays[leg] = play
        self.heard.append(play)
        return play.number

    def stop_playing(self, leg: int) -> None:
        assert leg in self.legs
        self.plays.pop(leg, None)

    def finish(self, leg: int) -> int:
        """All of it was played; its number, to be told."""
        play = self.plays.pop(leg)
        assert not play.repeat
        return play.number

    def start_recording(self, a: int, b: int | None, wish: RecordingWish) -> int:
        for leg in (a, b):
            assert leg is None or not self.plans[leg].sealed, "a sealed leg has nothing to record"
            assert leg in self.legs or leg is None
        if self.cannot_hear:
            raise CannotHear(self.cannot_hear)
        self._numbers += 1
        self.recordings[self._numbers] = (a, b, wish)
        return self._numbers

    def stop_recording(self, recording: int) -> None:
        if self.recordings.pop(recording, None) is not None:
            self.ended_recordings.append(recording)

    def counters(self, leg: int) -> MediaCounters:
        assert leg in self.legs
        return self.counted.get(leg, MediaCounters(packets_in=100, packets_out=100))

    def close_leg(self, leg: int) -> MediaCounters:
        counters = self.counters(leg)
        self.unbridge(leg)
        self.plays.pop(leg, None)
        del self.legs[leg]
        assert all(leg not in (a, b) for a, b, _ in self.recordings.values()), "recorded beyond its end"
        self.plans.pop(leg, None)
        self.echoes.discard(leg)
        return counters

    def close_call(self, media_call: int) -> None:
        self.open_calls.remove(media_call)
        for leg in [leg for leg in self.legs if self.calls_of[leg] == media_call]:
            self.close_leg(leg)

    def flush(self) -> None:
        """Commands are obeyed at once here."""
