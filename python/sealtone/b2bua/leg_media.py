"""From what a leg has agreed on to what the media core is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sealtone.b2bua.plane import MediaPlan, PayloadFormat
from sealtone.sdp import AudioDescription, Codec, payload_map
from sealtone.sip.flow import Flow

if TYPE_CHECKING:
    from sealtone.b2bua.leg import Leg


_PLAIN_CODECS = frozenset(("pcmu", "pcma", "g722", "opus", "gsm", "speex", "telephone-event", "cn"))


class Negotiated(NamedTuple):
    """A completed offer and answer: the phone's description, ours, and the codecs of whichever is the answer."""

    remote: AudioDescription
    local: AudioDescription
    agreed: tuple[Codec, ...]


class MediaPlace(NamedTuple):
    """Where a description says that media is received, and in what packets."""

    address: str
    port: int
    rtcp: tuple[str, int] | None
    rtcp_mux: bool
    ptime_ms: int | None


def place_in(said: AudioDescription) -> MediaPlace:
    """As a phone wrote it."""
    return MediaPlace(said.address, said.port, said.rtcp, said.rtcp_mux, said.ptime_ms)


def plan_of(leg: Leg, media: Negotiated, last: MediaPlan | None) -> MediaPlan:
    """The leg's plan, after `last`. Nothing flows where the policy is not met."""
    remote, local, agreed = media
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
    return MediaPlan(
        remote=address,
        remote_rtcp=None if mux or address is None else remote.rtcp_address,
        signalling_ip=signalling_ip,
        rtcp_mux=mux,
        send=flows and remote.direction.receives and local.direction.sends,
        receive=flows and remote.direction.sends and local.direction.receives,
        rx=rx,
        tx=tx,
        # While ZRTP may still bring keys, a leg that waits for them passes nothing plain.
        secure_required=rx is not None or (leg.speaks_zrtp and not sealed and not flows),
        payload_types=tuple(_payload_types(remote, local)),
        clock_rate=next((codec.clock for codec in agreed if not codec.is_telephone_event), 8000),
        new_latch=last is None
        or (last.remote != address and address is not None)
        or last.signalling_ip != signalling_ip,
        sealed=sealed,
        formats=_formats([*local.codecs, *remote.codecs]),
        transmit=_formats([codec for codec in remote.codecs if any(codec.same_format(one) for one in agreed)]),
    )


def _formats(codecs: list[Codec]) -> tuple[PayloadFormat, ...]:
    """What the payload types stand for, each once, of the codecs that need no more than their names."""
    known: dict[int, PayloadFormat] = {}
    for codec in codecs:
        if codec.encoding.lower() in _PLAIN_CODECS:
            known.setdefault(codec.payload_type, PayloadFormat(codec.payload_type, codec.encoding.lower(), codec.clock))
    return tuple(known.values())


def _payload_types(remote: AudioDescription, local: AudioDescription) -> list[int]:
    """What the phone may send: the numbers we gave it (RFC 3264 5.1), and its own, which many phones use."""
    types = [codec.payload_type for codec in local.codecs]
    types += [codec.payload_type for codec in remote.codecs if codec.payload_type not in types]
    return types


def map_between(media: Negotiated, theirs: Negotiated) -> dict[int, int]:
    """From the payload types that one phone sends to those that the other one expects."""
    mapping = payload_map(media.local.codecs, theirs.remote.codecs)
    if media.remote.codecs != media.local.codecs:
        for own_type, their_type in payload_map(media.remote.codecs, theirs.remote.codecs).items():
            mapping.setdefault(own_type, their_type)
    return mapping
