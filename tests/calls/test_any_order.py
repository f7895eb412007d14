"""Phones that do anything at any time: whatever the order, nobody is left alone and nothing is left behind."""

from random import Random

import pytest

from calls.listening import wishing
from calls.media import ALL_CODECS
from calls.scenes import all_gone, nobody_hangs, refer, replaces_of
from calls.world import EVENTS, OPUS, PCMA, PCMU, Phone, World
from sealtone.model import NoticeTo, OpenNotice
from sealtone.sdp import Codec
from sealtone.sip import events as sip
from sealtone.sip.session import InviteSession

_VOICES = (PCMA, PCMU, OPUS, Codec(18, "G729", 8000), Codec(9, "G722", 8000), Codec(102, "iLBC", 8000))


class Moody:
    """One phone that acts by chance, and that sometimes thinks long about an offer or refuses it."""

    def __init__(self, phone: Phone, random: Random, town: list[Phone]) -> None:
        self.phone = phone
        self.random = random
        self.town = town
        phone.answers = random.choice([200, 200, 200, None, 486])
        phone.on_event = self.hears

    def hears(self, event: sip.Event) -> bool:
        if not isinstance(event, sip.OfferReceived) or event.method in ("1xx", "2xx") or self.random.random() >= 0.3:
            return False
        world, session = self.phone.world, event.session
        if self.random.random() < 0.5:
            session.reject_offer(self.random.choice([488, 491, 500]), world.now)
        else:
            world.after(self.random.uniform(0.1, 2), lambda: self.phone.answer(event, world.now))
        return True

    def acts(self) -> None:
        live = [session for session in self.phone.sessions if session.state == "confirmed"]
        ringing = [session for session in self.phone.sessions if session.state in ("calling", "early", "incoming")]
        choice = self.random.randrange(11)
        if ringing and choice < 3:
            self._decides(self.random.choice(ringing))
        elif live and choice < 10:
            self._changes(choice, self.random.choice(live), live)
        elif len(live) < 3:
            number = self.random.choice(["1000", "1001", "1002", "*42", "*43", "4711"])
            self.phone.call(number, body=None if self.random.random() < 0.2 else b"")

    def _decides(self, session: InviteSession) -> None:
        if session.role == "uac":
            self.phone.do(session.cancel)
        else:
            self.phone.do(lambda now: self.phone.pick_up(session, now))

    def _changes(self, choice: int, session: InviteSession, live: list[InviteSession]) -> None:
        phone = self.phone
        if choice == 3:
            phone.do(session.bye)
        elif choice == 4:
            phone.hold(session)
        elif choice == 5:
            phone.resume(session)
        elif choice == 6:
            phone.do(session.request_offer)
        elif choice == 7:
            refer(phone, session, f"<sip:{self.random.choice(self.town).number}@office.example>")
        elif choice == 8 and len(live) > 1:
            other = self.random.choice([one for one in live if one is not session])
            refer(phone, session, f"<sip:x@office.example?Replaces={replaces_of(other)}>")
        elif choice == 9:
            self._takes_over()
        else:
            phone.do(lambda now: session.request("INFO", now, (), b"x", "text/plain"))

    def _takes_over(self) -> None:
        victims = [one for one in self.random.choice(self.town).sessions if one.state == "confirmed"]
        if victims:
            value = replaces_of(self.random.choice(victims)).replace("%3B", ";").replace("%3D", "=")
            self.phone.call("1000", headers=(("Replaces", value),))


@pytest.mark.parametrize("sounds", [False, True], ids=["silent", "with sounds"])
@pytest.mark.parametrize("codecs", [{}, ALL_CODECS], ids=["passes", "decodes"])
@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_in_whatever_order_nothing_is_left_behind(
    seed: int, codecs: dict[str, str], sounds: bool
) -> None:
    world = World(seed, latency_s=0.05, codecs=codecs, ring_timeout_s=8)
    phones = [world.phone(number) for number in ("1000", "1001", "1002", "1002")]
    random = Random(seed * 7 + 1)
    for phone in phones if codecs else ():
        phone.codecs = (*random.sample(_VOICES, random.randrange(1, 4)), *random.choice([(EVENTS,), ()]))
    for phone in phones if sounds else ():
        wishing(phone, open_notice=OpenNotice.NOTICE, open_notice_to=random.choice(list(NoticeTo)))
    moody = [Moody(phone, random, phones) for phone in phones]
    for step in range(80):
        world.after(random.uniform(0, 40), moody[step % 4].acts)
        world.after(random.uniform(0, 40), lambda: something_is_over(world, random))
    world.run(45)
    for phone in phones:
        phone.on_event = None
    world.run(45)
    nobody_hangs(world)
    if sounds:
        apart_only_for_a_notice(world)
    for phone in phones:
        for session in phone.sessions:
            phone.do(session.cancel if session.role == "uac" else session.bye)
    world.run(120)
    all_gone(world)
    assert world.exchange.playing == world.exchange._by_port == {}


def something_is_over(world: World, random: Random) -> None:
    """Something that was played has ended, or a key is pressed."""
    exchange, plane = world.exchange, world.plane
    ending = [leg for leg, play in plane.plays.items() if not play.repeat]
    if ending:
        leg = random.choice(ending)
        exchange.receive_played(leg, plane.finish(leg), world.now)
    elif plane.legs:
        exchange.receive_digit(random.choice(list(plane.legs)), random.choice("0123456789*#"), world.now)


def apart_only_for_a_notice(world: World) -> None:
    for call in world.exchange.calls.values():
        if call.state == "answered" and call.service is None and call.transfer is None:
            assert call.notice is None or call.notice.stage == "over"
            assert world.plane.joined.get(call.a.port.id) is not None
