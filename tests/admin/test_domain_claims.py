"""Names of one's own: claimed by anybody, had by whoever proves them first; and records that are shown, not enforced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from net.dns_server import DnsServer, dns_server
from postgres import Place
from sealtone.admin import (
    Actor,
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    Reach,
    Standing,
    abandon_claim,
    create_domain,
    create_sip_user,
    create_subdomain,
    due_for_check,
    list_domains,
    list_standings,
    look_up,
    park_domain,
    record_check,
    save_reach,
    set_dns_resolvers,
    standing_of,
)
from sealtone.admin.domain_checks import DAILY_CHECK, dns_resolvers
from sealtone.admin.domain_records import as_zone_file
from sealtone.admin.phone_links import phone_host
from sealtone.admin.service import ServiceChange, update_service
from sealtone.model import DomainKind, Role
from sealtone.net.dns_lookup import DnsLookup
from sealtone.store import Transaction
from sealtone.store.directory import insert_account, load_snapshot, read_changes

DAY_S = 86_400.0
OPERATOR = Actor("root", "command line")
NAME = "office.example"


@pytest.fixture
def transaction(place: Place) -> Iterator[Transaction]:
    database = place.database()
    with database.write() as transaction:
        save_reach(transaction, Reach("", ("192.0.2.1", "2001:db8::1"), 5060, 5061, 443))
        yield transaction
    database.close()


@pytest.fixture
def anna(transaction: Transaction) -> Actor:
    return Actor("anna@a.example", "192.0.2.7", insert_account(transaction, "A", 1.0))


@pytest.fixture
def boris(transaction: Transaction) -> Actor:
    return Actor("boris@b.example", "192.0.2.8", insert_account(transaction, "B", 1.0))


def park(transaction: Transaction, actor: Actor, at: float = 10.0, name: str = NAME) -> str:
    assert actor.account_id is not None
    return park_domain(transaction, actor, at, name, actor.account_id).ownership_token


def checked(transaction: Transaction, actor: Actor, at: float, zone: Callable[[DnsServer], None]) -> Standing:
    """Looks at DNS as `zone` sets it, and saves what was found."""

    async def look(standing: Standing) -> Standing:
        async with dns_server() as server:
            zone(server)
            findings = await look_up(DnsLookup([server.address]), standing)
        return record_check(transaction, actor, at, standing, findings)

    return asyncio.run(look(standing_of(transaction, actor, NAME)))


def proof(token: str) -> Callable[[DnsServer], None]:
    return lambda zone: zone.set("TXT", f"_sealtone.{NAME}", '"v=spf1 -all"', f'"sealtone-domain={token}"')


def nothing(zone: DnsServer) -> None:
    zone.set("A", "elsewhere.example", "192.0.2.9")


def test_a_parked_name_is_no_domain_before_its_record_is_seen_and_one_at_once_after(
    transaction: Transaction, anna: Actor
) -> None:
    token = park(transaction, anna)
    assert checked(transaction, anna, 20.0, nothing).status == "pending"
    assert load_snapshot(transaction).domain(NAME) is None
    with pytest.raises(NotFound):
        create_sip_user(transaction, anna, 21.0, f"1000@{NAME}")
    standing = checked(transaction, anna, 30.0, proof(token))
    assert (standing.status, standing.kind, standing.checked_at) == ("verified", DomainKind.PARKED, 30.0)
    assert load_snapshot(transaction).domain(NAME) is not None
    create_sip_user(transaction, anna, 31.0, f"1000@{NAME}")
    settled = read_changes(transaction, subject=f"domain {NAME}")[0]
    assert (settled.before, settled.after, settled.actor) == (
        {"status": "pending"},
        {"status": "verified"},
        "anna@a.example",
    )


def test_somebody_who_claims_a_name_without_proof_does_not_keep_it_from_its_owner(
    transaction: Transaction, anna: Actor, boris: Actor
) -> None:
    squatters = park(transaction, boris)
    owners = park(transaction, anna)
    assert squatters != owners
    assert checked(transaction, boris, 20.0, proof(owners)).status == "pending"
    assert checked(transaction, anna, 20.0, proof(owners)).status == "verified"
    assert [domain.account_id for domain in list_domains(transaction, OPERATOR)] == [anna.account_id]
    assert [one.status for one in list_standings(transaction, boris)] == ["pending"]


def test_who_proves_a_name_second_is_told_that_it_failed_and_changes_nothing(
    transaction: Transaction, anna: Actor, boris: Actor
) -> None:
    first, second = park(transaction, anna), park(transaction, boris)
    checked(transaction, anna, 20.0, proof(first))
    assert checked(transaction, boris, 30.0, proof(second)).status == "failed"
    assert [domain.account_id for domain in list_domains(transaction, OPERATOR)] == [anna.account_id]


def test_claiming_a_name_does_not_tell_whether_another_account_has_it(
    transaction: Transaction, anna: Actor, boris: Actor
) -> None:
    checked(transaction, anna, 20.0, proof(park(transaction, anna)))
    park(transaction, boris)
    assert standing_of(transaction, boris, NAME).status == "pending"
    with pytest.raises(NotFound, match=r"There is no domain other\.example\."):
        standing_of(transaction, boris, "other.example")


def test_a_proven_domain_stays_one_whatever_dns_says_later(transaction: Transaction, anna: Actor) -> None:
    checked(transaction, anna, 20.0, proof(park(transaction, anna)))
    later = checked(transaction, DAILY_CHECK, 400 * DAY_S, nothing)
    assert (later.status, later.needs_care) == ("verified", True)
    assert load_snapshot(transaction).domain(NAME) is not None


def test_a_claim_is_given_up_after_two_weeks_and_still_succeeds_on_request(
    transaction: Transaction, anna: Actor
) -> None:
    token = park(transaction, anna)
    assert [one.name for one in due_for_check(transaction, DAY_S, DAY_S - 60)] == [NAME]
    assert checked(transaction, DAILY_CHECK, 13 * DAY_S, nothing).status == "pending"
    assert checked(transaction, DAILY_CHECK, 15 * DAY_S, nothing).status == "failed"
    assert due_for_check(transaction, 30 * DAY_S, DAY_S) == ()
    assert read_changes(transaction)[0].actor == "Sealtone"
    assert checked(transaction, anna, 31 * DAY_S, proof(token)).status == "verified"


def test_dns_that_does_not_answer_gives_no_claim_up(
    transaction: Transaction, anna: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sealtone.net.dns_lookup._TIME_S", 0.2)
    park(transaction, anna)
    standing = checked(transaction, anna, 30 * DAY_S, lambda zone: setattr(zone, "silent", True))
    assert standing.status == "pending"
    assert {one.state for one in standing.findings} == {"unknown"}


def test_every_record_is_shown_as_it_should_be_and_as_it_is(transaction: Transaction, anna: Actor) -> None:
    token = park(transaction, anna)

    def zone(server: DnsServer) -> None:
        proof(token)(server)
        server.set("A", NAME, "192.0.2.1")
        server.set("SRV", f"_sips._tcp.{NAME}", f"5 0 5061 {NAME}.")
        server.set("SRV", f"_sip._udp.{NAME}", "10 10 5060 old.example.")

    findings = checked(transaction, anna, 20.0, zone).findings
    states = {(one.kind, one.name, one.expected): one.state for one in findings}
    assert states["A", NAME, "192.0.2.1"] == "ok"
    assert states["AAAA", NAME, "2001:db8::1"] == "missing"
    assert states["SRV", f"_sips._tcp.{NAME}", f"10 10 5061 {NAME}"] == "ok"
    assert states["SRV", f"_sips._tcp.{NAME}", f"20 10 443 {NAME}"] == "differs"
    assert states["SRV", f"_sip._udp.{NAME}", f"10 10 5060 {NAME}"] == "differs"
    assert states["SRV", f"_sip._tcp.{NAME}", f"10 10 5060 {NAME}"] == "missing"
    assert f'{NAME}. 3600 IN NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp.{NAME}.' in as_zone_file(findings).splitlines()


def test_a_service_with_a_name_of_its_own_is_what_records_point_to(transaction: Transaction, anna: Actor) -> None:
    update_service(transaction, OPERATOR, 1.0, ServiceChange(public_name="sip.service.example"))
    park(transaction, anna)
    findings = standing_of(transaction, anna, NAME).findings
    assert "10 10 5061 sip.service.example" in [one.expected for one in findings]
    assert [one.required for one in findings if one.kind == "A"] == [False]


def test_a_subdomain_of_the_zone_counts_at_once(transaction: Transaction, anna: Actor) -> None:
    update_service(transaction, OPERATOR, 1.0, ServiceChange(zone="service.example"))
    assert anna.account_id is not None
    made = create_subdomain(transaction, anna, 2.0, "Anna", anna.account_id)
    assert (made.name, made.kind) == ("anna.service.example", DomainKind.SUBDOMAIN)
    create_sip_user(transaction, anna, 3.0, "1000@anna.service.example")


@pytest.mark.parametrize(
    "label", ["www", "sip", "postmaster", "ab", "xn--80ak6aa92e", "a.b", "1234", "", "-anna", "anna"]
)
def test_labels_that_are_reserved_taken_or_no_labels_are_refused_at_the_field(
    transaction: Transaction, anna: Actor, boris: Actor, label: str
) -> None:
    update_service(transaction, OPERATOR, 1.0, ServiceChange(zone="service.example"))
    assert anna.account_id is not None
    assert boris.account_id is not None
    create_subdomain(transaction, boris, 2.0, "anna", boris.account_id)
    with pytest.raises(InvalidInput) as refused:
        create_subdomain(transaction, anna, 2.0, label, anna.account_id)
    assert refused.value.field == "label"


@pytest.mark.parametrize("name", ["service.example", "x.service.example", "pbx.other.example", "localhost"])
def test_names_of_the_service_itself_cannot_be_claimed(transaction: Transaction, anna: Actor, name: str) -> None:
    settings = ServiceChange(zone="service.example", public_name="pbx.other.example")
    update_service(transaction, OPERATOR, 1.0, settings)
    with pytest.raises(InvalidInput):
        park(transaction, anna, name=name)


def test_only_the_operator_makes_a_domain_without_proof(transaction: Transaction, anna: Actor) -> None:
    assert anna.account_id is not None
    with pytest.raises(Forbidden):
        create_domain(transaction, anna, 1.0, NAME, anna.account_id)
    create_domain(transaction, anna._replace(operator=True), 1.0, NAME, anna.account_id)


def test_a_claim_can_be_given_up_by_its_account_alone(transaction: Transaction, anna: Actor, boris: Actor) -> None:
    park(transaction, anna)
    assert anna.account_id is not None
    with pytest.raises(NotFound):
        abandon_claim(transaction, boris, 2.0, anna.account_id, NAME)
    with pytest.raises(Forbidden):
        abandon_claim(transaction, anna._replace(role=Role.VIEWER), 2.0, anna.account_id, NAME)
    abandon_claim(transaction, anna, 2.0, anna.account_id, NAME)
    assert list_standings(transaction, anna) == ()


def test_an_account_has_a_limited_number_of_names(transaction: Transaction, anna: Actor) -> None:
    for number in range(100):
        park(transaction, anna, name=f"d{number}.example")
    with pytest.raises(Conflict, match="at most 100"):
        park(transaction, anna, name="one-more.example")


def test_name_servers_are_written_as_addresses_with_ports(transaction: Transaction) -> None:
    set_dns_resolvers(transaction, OPERATOR, 1.0, "192.0.2.53, 127.0.0.1:5300, [2001:db8::53]:54")
    assert dns_resolvers(transaction) == (("192.0.2.53", 53), ("127.0.0.1", 5300), ("2001:db8::53", 54))
    for wrong in ("ns.example", "192.0.2.1:0", "192.0.2.1:x"):
        with pytest.raises(InvalidInput):
            set_dns_resolvers(transaction, OPERATOR, 2.0, wrong)


def test_phones_are_told_a_domains_own_name_only_where_it_was_found_to_lead_here(
    transaction: Transaction, anna: Actor
) -> None:
    token = park(transaction, anna)
    save_reach(transaction, Reach())
    checked(transaction, anna, 20.0, proof(token))
    assert phone_host(transaction, NAME) == ""
    save_reach(transaction, Reach("", ("192.0.2.7",)))
    assert phone_host(transaction, NAME) == "192.0.2.7"
    checked(transaction, anna, 30.0, lambda zone: zone.set("A", NAME, "192.0.2.9"))
    assert phone_host(transaction, NAME) == "192.0.2.7"
    checked(transaction, anna, 40.0, lambda zone: zone.set("A", NAME, "192.0.2.7"))
    assert phone_host(transaction, NAME) == NAME
    assert phone_host(transaction, NAME, "pbx.example") == "pbx.example"
