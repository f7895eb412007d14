"""Calls of users who are recorded, and how to look at them."""

from dataclasses import replace

from calls.media import ALL_CODECS, BookedPlane
from calls.scenes import in_call, three
from calls.world import Phone, World
from sealtone.b2bua.call import Call
from sealtone.model import ConsentNotice, DomainRecording, RecordingPolicy, RecordingTerms
from sealtone.sip import events as sip

KEY = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kudqtyy2qsk2g4x"
ALWAYS = RecordingTerms(RecordingPolicy.ALWAYS, DomainRecording(notice=ConsentNotice.NONE), KEY)
ON_DEMAND = ALWAYS._replace(own=RecordingPolicy.ON_DEMAND)
NEVER = ALWAYS._replace(own=RecordingPolicy.NEVER)


def recorded_as(phone: Phone, terms: RecordingTerms) -> None:
    phone.user = replace(phone.user, recording=terms)


def scene(first: RecordingTerms, second: RecordingTerms) -> tuple[World, Phone, Phone]:
    world = World(codecs=ALL_CODECS)
    a, b, _ = three(world)
    recorded_as(a, first)
    recorded_as(b, second)
    in_call(world, a, b)
    return world, a, b


def call_of(world: World) -> Call:
    (call,) = world.exchange.calls.values()
    return call


def port_of(world: World, phone: Phone) -> int:
    return next(leg.port.id for leg in call_of(world).legs() if leg.name == phone.number)


def dial(world: World, phone: Phone, digits: str, gap_s: float = 0.5) -> None:
    port = port_of(world, phone)
    for digit in digits:
        world.exchange.receive_digit(port, digit, world.now)
        world.pump()
        world.run(gap_s)


def told(phone: Phone) -> list[str]:
    return [
        event.request.body.decode() for event in phone.saw(sip.InDialogRequest) if event.request.method == "MESSAGE"
    ]


def tones(plane: BookedPlane) -> list[int]:
    return [play.leg for play in plane.heard if play.sounds == ("recording-tone",) and play.over]
