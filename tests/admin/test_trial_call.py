"""“If 1000 calls 1001 now”, for people: from what is saved and registered to who could listen."""

from collections.abc import Iterator

import pytest

from postgres import Place
from sealtone.admin import (
    Actor,
    InvalidInput,
    NotFound,
    PhoneForm,
    SipUserChange,
    first_use,
    prospects,
    registrations_by_aor,
    try_call,
    update_sip_user,
)
from sealtone.admin.trial_call import CHOICES
from sealtone.model import Listener, MediaPath, Protection, Role, Scheme
from sealtone.store import Transaction

VIEWER = Actor("vera@office.example", "192.0.2.8", 1, Role.VIEWER)
OWNER = Actor("anna@office.example", "192.0.2.7", 1)
STRANGER = Actor("sam@other.example", "192.0.2.9", 2)
A, B = "1000@office.example", "1001@office.example"
HERE = {"opus": "", "g729": "", "pcma": "", "pcmu": "", "g722": "", "telephone-event": ""}


@pytest.fixture
def transaction(place: Place) -> Iterator[Transaction]:
    database = place.database()
    with database.write() as transaction:
        assert first_use(transaction, 1.0, "office.example")
        yield transaction
    database.close()


def phone(aor: str, transport: str = "tls", address: str = "198.51.100.7:40000", **more: object) -> dict[str, object]:
    return {
        "aor": aor,
        "transport": transport,
        "tls_version": "TLSv1.3" if transport == "tls" else "",
        "received": address,
        "user_agent": "",
        "registered_at": 1.0,
        "expires_at": 1e12,
        "contact": f"sip:x@{address}",
        "reachable": True,
        **more,
    }


def test_it_says_who_could_listen_to_the_call_as_things_are(transaction: Transaction) -> None:
    there = registrations_by_aor([phone(A), phone(B, "udp")])
    found = try_call(transaction, VIEWER, A, "1001", there, HERE)
    assert found.outlook.audience is not None
    assert found.outlook.audience.scheme is Scheme.OPEN
    assert found.outlook.audience.listeners == (Listener.SERVER, Listener.CALLEE_NETWORK)
    assert found.outlook.drawn == "1000 —SRTP→ server —RTP→ 1001"
    assert found.if_registered is None
    assert found.outlook.legs[0].security.transport == "tls"


def test_who_has_no_phone_is_not_reached_but_it_says_what_would_be(transaction: Transaction) -> None:
    found = try_call(transaction, VIEWER, A, "1001", registrations_by_aor([]), HERE)
    assert (found.outlook.status, found.outlook.reason) == (480, "That user has no phone registered")
    assert not found.caller_is_registered
    assert found.if_registered is not None
    assert found.if_registered.audience is not None
    assert found.if_registered.audience.scheme is Scheme.BOTH_SRTP


def test_a_phone_whose_connection_is_gone_does_not_ring(transaction: Transaction) -> None:
    there = registrations_by_aor([phone(A), phone(B, reachable=False)])
    assert try_call(transaction, VIEWER, A, "1001", there, HERE).outlook.status == 480


def test_it_says_why_a_call_would_be_refused(transaction: Transaction) -> None:
    update_sip_user(transaction, OWNER, 5.0, B, SipUserChange(strictness="require"))
    there = registrations_by_aor([phone(A), phone(B, "udp")])
    found = try_call(transaction, VIEWER, A, "1001", there, HERE)
    assert found.outlook.status == 488
    assert found.outlook.reason.startswith("Encryption is required for this user, but the phone is not connected over")
    found = try_call(transaction, VIEWER, A, "1001", there, HERE, PhoneForm(), PhoneForm("tls", "none"))
    assert found.outlook.status == 488


def test_what_a_phone_is_set_to_can_be_supposed(transaction: Transaction) -> None:
    there = registrations_by_aor([phone(A), phone(B)])
    found = try_call(
        transaction, VIEWER, A, "1001", there, HERE, PhoneForm("udp", "none", "g729"), PhoneForm("", "", "opus")
    )
    assert found.outlook.transcoding == "transcoded g729 ↔ opus"
    assert found.outlook.audience is not None
    assert Listener.CALLER_NETWORK in found.outlook.audience.listeners
    for field, form in (
        ("caller_transport", PhoneForm("carrier pigeon")),
        ("caller_protection", PhoneForm("", "rot13")),
        ("caller_codecs", PhoneForm("", "", "mp3")),
    ):
        with pytest.raises(InvalidInput) as wrong:
            try_call(transaction, VIEWER, A, "1001", there, HERE, form)
        assert wrong.value.field == field


def test_phones_behind_one_nat_each_may_go_direct_only_where_they_would_reach_each_other(
    transaction: Transaction,
) -> None:
    for aor in (A, B):
        update_sip_user(transaction, OWNER, 5.0, aor, SipUserChange(protection="zrtp", path="direct"))
    behind = {"contact": "sip:x@192.168.1.5:5060"}
    same = registrations_by_aor([phone(A, **behind), phone(B, **behind)])
    apart = registrations_by_aor([phone(A, **behind), phone(B, address="203.0.113.9:5000", **behind)])
    for there, scheme in ((same, Scheme.ZRTP_DIRECT), (apart, Scheme.ZRTP_SEALED)):
        audience = try_call(transaction, VIEWER, A, "1001", there, HERE).outlook.audience
        assert audience is not None
        assert audience.scheme is scheme


@pytest.mark.parametrize("dialled", ["*43", "sip:1001@office.example", "1001@office.example", "tel:1001", " 1001 "])
def test_whatever_can_be_dialled_can_be_tried(transaction: Transaction, dialled: str) -> None:
    there = registrations_by_aor([phone(A), phone(B)])
    assert try_call(transaction, VIEWER, A, dialled, there, HERE).outlook.status == 200


@pytest.mark.parametrize("dialled", ["", "  ", "x" * 200, "sip:", "sip:[::", "1001@"])
def test_what_cannot_be_dialled_is_refused_at_its_field(transaction: Transaction, dialled: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        try_call(transaction, VIEWER, A, dialled, registrations_by_aor([]), HERE)
    assert refused.value.field == "dialled"


@pytest.mark.parametrize("dialled", ["4711", "1000@other.example", "1000@nowhere.example"])
def test_what_is_not_there_and_what_is_not_theirs_sound_alike(transaction: Transaction, dialled: str) -> None:
    found = try_call(transaction, VIEWER, A, dialled, registrations_by_aor([]), HERE)
    assert found.outlook.status in (403, 404)
    assert found.callee is None
    with pytest.raises(NotFound):
        try_call(transaction, STRANGER, A, "1001", registrations_by_aor([]), HERE)


def test_each_choice_of_protection_says_what_it_comes_to_with_each_other_side() -> None:
    table = {
        (mine, one.other): one.outlook.audience.scheme.number  # type: ignore[union-attr]
        for mine, against in prospects().items()
        for one in against
    }
    none, srtp, ended, sealed, direct = CHOICES
    assert {table[none, other] for other in CHOICES} == {"5"}
    assert [table[srtp, other] for other in CHOICES] == ["5", "1", "4", "4", "4"]
    assert [table[ended, other] for other in CHOICES] == ["5", "4", "2", "2", "2"]
    assert [table[sealed, other] for other in CHOICES] == ["5", "4", "2", "3s", "3s"]
    assert [table[direct, other] for other in CHOICES] == ["5", "4", "2", "3s", "3"]
    assert sealed == (Protection.ZRTP, MediaPath.SEALED)
