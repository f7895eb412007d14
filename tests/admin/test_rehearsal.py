"""What a rehearsal says is what a real call between such phones comes to."""

import itertools
import os
from random import Random

import pytest

from calls.media import ALL_CODECS
from calls.zrtp_world import ZID, ZrtpPhone, ZrtpWorld
from sealtone.admin.rehearsal import Outlook, Party, rehearse
from sealtone.admin.rehearsed_phone import PhoneSettings, RehearsedPhone
from sealtone.b2bua.plane import NoRoute, Service
from sealtone.model import (
    CallState,
    Compare,
    LegPolicy,
    Listener,
    MediaPath,
    Protection,
    SipUser,
    Strictness,
    who_could_listen,
)
from sealtone.sdp import SdpError, read_audio
from sealtone.sdp.catalogue import CATALOGUE
from sealtone.sip.session import InviteSession

POLICIES = [
    LegPolicy(),
    *(LegPolicy(Protection.SRTP, strictness) for strictness in Strictness),
    *(LegPolicy(Protection.ZRTP, strictness, path) for strictness in Strictness for path in MediaPath),
]
PHONES = [
    PhoneSettings("udp", Protection.NONE),
    PhoneSettings("tls", Protection.NONE),
    PhoneSettings("tls", Protection.SRTP),
    PhoneSettings("tls", Protection.SRTP, mandatory=True),
    PhoneSettings("udp", Protection.SRTP),
    PhoneSettings("udp", Protection.SRTP, mandatory=True),
    PhoneSettings("udp", Protection.ZRTP),
    PhoneSettings("tls", Protection.ZRTP),
]


def user(number: str, policy: LegPolicy, codecs: tuple[str, ...] = ()) -> SipUser:
    index = int(number[-1]) + 1
    return SipUser(index, 1, 1, number, "office.example", policy=policy, codecs=codecs, zid=ZID)


def outlook(a: Party, b: Party, codecs: dict[str, str] | None = None) -> Outlook:
    known = ALL_CODECS if codecs is None else codecs
    return rehearse(a, "sip:1001@office.example", lambda uri, caller: [b], known, Random(1).randbytes)


class MeantPhone(ZrtpPhone):
    """A phone of the simulated town that offers and answers as `PhoneSettings` says, with real ZRTP in its media."""

    meant: RehearsedPhone

    def offer(self) -> bytes:
        if self.meant.speaks_zrtp:
            return super().offer()
        body = self.meant.offer()
        self.offered = read_audio(body)
        return body

    def answer_body(self, body: bytes) -> bytes:
        self.heard = read_audio(body)
        if self.meant.speaks_zrtp:
            if self.heard.is_secure_profile:
                raise SdpError("no SRTP here")
            return super().answer_body(body)
        answer = self.meant._answer(body)
        if answer is None:
            raise SdpError("not acceptable")
        return answer

    def pick_up(self, session: InviteSession, now: float) -> None:
        try:
            super().pick_up(session, now)
        except SdpError:
            session.reject(488, now)


def meant(world: ZrtpWorld, party: Party) -> MeantPhone:
    phone = MeantPhone(
        world, party.user.username, world.next_index, transport=party.phone.transport, policy=party.user.policy
    )
    phone.user = party.user
    phone.zrtp = party.phone.protection is Protection.ZRTP
    phone.secure = False
    phone.profile = "RTP/AVP"
    phone.meant = RehearsedPhone(party.phone, world.next_index, world.random.randbytes)
    phone.codecs = phone.meant._codecs
    world.add(phone)
    return phone


def really(a: Party, b: Party) -> tuple[int, str, CallState | None, list[object]]:
    """What a real call comes to: status, reason, state, and what each leg reached with its codec."""
    world = ZrtpWorld(codecs=ALL_CODECS)
    caller, callee = meant(world, a), meant(world, b)
    caller.call("1001")
    world.run(40)
    if not world.exchange.calls:
        cut_off = world.record.answered_at is not None
        return 488 if cut_off else world.record.status, world.record.reason, None, [cut_off]
    call = world.live
    assert call.b is not None
    legs = [
        (leg.security().protection, leg.security().key_exchange, leg.security().media_path, leg.chosen_codec)
        for leg in (call.a, call.b)
    ]
    audience = who_could_listen(call.a.security(), call.b.security())
    transcoded = call.a.transcoded
    del callee
    return 200, "", audience.state, [legs, audience, transcoded]


@pytest.mark.parametrize("a_policy", range(len(POLICIES)))
def test_a_rehearsal_says_what_a_real_call_comes_to_for_every_pair_of_policies_and_phones(a_policy: int) -> None:
    random = Random(a_policy)
    pairs = list(itertools.product(PHONES, POLICIES, PHONES))
    for a_phone, b_policy, b_phone in random.sample(pairs, 60):
        check(Party(user("1000", POLICIES[a_policy]), a_phone), Party(user("1001", b_policy), b_phone))


@pytest.mark.parametrize("seed", range(4))
def test_a_rehearsal_says_which_codecs_a_real_call_has_and_whether_they_are_converted(seed: int) -> None:
    random = Random(seed)
    names = tuple(CATALOGUE)
    for _ in range(40):
        parties = []
        for number in ("1000", "1001"):
            listed = tuple(random.sample(names, random.randrange(5)))
            phone = random.choice(PHONES)._replace(codecs=tuple(random.sample(names, random.randrange(1, 5))))
            parties.append(Party(user(number, random.choice(POLICIES), listed), phone))
        check(*parties)


def check(a: Party, b: Party) -> None:
    said = outlook(a, b)
    status, reason, state, found = really(a, b)
    context = (a, b, said)
    assert (said.status, said.reason) == (status, reason), context
    if status != 200:
        assert (said.audience, [said.is_cut_off]) == (None, found), context
        return
    legs, audience, transcoded = found
    assert said.audience is not None
    assert said.audience.state is state, context
    assert said.audience.listeners == audience.listeners, context
    assert said.audience.scheme is audience.scheme, context
    assert said.audience.metadata == audience.metadata
    reached = [
        (leg.security.protection, leg.security.key_exchange, leg.security.media_path, leg.codec.lower())
        for leg in said.legs
    ]
    assert reached == [(*leg[:3], f"{leg[3].encoding}/{leg[3].clock}".lower()) for leg in legs], context
    if state is not CallState.END_TO_END:
        assert bool(said.transcoding) == transcoded, context


def test_who_is_not_there_is_said_as_a_real_call_says_it() -> None:
    caller = Party(user("1000", LegPolicy()), PHONES[0])
    nobody = NoRoute(404, "Nobody here has that number")
    said = rehearse(caller, "sip:4711@office.example", lambda *_: nobody, {}, os.urandom)
    assert said == Outlook(404, "Nobody here has that number")


@pytest.mark.parametrize("service", ["echo", "who-can-hear"])
def test_a_service_of_the_server_is_a_call_that_the_server_can_hear(service: str) -> None:
    caller = Party(user("1000", LegPolicy(Protection.SRTP, Strictness.REQUIRE)), PHONES[3])
    said = rehearse(caller, "sip:*43@office.example", lambda *_: Service(service), ALL_CODECS, os.urandom)
    assert (said.status, said.service, len(said.legs)) == (200, service, 1)
    assert said.audience is not None
    assert said.audience.listeners == (Listener.SERVER,)


def test_the_schemes_of_the_product_come_out_as_they_are_written_there() -> None:
    srtp = (LegPolicy(Protection.SRTP, Strictness.REQUIRE), PHONES[3])
    plain = (LegPolicy(), PHONES[0])

    def zrtp(path: MediaPath) -> tuple[LegPolicy, PhoneSettings]:
        return LegPolicy(Protection.ZRTP, Strictness.REQUIRE, path), PHONES[6]

    server, both = (Listener.SERVER,), Compare.EACH_OTHER
    expected = [
        (srtp, srtp, "1", server, Compare.NOTHING),
        (zrtp(MediaPath.SERVER), zrtp(MediaPath.SERVER), "2", server, Compare.SERVER),
        (zrtp(MediaPath.DIRECT), zrtp(MediaPath.DIRECT), "3", (), both),
        (zrtp(MediaPath.SEALED), zrtp(MediaPath.SEALED), "3s", (), both),
        (srtp, zrtp(MediaPath.SEALED), "4", server, Compare.SERVER),
        (srtp, plain, "5", (Listener.SERVER, Listener.CALLEE_NETWORK), Compare.NOTHING),
        (plain, srtp, "5", (Listener.SERVER, Listener.CALLER_NETWORK), Compare.NOTHING),
    ]
    for a, b, number, listeners, compare in expected:
        found = outlook(Party(user("1000", a[0]), a[1]), Party(user("1001", b[0]), b[1])).audience
        assert found is not None
        assert (found.scheme.number, found.listeners, found.compare) == (number, listeners, compare)
        assert found.addresses_shown is (number == "3")
