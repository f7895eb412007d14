"""From what a leg has agreed on to what the media core is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, final

from sealtone.b2bua.plane import MediaPlan, PayloadFormat
from sealtone.sdp import AudioDescription, Codec, payload_map
from sealtone.sip.flow import Flow

if TYPE_CHECKING:
    from sealtone.b2bua.leg import Leg


@final
class Negotiated:
    """A completed offer and answer: the phone's description, ours, and the codecs of whichever is the answer.

    `sends`: what the phone has changed to by itself, where that is not its choice.
    """

    __slots__ = ("agreed", "local", "remote", "sends")

    def __init__(
        self, remote: AudioDescription, local: AudioDescription, agreed: tuple[Codec, ...], sends: Codec | None = None
    ) -> None:
        self.remote: Final = remote
        self.local: Final = local
        self.agreed: Final = agreed
        self.sends: Final = sends


class Refused(Exception):
    """A description that a leg cannot accept or make. `status` is SIP's, `reason` a sentence for a person."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Packets(NamedTuple):
    """Milliseconds of sound in a packet that a phone wants, and the most that it takes; None where it is silent."""

    ptime_ms: int | None = None
    maxptime_ms: int | None = None


class Payloads(NamedTuple):
    """What a leg's packets hold, each way."""

    types: tuple[int, ...]
    """What the phone may send: the numbers we gave it (RFC 3264 5.1), and its own, which many phones use."""
    clock_rate: int
    """Of the voice codec in use, Hz."""
    formats: tuple[PayloadFormat, ...]
    """As in `MediaPlan`; so is the next."""
    transmit: tuple[PayloadFormat, ...]


class MediaPlace(NamedTuple):
    """Where a description says that media is received, and in what packets."""

    address: str
    port: int
    rtcp: tuple[str, int] | None
    rtcp_mux: bool
    packets: Packets


def packets_in(said: AudioDescription) -> Packets:
    """As a phone wrote it."""
    return Packets(said.ptime_ms, said.maxptime_ms)


def place_in(said: AudioDescription) -> MediaPlace:
    """As a phone wrote it."""
    return MediaPlace(said.address, said.port, said.rtcp, said.rtcp_mux, packets_in(said))


def plan_of(
    leg: Leg,
    media: Negotiated,
    last: MediaPlan | None,
    payloads: Payloads,
) -> MediaPlan:
    """The leg's plan, after `last`. Nothing flows where the policy is not met."""
    remote, local = media.remote, media.local
    flows = leg.may_flow()
    rx, tx = leg.keys
    address = None if remote.null_address else (remote.address, remote.port)
    signalling = leg.session.flow or leg.hop
    signalling_ip = signalling.remote[0] if isinstance(signalling, Flow) else signalling.host
    mux = remote.rtcp_mux and local.rtcp_mux
    sealed = leg.sealed is not None
    if leg.sealed is not None and leg.sealed.direct:
        # The phones exchange media without us: the port is kept, and hears and says nothing.
        address, flows = None, False
    remote_rtcp = None if mux or address is None else remote.rtcp_address
    send = flows and remote.direction.receives and local.direction.sends
    receive = flows and remote.direction.sends and local.direction.receives
    # While ZRTP may still bring keys, a leg that waits for them passes nothing plain.
    secure_required = rx is not None or (leg.speaks_zrtp and not sealed and not flows)
    has_moved = last is not None and last.remote != address and address is not None
    new_latch = last is None or has_moved or last.signalling_ip != signalling_ip
    # By position: so many keywords cost a named tuple six times what it costs itself.
    return MediaPlan(
        address, remote_rtcp, signalling_ip, mux, send, receive, rx, tx, secure_required, payloads.types, new_latch,
        payloads.clock_rate, sealed, payloads.formats, payloads.transmit,
    )  # fmt: skip


def map_between(media: Negotiated, theirs: Negotiated) -> dict[int, int]:
    """From the payload types that one phone sends to those that the other one expects."""
    mapping = payload_map(media.local.codecs, theirs.remote.codecs)
    if media.remote.codecs != media.local.codecs:
        for own_type, their_type in payload_map(media.remote.codecs, theirs.remote.codecs).items():
            mapping.setdefault(own_type, their_type)
    return mapping
