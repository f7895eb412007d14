"""Phones that carry out transfers themselves: they follow REFER, and answer an INVITE with Replaces at once."""

from calls.scenes import in_call
from calls.zrtp_world import ZrtpPhone, ZrtpWorld
from sealtone.model import LegPolicy
from sealtone.sip import events as sip
from sealtone.sip.headers import ReferTo, ReplacesHeader
from sealtone.sip.session import InviteSession


class TransfersItself:
    """What such a phone does. `asked`: each Refer-To that it was sent; `told`: the status of each of its reports."""

    def __init__(self, phone: ZrtpPhone) -> None:
        self.phone = phone
        self.asked: list[ReferTo] = []
        self.told: list[int] = []
        self._referred: dict[str, InviteSession] = {}
        phone.on_event = self.take

    def take(self, event: sip.Event) -> bool:
        phone, world = self.phone, self.phone.world
        if isinstance(event, sip.InDialogRequest) and event.request.method == "REFER":
            phone.endpoint.respond(event.tx, 202, world.now)
            self.asked.append(ReferTo.parse(event.request.headers.get("Refer-To") or ""))
            self._tell(event.session, 100, "Trying")
            world.after(0.02, lambda: self._call(event.session, self.asked[-1]))
            return True
        if isinstance(event, sip.Answered | sip.Rejected) and event.session.call_id in self._referred:
            status = 200 if isinstance(event, sip.Answered) else event.status
            self._tell(self._referred.pop(event.session.call_id), status, "as it went")
        if isinstance(event, sip.RequestReceived) and (value := event.request.headers.get("Replaces")):
            wanted = ReplacesHeader.parse(value)
            (old,) = [one for one in phone.sessions if one.call_id == wanted.call_id]
            assert old.dialog is not None
            assert (wanted.to_tag, wanted.from_tag) == (old.local_tag, old.dialog.remote_tag)
            world.after(0.05, lambda: phone.do(old.bye))
        return False

    def _call(self, old: InviteSession, refer_to: ReferTo) -> None:
        number = refer_to.address.uri.partition(":")[2].partition("@")[0]
        headers = (("Replaces", str(refer_to.replaces)),) if refer_to.replaces else ()
        session = self.phone.call(number, headers=headers)
        self._referred[session.call_id] = old

    def _tell(self, session: InviteSession, status: int, reason: str) -> None:
        self.told.append(status)
        state = "active" if status < 200 else "terminated;reason=noresource"
        headers = (("Event", "refer"), ("Subscription-State", state))
        session.request(
            "NOTIFY", self.phone.world.now, headers, f"SIP/2.0 {status} {reason}\r\n".encode(), "message/sipfrag"
        )


def three(*policies: LegPolicy, **world: object) -> tuple[ZrtpWorld, ZrtpPhone, ZrtpPhone, ZrtpPhone]:
    """1000, 1001 and 1002, of whom the last two carry out transfers themselves."""
    found = ZrtpWorld(**world)  # type: ignore[arg-type]
    a, b, c = (
        found.phone(number, policy=each) for number, each in zip(("1000", "1001", "1002"), policies, strict=True)
    )
    return found, a, b, c


def in_sealed_call(world: ZrtpWorld, a: ZrtpPhone, b: ZrtpPhone) -> InviteSession:
    in_call(world, a, b)
    world.run(2)
    assert a.stream.secured.sas == b.stream.secured.sas
    return a.session
