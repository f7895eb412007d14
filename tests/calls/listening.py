"""What a phone hears of the server's own sounds, and what it presses, in tests of calls."""

from dataclasses import replace

from calls.media import Play
from calls.world import Phone, World
from sealtone.b2bua.leg import Leg
from sealtone.model import Announcements


def leg_of(world: World, phone: Phone) -> Leg:
    (found,) = [leg for call in world.exchange.calls.values() for leg in call.legs() if leg.user is phone.user]
    return found


def playing(world: World, phone: Phone) -> tuple[str, ...]:
    """The prompts and tones that are played to a phone now, without silences."""
    play = world.plane.plays.get(leg_of(world, phone).port.id)
    return () if play is None else words_of(play)


def words_of(play: Play) -> tuple[str, ...]:
    return tuple(sound.removeprefix("en/") for sound in play.sounds if sound not in ("pause", "wait"))


def hear_out(world: World, phone: Phone) -> None:
    """All of what is played to a phone has been played."""
    port = leg_of(world, phone).port.id
    world.exchange.receive_played(port, world.plane.finish(port), world.now)
    world.pump()
    world.run(0.1)


def press(world: World, phone: Phone, digit: str) -> None:
    world.exchange.receive_digit(leg_of(world, phone).port.id, digit, world.now)
    world.pump()
    world.run(0.1)


def press_by_info(phone: Phone, kind: str, body: bytes) -> None:
    phone.do(lambda now: phone.session.request("INFO", now, (), body, kind))
    phone.world.run(0.1)


def wishing(phone: Phone, **wishes: object) -> None:
    """Its domain's announcements."""
    phone.user = replace(phone.user, announcements=Announcements()._replace(**wishes))  # type: ignore[arg-type]


def ended_reason(world: World) -> str:
    world.run(2)
    return world.record.reason
