"""Scenes of direct media: two phones, where they are, and what has to hold on a direct path and on a sealed one."""

from calls.zrtp_world import DIRECT, ZrtpPhone, ZrtpWorld
from sealtone.model import CallState, LegPolicy, MediaPath, ZrtpStage
from sealtone.sdp import AudioDescription

SERVER = "192.0.2.1"


def direct(policy: LegPolicy = DIRECT, **world: object) -> tuple[ZrtpWorld, ZrtpPhone, ZrtpPhone]:
    found = ZrtpWorld(**world)  # type: ignore[arg-type]
    return found, found.phone("1000", policy=policy), found.phone("1001", policy=policy)


def behind_nat(phone: ZrtpPhone, inside: str = "10.0.0.5") -> None:
    phone.inside = inside


def told(phone: ZrtpPhone) -> AudioDescription:
    assert phone.stream.description is not None
    return phone.stream.description


def is_direct(world: ZrtpWorld, a: ZrtpPhone, b: ZrtpPhone) -> None:
    """Each is told the other's place, the server's ports are deaf, and both hear each other."""
    for phone, other in ((a, b), (b, a)):
        assert (told(phone).address, told(phone).port) == (other.host, other.stream.port)
        plan = world.plane.plans[world.leg(phone).port.id]
        assert (plan.remote, plan.remote_rtcp, plan.send, plan.receive, plan.rx, plan.tx) == (
            None, None, False, False, None, None,
        )  # fmt: skip
        assert world.security(phone).media_path is MediaPath.DIRECT
        assert world.stage(phone) is ZrtpStage.ANNOUNCED
        assert phone.stream.good > 10
    assert a.stream.secured.sas == b.stream.secured.sas
    assert world.joined() == []
    assert world.from_server == []
    assert world.plane.sent == []
    assert state(world) is CallState.END_TO_END


def is_sealed(world: ZrtpWorld, a: ZrtpPhone, b: ZrtpPhone) -> None:
    """Both are told a port of the server's, ZRTP was seen, and both hear each other through the server alone."""
    heard = a.stream.good, b.stream.good
    world.direct.clear()
    world.run(3)
    for phone, before in ((a, heard[0]), (b, heard[1])):
        assert told(phone).address == SERVER
        assert world.security(phone).media_path is MediaPath.SEALED
        assert world.stage(phone) is ZrtpStage.SEEN
        assert phone.stream.good > before + 10
    assert a.stream.secured.sas == b.stream.secured.sas
    assert world.direct == []
    assert state(world) is CallState.END_TO_END


def state(world: ZrtpWorld) -> CallState:
    return CallState(world.live.security_state())


def shows(world: ZrtpWorld, text: str, to: ZrtpPhone) -> bool:
    """Whether a description with this text was sent to the phone."""
    return any(text.encode() in body for phone, body in world.bodies if phone is to)
