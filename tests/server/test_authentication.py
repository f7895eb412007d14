"""Digest authentication: who is let in, and that unknown users and wrong passwords look alike."""

import re
from random import Random

import pytest

from sealtone.model import Account, Domain, SipUser, Snapshot
from sealtone.server.authentication import Authenticator, Denied
from sealtone.server.throttle import Throttle
from sealtone.sip.digest import Challenge, authorization_for, ha1
from sealtone.sip.flow import Flow
from sealtone.sip.message import Request, parse_message

FLOW = Flow(1, "udp", ("192.0.2.1", 5060), ("198.51.100.9", 5060))
REALM = "office.example"


def snapshot() -> Snapshot:
    user = SipUser(1, 1, 1, "1000", REALM, ha1("1000", REALM, "secret", "MD5"), ha1("1000", REALM, "secret", "SHA-256"))
    off = SipUser(2, 1, 1, "1009", REALM, user.ha1_md5, ha1("1009", REALM, "secret", "SHA-256"), enabled=False)
    return Snapshot([Account(1, "office")], [Domain(1, 1, REALM)], [user, off], local_names=["192.0.2.1"])


def request(
    method: str, user: str = "1000", credentials: str | None = None, host: str = REALM, uri: str | None = None
) -> Request:
    name = "Authorization" if method == "REGISTER" else "Proxy-Authorization"
    lines = [
        f"{method} {uri or f'sip:{host}'} SIP/2.0",
        "Via: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bK1;rport",
        f"From: <sip:{user}@{host}>;tag=a",
        f"To: <sip:{user}@{host}>",
        "Call-ID: 1",
        f"CSeq: 1 {method}",
        *([f"{name}: {credentials}"] if credentials else []),
        "Content-Length: 0",
    ]
    message = parse_message(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert isinstance(message, Request)
    return message


class Door:
    """One authenticator and a clock."""

    def __init__(self) -> None:
        self.authenticator = Authenticator(Random(1).randbytes(32), Throttle())
        self.now = 1000.0
        self.count = 0

    def knock(self, message: Request, flow: Flow = FLOW) -> SipUser | Denied:
        address = message.to if message.method == "REGISTER" else message.from_
        return self.authenticator.identify(message, address, flow, snapshot(), self.now)

    def challenge(self, method: str, user: str = "1000", algorithm: str = "SHA-256") -> Challenge:
        denied = self.knock(request(method, user))
        assert isinstance(denied, Denied)
        found = [Challenge.parse(value) for _, value in denied.headers]
        return next(one for one in found if one.algorithm == algorithm)

    def credentials(self, challenge: Challenge, method: str, user: str = "1000", password: str = "secret") -> str:
        return self.made_for(f"sip:{REALM}", challenge, method, user, password)

    def made_for(
        self, uri: str, challenge: Challenge, method: str, user: str = "1000", password: str = "secret"
    ) -> str:
        self.count += 1
        return authorization_for(challenge, user, method, uri, "cnonce", nc=self.count, password=password)


@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "MESSAGE"])
@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_who_knows_the_secret_is_let_in(method: str, algorithm: str) -> None:
    door = Door()
    challenge = door.challenge(method, algorithm=algorithm)
    found = door.knock(request(method, credentials=door.credentials(challenge, method)))
    assert isinstance(found, SipUser)
    assert found.aor == "1000@office.example"


def test_sha_256_is_offered_before_md5() -> None:
    denied = Door().knock(request("REGISTER"))
    assert isinstance(denied, Denied)
    assert denied.status == 401
    assert [Challenge.parse(value).algorithm for _, value in denied.headers] == ["SHA-256", "MD5"]


def test_a_phone_that_gives_up_at_sha_256_is_asked_for_md5_alone() -> None:
    old = request("REGISTER")
    old.headers.set("User-Agent", "baresip v1.0.0 (x86_64/linux)")
    denied = Door().knock(old)
    assert isinstance(denied, Denied)
    assert [Challenge.parse(value).algorithm for _, value in denied.headers] == ["MD5"]


def test_an_unknown_user_and_a_wrong_password_are_answered_alike() -> None:
    door = Door()
    answers = []
    for user in ("1000", "4711"):
        challenge = door.challenge("REGISTER", user)
        denied = door.knock(request("REGISTER", user, door.credentials(challenge, "REGISTER", user, "wrong")))
        assert isinstance(denied, Denied)
        text = repr(denied)
        answers.append(re.sub(r'nonce="[^"]*"', "nonce", text))
    assert answers[0] == answers[1]


def test_the_same_credentials_are_not_taken_twice() -> None:
    door = Door()
    message = request("INVITE", credentials=door.credentials(door.challenge("INVITE"), "INVITE"))
    assert isinstance(door.knock(message), SipUser)
    again = door.knock(message)
    assert isinstance(again, Denied)
    assert again.status == 407
    assert "stale=true" in again.headers[0][1].lower()


def test_a_nonce_ends_after_five_minutes_and_is_said_to_be_stale_only_to_who_knows_the_secret() -> None:
    door = Door()
    challenge = door.challenge("REGISTER")
    door.now += 301
    right = door.knock(request("REGISTER", credentials=door.credentials(challenge, "REGISTER")))
    wrong = door.knock(request("REGISTER", credentials=door.credentials(challenge, "REGISTER", password="no")))
    assert isinstance(right, Denied)
    assert isinstance(wrong, Denied)
    assert "stale=true" in right.headers[0][1].lower()
    assert "stale=true" not in wrong.headers[0][1].lower()


def test_a_user_cannot_claim_to_be_another() -> None:
    door = Door()
    challenge = door.challenge("INVITE", "1001")
    denied = door.knock(request("INVITE", "1001", door.credentials(challenge, "INVITE", "1000")))
    assert isinstance(denied, Denied)
    assert denied.status == 403


def test_a_user_that_is_switched_off_is_told_so_only_with_the_right_password() -> None:
    door = Door()
    challenge = door.challenge("REGISTER", "1009")
    right = door.knock(request("REGISTER", "1009", door.credentials(challenge, "REGISTER", "1009")))
    assert isinstance(right, Denied)
    assert right.status == 403


def test_a_phone_may_use_the_servers_address_in_place_of_the_only_domain() -> None:
    door = Door()
    denied = door.knock(request("REGISTER", host="192.0.2.1"))
    assert isinstance(denied, Denied)
    challenge = Challenge.parse(denied.headers[0][1])
    assert challenge.realm == REALM
    found = door.knock(request("REGISTER", credentials=door.credentials(challenge, "REGISTER"), host="192.0.2.1"))
    assert isinstance(found, SipUser)


def test_ten_thousand_guesses_are_mostly_not_looked_at_and_the_owner_elsewhere_gets_in() -> None:
    door = Door()
    challenge = door.challenge("REGISTER")
    for _ in range(10_000):
        denied = door.knock(request("REGISTER", credentials=door.credentials(challenge, "REGISTER", password="x")))
    assert isinstance(denied, Denied)
    assert (denied.status, denied.headers[0][0]) == (403, "Retry-After")
    assert door.authenticator.verified <= 20
    owner = Flow(2, "udp", ("192.0.2.1", 5060), ("203.0.113.5", 5060))
    found = door.knock(request("REGISTER", credentials=door.credentials(challenge, "REGISTER")), owner)
    assert isinstance(found, SipUser)


def test_a_captured_answer_does_not_buy_more_guesses() -> None:
    door = Door()
    captured = request("INVITE", credentials=door.credentials(door.challenge("INVITE"), "INVITE"))
    assert isinstance(door.knock(captured), SipUser)
    door.now += 3600
    before = door.authenticator.failed
    for guess in range(300):
        wrong = door.credentials(door.challenge("INVITE"), "INVITE", password=f"guess{guess}")
        door.knock(request("INVITE", credentials=wrong))
        if guess % 6 == 5:
            door.knock(captured)
    assert door.authenticator.failed - before <= 20


@pytest.mark.parametrize(
    "called",
    ["sip:*90090012345@office.example", "sip:office.example", "sips:1001@office.example", "sip:1001@elsewhere.example"],
)
def test_an_answer_made_for_one_address_does_not_call_another(called: str) -> None:
    door = Door()
    made = door.made_for("sip:1001@office.example", door.challenge("INVITE"), "INVITE")
    verified = door.authenticator.verified
    denied = door.knock(request("INVITE", credentials=made, uri=called))
    assert isinstance(denied, Denied)
    assert denied.status == 407
    assert door.authenticator.verified == verified, "it is not looked at, so nothing is learned from it"


@pytest.mark.parametrize(
    ("made_for", "called"),
    [
        ("sip:1001@office.example", "sip:1001@office.example:5060;transport=tcp"),
        ("sip:1001@office.example:5061;transport=tls", "sip:1001@OFFICE.example"),
        ("sip:%31001@office.example", "sip:1001@office.example;user=phone"),
        ("sip:1001@192.0.2.1:5060", "sip:1001@office.example"),
        ("tel:+43123", "tel:+43123;phone-context=x"),
    ],
)
def test_a_phone_may_write_the_address_it_calls_with_or_without_port_and_parameters(made_for: str, called: str) -> None:
    door = Door()
    made = door.made_for(made_for, door.challenge("INVITE"), "INVITE")
    assert isinstance(door.knock(request("INVITE", credentials=made, uri=called)), SipUser)


def test_a_client_that_names_only_the_server_in_its_proof_is_let_in() -> None:
    door = Door()
    challenge = door.challenge("INVITE")
    door.count += 1
    value = authorization_for(challenge, "1000", "INVITE", "sip:192.0.2.1:5060", "cnonce", nc=1, password="secret")
    invite = request("INVITE", credentials=value)
    assert isinstance(door.knock(invite), SipUser)
