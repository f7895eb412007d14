"""REGISTER against the location table: RFC 3261 10.3, RFC 5626, RFC 3327, limits, and what survives what."""

from __future__ import annotations

import timeit
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtone.registrar import Binding, Registrar, Registration, Rules
from sealtone.sip.flow import Flow, Target, TlsInfo
from sealtone.sip.message import Request, parse_message

AOR = "1000@office.example"
NOW = 1_700_000_000.0
UDP = Flow(1, "udp", ("198.51.100.1", 5060), ("192.0.2.7", 5062))
TCP = Flow(2, "tcp", ("198.51.100.1", 5060), ("192.0.2.7", 40001))
TLS = Flow(3, "tls", ("198.51.100.1", 5061), ("192.0.2.7", 40002), TlsInfo("TLSv1.3", "x", "office.example"))
INSTANCE = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"'
RULES = Rules()


def register(*headers: str, call_id: str = "a@phone", cseq: int = 1, vias: int = 1) -> Request:
    via = "".join(f"Via: SIP/2.0/UDP 10.0.0.{n}:5060;branch=z9hG4bK{n}\r\n" for n in range(1, vias + 1))
    message = parse_message(
        (
            f"REGISTER sip:office.example SIP/2.0\r\n{via}"
            "From: <sip:1000@office.example>;tag=1\r\nTo: <sip:1000@office.example>\r\n"
            f"Call-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\nMax-Forwards: 70\r\n"
            + "".join(header + "\r\n" for header in headers)
            + "Content-Length: 0\r\n\r\n"
        ).encode()
    )
    assert isinstance(message, Request)
    return message


class Table:
    """A registrar whose changes are committed at once."""

    def __init__(self) -> None:
        self.registrar = Registrar()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.registrar, name)

    def __len__(self) -> int:
        return len(self.registrar)

    def do(
        self, *headers: str, flow: Flow = UDP, now: float = NOW, rules: Rules = RULES, aor: str = AOR, **request: object
    ) -> Registration:
        outcome = self.register(register(*headers, **request), aor, flow, now, rules)  # type: ignore[arg-type]
        if outcome.changes_bindings:
            self.apply(outcome)
        return outcome

    def contacts(self, now: float = NOW) -> list[str]:
        return [binding.contact for binding in self.bindings(AOR, now)]


@pytest.fixture
def table() -> Table:
    return Table()


def values(outcome: Registration, name: str) -> list[str]:
    return [value for key, value in outcome.headers if key == name]


def test_a_contact_is_bound_for_the_time_it_asks_and_told_so(table: Table) -> None:
    outcome = table.do("Contact: <sip:1000@10.0.0.5:5060>;q=0.5", "Expires: 600", "User-Agent: Phone/1")
    assert (outcome.status, outcome.reason) == (200, "OK")
    assert values(outcome, "Contact") == ["<sip:1000@10.0.0.5:5060>;expires=600;q=0.5"]
    (binding,) = table.lookup(AOR, NOW)
    assert binding == Binding(
        AOR,
        "sip:1000@10.0.0.5:5060",
        "a@phone",
        1,
        NOW + 600,
        NOW,
        "udp",
        ("192.0.2.7", 5062),
        UDP,
        500,
        user_agent="Phone/1",
    )
    assert table.lookup(AOR, NOW + 600) == ()


@pytest.mark.parametrize(
    ("contact", "header", "granted"),
    [
        ("", (), 3600),
        (";expires=300", ("Expires: 900",), 300),
        ("", ("Expires: 900",), 900),
        (";expires=soon", ("Expires: 900",), 900),
        (";expires=soon", (), 3600),
        ("", ("Expires: never",), 3600),
        (";expires=99999999999999999999", (), 7200),
        (";expires=7200", (), 7200),
        (";expires=60", (), 60),
    ],
)
def test_the_interval_is_the_contacts_then_the_headers_then_ours_and_never_above_the_limit(
    table: Table, contact: str, header: tuple[str, ...], granted: int
) -> None:
    outcome = table.do(f"Contact: <sip:1000@10.0.0.5>{contact}", *header)
    assert values(outcome, "Contact") == [f"<sip:1000@10.0.0.5>;expires={granted}"]


def test_an_interval_that_is_too_brief_is_refused_with_the_least_one(table: Table) -> None:
    outcome = table.do("Contact: <sip:1000@10.0.0.5>;expires=59")
    assert outcome.status == 423
    assert outcome.headers == (("Min-Expires", "60"),)
    assert len(table) == 0


def test_one_contact_that_fails_fails_the_whole_request(table: Table) -> None:
    outcome = table.do("Contact: <sip:1000@10.0.0.5>;expires=300, <sip:1000@10.0.0.6>;expires=5")
    assert outcome.status == 423
    assert not outcome.changes_bindings


def test_a_query_lists_all_bindings_and_changes_nothing(table: Table) -> None:
    table.do("Contact: <sip:1000@10.0.0.5>, <sip:1000@10.0.0.6>;q=0.1")
    outcome = table.do(call_id="b", now=NOW + 0.5)
    assert not outcome.changes_bindings
    assert values(outcome, "Contact") == ["<sip:1000@10.0.0.5>;expires=3600", "<sip:1000@10.0.0.6>;expires=3600;q=0.1"]


def test_a_binding_in_its_last_instant_is_not_shown_as_removed(table: Table) -> None:
    table.do("Contact: <sip:1000@10.0.0.5>;expires=60")
    assert values(table.do(call_id="b", now=NOW + 59.9), "Contact") == ["<sip:1000@10.0.0.5>;expires=1"]


def test_a_refresh_replaces_its_binding_and_takes_the_new_address(table: Table) -> None:
    table.do("Contact: <sip:1000@10.0.0.5>")
    moved = UDP._replace(remote=("203.0.113.9", 1024))
    table.do("Contact: <sip:1000@10.0.0.5>", cseq=2, flow=moved, now=NOW + 100)
    (binding,) = table.lookup(AOR, NOW + 3650)
    assert (binding.received, binding.flow, binding.cseq) == (("203.0.113.9", 1024), moved, 2)


def test_contacts_are_the_same_when_their_uris_are_equivalent(table: Table) -> None:
    table.do("Contact: <sip:%31000@PHONE.example;transport=udp>")
    outcome = table.do("Contact: <sip:1000@phone.example;transport=UDP>", cseq=2)
    assert table.contacts() == ["sip:1000@phone.example;transport=UDP"]
    assert [binding.contact for binding in outcome.removed] == ["sip:%31000@PHONE.example;transport=udp"]
    table.do("Contact: <sip:1000@phone.example;transport=tcp>", cseq=3)
    assert len(table) == 2


def test_unregistering_removes_only_the_contact_named(table: Table) -> None:
    table.do("Contact: <sip:1000@10.0.0.5>, <sip:1000@10.0.0.6>")
    outcome = table.do("Contact: <sip:1000@10.0.0.5>", "Expires: 0", cseq=2)
    assert values(outcome, "Contact") == ["<sip:1000@10.0.0.6>;expires=3600"]
    assert table.contacts() == ["sip:1000@10.0.0.6"]


def test_unregistering_what_is_not_bound_is_no_error(table: Table) -> None:
    outcome = table.do("Contact: <sip:1000@10.0.0.5>;expires=0")
    assert outcome.accepted
    assert not outcome.changes_bindings


def test_a_star_removes_everything(table: Table) -> None:
    table.do("Contact: <sip:1000@10.0.0.5>, <sip:1000@10.0.0.6>")
    outcome = table.do("Contact: *", "Expires: 0", call_id="other", cseq=1)
    assert outcome.accepted
    assert len(outcome.removed) == 2
    assert values(outcome, "Contact") == []
    assert table.contacts() == []


@pytest.mark.parametrize(
    "headers",
    [
        ("Contact: *",),
        ("Contact: *", "Expires: 60"),
        ("Contact: *;expires=0",),
        ("Contact: *, <sip:1000@10.0.0.5>", "Expires: 0"),
        ("Contact: <sip:1000@10.0.0.5>", "Contact: *", "Expires: 0"),
    ],
)
def test_a_star_with_anything_but_expires_0_is_refused(table: Table, headers: tuple[str, ...]) -> None:
    table.do("Contact: <sip:1000@10.0.0.6>")
    assert table.do(*headers, cseq=2).status == 400
    assert len(table) == 1


@pytest.mark.parametrize("cseq", [4, 5])
@pytest.mark.parametrize(
    "headers",
    [
        ("Contact: <sip:1000@10.0.0.5>",),
        ("Contact: <sip:1000@10.0.0.5>", "Expires: 0"),
        ("Contact: *", "Expires: 0"),
        ("Contact: <sip:1000@10.0.0.6>, <sip:1000@10.0.0.5>",),
    ],
)
def test_a_request_older_than_a_binding_it_touches_changes_nothing(
    table: Table, headers: tuple[str, ...], cseq: int
) -> None:
    table.do("Contact: <sip:1000@10.0.0.5>", cseq=5)
    outcome = table.do(*headers, cseq=cseq)
    assert outcome.status == 500
    assert not outcome.changes_bindings
    assert table.do(*headers, cseq=1, call_id="after-restart@phone").accepted


@pytest.mark.parametrize(
    ("contact", "status"),
    [
        ("<mailto:a@b.example>", 400),
        ("<tel:+4912345>", 400),
        ("<sip:>", 400),
        ("<sip:a@b@c>", 400),
        ("<sip:1000@10.0.0.5", 400),
        ("<sip:1000@10.0.0.5>;q=1.1", 400),
        ("<sip:1000@10.0.0.5>;q=x", 400),
        ("<sip:1000@10.0.0.5>;q=0.1234", 400),
        ("<sip:1000@10.0.0.5>;q=", 400),
        (f"<sip:{'1' * 600}@10.0.0.5>", 400),
        (f'<sip:1000@10.0.0.5>;+sip.instance="<{"u" * 300}>"', 400),
        ('<sip:1000@10.0.0.5>;+sip.instance="a\\"b"', 400),
        ("<sip:1000@10.0.0.5>, <sip:1000@10.0.0.5>", 400),
        ("<sip:1000@10.0.0.5>, <sip:1000@10.0.0.5>;expires=0", 400),
    ],
)
def test_a_contact_that_cannot_be_bound_is_refused(table: Table, contact: str, status: int) -> None:
    assert table.do(f"Contact: {contact}").status == status
    assert len(table) == 0


def test_contacts_are_tried_by_q_and_then_the_latest_first(table: Table) -> None:
    table.do("Contact: <sip:a@10.0.0.5>;q=0.3, <sip:b@10.0.0.5>;q=1.0, <sip:c@10.0.0.5>")
    table.do("Contact: <sip:c@10.0.0.5>", cseq=2, now=NOW + 1)
    assert table.contacts(NOW + 2) == ["sip:c@10.0.0.5", "sip:b@10.0.0.5", "sip:a@10.0.0.5"]


def test_more_contacts_than_permitted_are_refused_and_nobody_is_pushed_out(table: Table) -> None:
    rules = Rules(max_contacts=2)
    for number in (1, 2):
        assert table.do(f"Contact: <sip:{number}@10.0.0.5>", cseq=number, rules=rules).accepted
    assert table.do("Contact: <sip:3@10.0.0.5>", cseq=3, rules=rules).status == 403
    assert table.do("Contact: <sip:1@10.0.0.5>", cseq=3, rules=rules).accepted
    assert table.do("Contact: <sip:a@h>, <sip:b@h>, <sip:c@h>", call_id="x", rules=rules).status == 403
    assert len(table) == 2


def test_the_limit_makes_room_by_dropping_what_cannot_be_reached_any_more(table: Table) -> None:
    rules = Rules(max_contacts=2)
    table.load(
        Binding(AOR, f"sip:{n}@10.0.0.5", "old", 1, NOW + 500, NOW - n, "tls", ("192.0.2.7", 4000 + n)) for n in (1, 2)
    )
    outcome = table.do("Contact: <sip:3@10.0.0.5>", rules=rules)
    assert outcome.accepted
    assert [binding.contact for binding in outcome.removed] == ["sip:2@10.0.0.5"]


def test_nothing_is_changed_before_the_commit_and_a_failed_commit_leaves_no_trace() -> None:
    registrar = Registrar()
    outcome = registrar.register(register("Contact: <sip:1000@10.0.0.5>"), AOR, UDP, NOW, RULES)
    assert registrar.lookup(AOR, NOW) == ()
    registrar.discard(outcome)
    assert registrar.register(register(), AOR, UDP, NOW, RULES).headers == ()


def test_requests_that_arrive_during_a_commit_are_judged_against_it() -> None:
    registrar, rules = Registrar(), Rules(max_contacts=2)
    outcomes = [
        registrar.register(register(f"Contact: <sip:{n}@10.0.0.5>", call_id=f"c{n}"), AOR, UDP, NOW, rules)
        for n in range(5)
    ]
    assert [outcome.status for outcome in outcomes] == [200, 200, 403, 403, 403]
    late = registrar.register(register("Contact: <sip:0@10.0.0.5>", call_id="c0"), AOR, UDP, NOW, rules)
    assert late.status == 500
    for outcome in outcomes[:2]:
        registrar.apply(outcome)
    assert len(registrar) == 2


def test_a_connection_that_ends_takes_its_bindings_with_it(table: Table) -> None:
    table.do("Contact: <sip:1000@10.0.0.5>", flow=TLS)
    table.do("Contact: <sip:1000@10.0.0.6>", call_id="b", flow=TCP)
    assert [binding.contact for binding in table.flow_closed(TLS)] == ["sip:1000@10.0.0.5"]
    assert table.contacts() == ["sip:1000@10.0.0.6"]
    assert table.flow_closed(TLS) == ()


def test_a_tcp_phone_at_a_public_contact_outlives_its_connection(table: Table) -> None:
    table.do("Contact: <sip:1000@192.0.2.7:5070;transport=tcp>", flow=TCP)
    assert table.flow_closed(TCP) == ()
    (binding,) = table.lookup(AOR, NOW)
    assert binding.hop_hint == Target("tcp", "192.0.2.7", 5070)


def test_a_connection_that_ends_during_the_commit_is_not_used() -> None:
    registrar = Registrar()
    outcome = registrar.register(register("Contact: <sip:1000@10.0.0.5>"), AOR, TLS, NOW, RULES)
    registrar.flow_closed(TLS)
    registrar.apply(outcome)
    assert registrar.lookup(AOR, NOW) == ()
    again = TLS._replace(id=TLS.id)
    later = registrar.register(register("Contact: <sip:1000@10.0.0.5>", cseq=2), AOR, again, NOW, RULES)
    registrar.apply(later)
    assert registrar.lookup(AOR, NOW)[0].flow == again


@pytest.mark.parametrize(
    ("flow", "contact", "hop"),
    [
        (UDP, "sip:1000@10.0.0.5:5062", Target("udp", "192.0.2.7", 5062)),
        (TCP, "sip:1000@10.0.0.5:5062;transport=tcp", None),
        (TCP, "sip:1000@192.0.2.7;transport=tcp", Target("tcp", "192.0.2.7", 5060)),
        (TLS, "sip:1000@192.0.2.7:5061;transport=tls", None),
    ],
)
def test_after_a_restart_only_phones_that_can_be_reached_without_their_connection_are_called(
    table: Table, flow: Flow, contact: str, hop: Target | None
) -> None:
    stored = table.do(f"Contact: <{contact}>", flow=flow).saved
    restarted = Registrar()
    restarted.load(stored)
    assert [binding.hop_hint for binding in restarted.bindings(AOR, NOW)] == [hop]
    assert [binding.hop_hint for binding in restarted.lookup(AOR, NOW)] == ([hop] if hop else [])
    assert restarted.flow_closed(flow) == ()


def test_a_device_replaces_its_own_flow_whatever_contact_it_names(table: Table) -> None:
    supported = "Supported: path, outbound"
    outcome = table.do(f"Contact: <sip:1000@10.0.0.5;ob>;reg-id=1;{INSTANCE}", supported, flow=TLS)
    assert ("Require", "outbound") in outcome.headers
    assert ("Flow-Timer", "120") in outcome.headers
    assert values(outcome, "Contact")[0].endswith(f";expires=3600;{INSTANCE};reg-id=1")
    again = TLS._replace(id=9, remote=("203.0.113.4", 999))
    table.do(f"Contact: <sip:1000@10.7.7.7;ob>;reg-id=1;{INSTANCE}", supported, flow=again, call_id="reboot")
    assert table.contacts() == ["sip:1000@10.7.7.7;ob"]
    assert table.flow_closed(TLS) == ()
    assert len(table.flow_closed(again)) == 1


def test_of_one_devices_flows_the_latest_is_called_and_the_others_are_in_reserve(table: Table) -> None:
    supported = "Supported: outbound"
    for reg_id, flow in ((1, TLS), (2, TCP)):
        contact = f"Contact: <sip:1000@10.0.0.5;ob>;reg-id={reg_id};{INSTANCE}"
        table.do(contact, supported, flow=flow, cseq=reg_id, now=NOW + reg_id)
    table.do("Contact: <sip:desk@10.0.0.9>", call_id="desk", now=NOW)
    first, desk = table.lookup(AOR, NOW + 3)
    assert (first.flow, desk.contact) == (TCP, "sip:desk@10.0.0.9")
    assert [binding.flow for binding in table.alternatives(first, NOW + 3)] == [TLS]
    assert table.alternatives(desk, NOW + 3) == ()


def test_a_reg_id_counts_only_with_an_instance_and_the_outbound_option(table: Table) -> None:
    for number, headers in enumerate(
        (
            ("Contact: <sip:1@10.0.0.5>;reg-id=1", "Supported: outbound"),
            (f"Contact: <sip:2@10.0.0.5>;reg-id=1;{INSTANCE}",),
        ),
        1,
    ):
        outcome = table.do(*headers, cseq=number)
        assert ("Require", "outbound") not in outcome.headers
        assert outcome.saved[0].reg_id is None


@pytest.mark.parametrize("reg_id", ["0", "-1", "x", "4294967296"])
def test_a_reg_id_that_is_none_is_refused(table: Table, reg_id: str) -> None:
    outcome = table.do(f"Contact: <sip:1@10.0.0.5>;reg-id={reg_id};{INSTANCE}", "Supported: outbound")
    assert outcome.status == 400


def test_two_flows_in_one_request_are_refused(table: Table) -> None:
    contacts = f"<sip:1@10.0.0.5>;reg-id=1;{INSTANCE}, <sip:2@10.0.0.5>;reg-id=2;{INSTANCE}"
    assert table.do(f"Contact: {contacts}", "Supported: outbound").status == 400


def test_a_first_hop_that_does_not_keep_flows_is_told_apart(table: Table) -> None:
    contact = f"Contact: <sip:1@10.0.0.5>;reg-id=1;{INSTANCE}"
    assert table.do(contact, "Supported: outbound", vias=2).status == 439
    assert table.do(contact, "Supported: outbound, path", "Path: <sip:edge.example;lr>", vias=2).status == 439
    assert table.do(contact, "Supported: outbound, path", "Path: <sip:edge.example;lr;ob>", vias=2).accepted


def test_the_path_is_kept_and_repeated(table: Table) -> None:
    path = "Path: <sip:inner.example;lr>, <sip:edge.example;lr>"
    outcome = table.do("Contact: <sip:1000@10.0.0.5>", "Supported: path", path)
    assert values(outcome, "Path") == ["<sip:inner.example;lr>", "<sip:edge.example;lr>"]
    assert table.lookup(AOR, NOW)[0].path == ("<sip:inner.example;lr>", "<sip:edge.example;lr>")


def test_a_path_that_is_too_long_is_refused(table: Table) -> None:
    assert table.do("Contact: <sip:1000@10.0.0.5>", f"Path: <sip:{'e' * 1100};lr>").status == 400


def test_what_has_expired_is_given_back_once_and_a_refreshed_binding_is_not(table: Table) -> None:
    table.do("Contact: <sip:1@10.0.0.5>;expires=60, <sip:2@10.0.0.5>;expires=60")
    table.do("Contact: <sip:2@10.0.0.5>;expires=120", cseq=2, now=NOW + 30)
    assert table.expire(NOW + 59) == ()
    assert [binding.contact for binding in table.expire(NOW + 60)] == ["sip:1@10.0.0.5"]
    assert table.expire(NOW + 149.9) == ()
    assert [binding.contact for binding in table.expire(NOW + 150)] == ["sip:2@10.0.0.5"]
    assert len(table) == 0


def test_an_expired_binding_stops_nobody(table: Table) -> None:
    table.do("Contact: <sip:1@10.0.0.5>;expires=60", cseq=9, rules=Rules(max_contacts=1))
    outcome = table.do("Contact: <sip:2@10.0.0.5>", cseq=1, now=NOW + 61, rules=Rules(max_contacts=1))
    assert outcome.accepted
    assert table.contacts(NOW + 61) == ["sip:2@10.0.0.5"]


def test_users_do_not_see_each_others_bindings(table: Table) -> None:
    table.do("Contact: <sip:1000@10.0.0.5>")
    outcome = table.do("Contact: *", "Expires: 0", aor="1001@office.example", call_id="b")
    assert outcome.headers == ()
    assert len(table) == 1


def test_a_user_that_is_gone_is_forgotten_whole(table: Table) -> None:
    table.do("Contact: <sip:1@10.0.0.5>, <sip:2@10.0.0.5>", flow=TLS)
    assert len(table.forget(AOR)) == 2
    assert (len(table), table.flow_closed(TLS), table.expire(NOW + 9999)) == (0, (), ())


steps = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([0, 60, 61, 300]),
        st.sampled_from([UDP, TCP, TLS]),
        st.sampled_from(["apply", "apply", "discard", "close", "expire"]),
        st.integers(0, 90),
    ),
    max_size=25,
)


@given(steps)
def test_the_table_and_its_indexes_agree_after_any_sequence(
    sequence: list[tuple[str, int, Flow, str, int]],
) -> None:
    registrar, now, expected = Registrar(), NOW, dict[str, float]()
    for cseq, (name, expires_s, flow, then, pause_s) in enumerate(sequence, 1):
        now += pause_s
        request = register(f"Contact: <sip:{name}@10.0.0.5>;expires={expires_s}", cseq=cseq)
        outcome = registrar.register(request, AOR, flow, now, RULES)
        assert outcome.accepted
        if then == "discard":
            registrar.discard(outcome)
            continue
        registrar.apply(outcome)
        expected.pop(f"sip:{name}@10.0.0.5", None)
        if expires_s:
            expected[f"sip:{name}@10.0.0.5"] = now + expires_s
        if then == "close":
            for binding in registrar.flow_closed(flow):
                # One that has expired but was not yet swept out is given back too.
                expected.pop(binding.contact, None)
        if then == "expire":
            registrar.expire(now)
        live = {contact for contact, ends in expected.items() if ends > now}
        assert {binding.contact for binding in registrar.bindings(AOR, now)} == live
    registrar.expire(now + 10_000)
    assert len(registrar) == 0
    for flow in (TCP, TLS):
        assert registrar.flow_closed(flow) == ()


def test_a_refresh_among_many_users_is_quick() -> None:
    registrar = Registrar()
    for number in range(20_000):
        aor = f"{number}@office.example"
        registrar.load([Binding(aor, f"sip:{aor}", "c", 1, NOW + number % 3600 + 60, NOW, "udp", ("192.0.2.7", 5060))])
    raw = register("Contact: <sip:1000@10.0.0.5>;expires=300", cseq=2).encode()
    requests = [parse_message(raw.replace(b"CSeq: 2", b"CSeq: %d" % (n + 2))) for n in range(3000)]

    def refresh() -> None:
        request = requests.pop()
        assert isinstance(request, Request)
        registrar.apply(registrar.register(request, AOR, UDP, NOW, RULES))

    requests.reverse()
    best = min(timeit.repeat(refresh, number=500, repeat=5)) / 500
    # The aim is 60 µs on a quiet core; this only catches a search through the whole table.
    assert best < 600e-6
