"""Scenes of phones that differ in codecs: what they were told, what they send, and what becomes of it."""

from dataclasses import replace

from calls.media import ALL_CODECS, Rtp
from calls.scenes import plan_of
from calls.world import Phone, World
from sealtone.sdp import AudioDescription, Codec

G729, G722, GSM = Codec(18, "G729", 8000), Codec(9, "G722", 8000), Codec(3, "GSM", 8000)
ILBC = Codec(102, "iLBC", 8000, 1, "mode=20")
EVENTS_48 = Codec(97, "telephone-event", 48000, 1, "0-16")


def able(seed: int = 1, **settings: object) -> World:
    """A town whose server can decode everything."""
    return World(seed, codecs=ALL_CODECS, **settings)  # type: ignore[arg-type]


def lists(phone: Phone, *names: str) -> None:
    phone.user = replace(phone.user, codecs=names)


def said(audio: AudioDescription | None) -> list[str]:
    assert audio is not None
    return [codec.encoding.lower() for codec in audio.codecs if not codec.is_telephone_event]


def leg_of(world: World, phone: Phone) -> int:
    (leg,) = [leg for leg, plan in world.plane.plans.items() if plan.remote and plan.remote[0] == phone.address[0]]
    return leg


def is_transcoded(world: World) -> bool:
    ((a, b),) = world.joined()
    assert (a in world.plane.through_codecs) == (b in world.plane.through_codecs)
    return a in world.plane.through_codecs


def sends(world: World, phone: Phone, payload_type: int) -> int | None:
    """Under which payload type what a phone sends reaches the other one; None where it does not."""
    arrived = world.plane.rtp_in(leg_of(world, phone), Rtp(None, payload_type))
    return arrived[1].payload_type if arrived is not None else None


def switches(world: World, phone: Phone, payload_type: int) -> None:
    """A phone sends this payload type from now on, and the media core tells where that is dropped between two legs."""
    leg = leg_of(world, phone)
    plan, far = world.plane.plans[leg], world.plane.joined.get(leg)
    dropped = far is not None and leg not in world.plane.through_codecs and payload_type not in world.plane.maps[leg]
    if dropped and payload_type in plan.payload_types and plan.receive and not plan.sealed:
        world.exchange.receive_unmapped(leg, payload_type, world.now)
        world.pump()
    world.run(0.1)


def choice_of(phone: Phone) -> Codec:
    """The codec that the phone sends, as it was told to number it: the first of its own that it was told."""
    assert phone.heard is not None
    return next(codec for mine in phone.codecs for codec in phone.heard.codecs if codec.same_format(mine))


def talk_both_ways(world: World, a: Phone, b: Phone) -> None:
    """Each phone sends its choice, and the other gets what it agreed to."""
    for sender, receiver in ((a, b), (b, a)):
        arrived = sends(world, sender, choice_of(sender).payload_type)
        assert arrived in plan_of(world, receiver).payload_types


def hang_up(world: World, phone: Phone) -> None:
    phone.do(phone.session.bye)
    world.run(1)
